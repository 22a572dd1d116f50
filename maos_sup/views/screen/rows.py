"""The agents as rows: who wants you first, columns by worth, nobody hidden without being counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from maos_sup.views.cells import cells
from maos_sup.views.events import duration_text, reason_of
from maos_sup.views.figures import MEASURED, figure_columns, figures_told
from maos_sup.views.files import natural
from maos_sup.views.money import shares, tokens_text
from maos_sup.views.render import age_s, age_text, last_text, one_line, percent
from maos_sup.views.screen.state import Choice, Look
from state_layout.lives.figures import KEPT
from state_layout.records import AgentPhase

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, Status

_RANKS = {
    AgentPhase.FAILED: 0,
    AgentPhase.ASKING: 0,
    AgentPhase.HUNG: 1,
    AgentPhase.BACKOFF: 1,
    AgentPhase.SLOW: 2,
    AgentPhase.RUNNING: 2,
    AgentPhase.STARTING: 2,
    AgentPhase.QUEUED: 3,
    AgentPhase.PAUSED: 3,
    AgentPhase.STOPPED: 3,
    AgentPhase.DONE: 5,
}
_OTHER = 4  # waiting, parked: nothing is due of them
STYLES = {
    AgentPhase.FAILED: "bad",
    AgentPhase.HUNG: "bad",
    AgentPhase.ASKING: "wants",
    AgentPhase.BACKOFF: "wants",
    AgentPhase.RUNNING: "good",
    AgentPhase.SLOW: "wants",
    AgentPhase.PAUSED: "held",
    AgentPhase.STOPPED: "held",
    AgentPhase.DONE: "dim",
}
MARK = "!"


class Column(NamedTuple):
    """A column has a heading and a cell for each agent, in their order."""

    head: str
    cells: tuple[str, ...]


def wants_you(agent: AgentShown) -> bool:
    """The agent waits for a person: it asks, failed, hangs, or its budget is used up."""
    if _RANKS.get(agent["phase"], _OTHER) <= 1 or agent["questions"]:
        return True
    return str(agent.get("reason") or "").startswith("budget ") and agent["phase"] != AgentPhase.DONE


def ordered(look: Look, choice: Choice) -> list[AgentShown]:
    """The agents that the filter lets pass, in the chosen order; who wants you comes first in any."""
    agents = [agent for agent in look.status["agents"] if _passes(agent, choice.filter)]
    by = _KEYS[choice.sort]
    tasks = _elapsed(look.status)
    return sorted(
        agents,
        key=lambda agent: (not wants_you(agent), *by(agent, look.figures, tasks), natural(agent["name"])),
    )


def elapsed_s(status: Status, agent: AgentShown) -> float | None:
    """Tell how long an agent has been at its task, or was at its last one."""
    return _elapsed(status).get(agent["name"])


def columns(look: Look, agents: Sequence[AgentShown], *, width: int) -> list[Column]:
    """The columns that have something to say, as many as there is room for, the last one for the rest.

    `width` is in cells. Those that go first when it is narrow stand last in `_offers`.
    """
    head = [
        Column("", tuple(MARK if wants_you(agent) else "" for agent in agents)),
        Column("AGENT", tuple(one_line(agent["name"]) for agent in agents)),
        Column("PHASE", tuple(str(agent["phase"]) for agent in agents)),
    ]
    offers = [column for column in _offers(look, agents) if any(cell not in _SILENT for cell in column.cells)]
    left = width - sum(column_width(column) + 2 for column in head)
    least_last = min(max(width // 3, 16), 70)
    shown = list[Column]()
    for column in offers:
        if left - column_width(column) - 2 >= least_last:
            left -= column_width(column) + 2
            shown.append(column)
    shown.sort(key=lambda column: _PLACES.index(column.head))
    return [*head, *shown, Column("LAST", tuple(said(agent) for agent in agents))]


def column_width(column: Column) -> int:
    """The cells that a column takes."""
    return max(map(cells, (column.head, *column.cells)), default=0)


def said(agent: AgentShown) -> str:
    """Say what matters most of an agent: what it asks, why it failed, else what it said last."""
    if agent["questions"]:
        return one_line(str(agent["questions"][0].get("text", "")))
    return last_text(agent)


def rest_text(hidden: Sequence[AgentShown]) -> str:
    """Say who is not shown: `and 8 more: 5 asking, 1 failed, 2 running`."""
    phases = Counter(str(agent["phase"]) for agent in sorted(hidden, key=_rank))
    return f"and {len(hidden)} more: {', '.join(f'{many} {phase}' for phase, many in phases.items())}"


_SILENT = frozenset({"", "-", "0"})
_LIVE = tuple(row for row in MEASURED if row.is_live)
_PLACES = (
    *("FOR", "TASK", "DONE", "TRY", "USD", "TOKENS", *(row.head for row in KEPT)),
    *(*(row.head for row in _LIVE), "SENT", "READ", "OUTPUT", "PID"),
)


def _offers(look: Look, agents: Sequence[AgentShown]) -> list[Column]:
    """List the columns by worth, the most first."""
    spent = _elapsed(look.status)
    measured = [look.figures.get(agent["name"], {}) for agent in agents]
    costs = shares([agent["cost_usd"] for agent in agents])
    tasks = tuple(
        "" if agent["task"] in (None, agent["name"]) else one_line(agent["task"]) for agent in agents
    )
    return [
        Column("FOR", tuple(_for(spent.get(agent["name"])) for agent in agents)),
        Column("DONE", tuple(_percent(agent) for agent in agents)),
        Column("TASK", tasks),
        Column("TRY", tuple(str(agent["attempt"]) if agent["attempt"] > 1 else "" for agent in agents)),
        Column("USD", tuple(cost if float(cost) else "" for cost in costs)),
        *(Column(*each) for each in figure_columns(_LIVE, measured, with_empty=True)),
        Column("TOKENS", tuple(tokens_text(agent["tokens"]) for agent in agents)),
        Column("OUTPUT", tuple(age_text(agent["last_output_at"]) for agent in agents)),
        Column("SENT", tuple(str(agent["sent"]) for agent in agents)),
        Column("READ", tuple(str(agent["received"]) for agent in agents)),
        *(Column(*each) for each in figure_columns(KEPT, figures_told(agents), with_empty=True)),
        Column("PID", tuple(str(agent["pid"] or "") for agent in agents)),
    ]


def _for(seconds: float | None) -> str:
    return duration_text(seconds) if seconds else ""


def _percent(agent: AgentShown) -> str:
    return percent(agent["progress"]) if agent["progress"] is not None else ""


def _elapsed(status: Status) -> dict[str, float]:
    """Find how long each agent has been at the task it is at, else at the one it ended last."""
    found = dict[str, float]()
    at = {agent["name"]: agent["task"] for agent in status["agents"]}
    for task in status["tasks"]:
        if task["elapsed_s"] and at.get(task["agent"]) in (None, task["id"]):
            found[task["agent"]] = task["elapsed_s"]
    return found


def _passes(agent: AgentShown, wanted: str) -> bool:
    text = " ".join((agent["name"], str(agent["phase"]), str(agent["task"] or ""), agent["kind"]))
    return all(word in text.lower() for word in wanted.lower().split())


def _rank(agent: AgentShown) -> int:
    return 0 if agent["questions"] else _RANKS.get(agent["phase"], _OTHER)


Key = Callable[["AgentShown", Mapping[str, Mapping[str, float]], Mapping[str, float]], tuple[float, ...]]
_KEYS: dict[str, Key] = {
    "wants": lambda agent, figures, spent: (_rank(agent),),
    "cost": lambda agent, figures, spent: (-agent["cost_usd"], -agent["tokens"]),
    "age": lambda agent, figures, spent: (-(age_s(agent["last_output_at"]) or 0.0),),
    "cpu": lambda agent, figures, spent: (-figures.get(agent["name"], {}).get("cpu", 0.0),),
    "name": lambda agent, figures, spent: (),
}


def reason_text(agent: AgentShown) -> str:
    """Say why an agent does not work, whole; empty where it does."""
    return one_line(str(reason_of(agent) or ""))
