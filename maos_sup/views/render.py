"""Plain text of a status: aligned columns that fit a width, no control characters. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maos_sup.core.hints import answer_command, budget_command
from maos_sup.views.cells import wrapped
from maos_sup.views.events import counted, duration_text, outcome_text, reason_of
from maos_sup.views.figures import MEASURED, figure_columns, figures_told
from maos_sup.views.files import printable
from maos_sup.views.mirrored import mirror_line
from maos_sup.views.money import shares, spent_text, tokens_text
from maos_sup.views.tables import Row, table
from state_layout.lives.figures import KEPT

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, BudgetShown, MessageShown, Status, TaskShown
    from state_layout.records.attempt_lines import Question

__all__ = ["Row", "table"]
UNBOUNDED = 10_000  # columns where there is no terminal: lines are not folded
_AGENTS_BY_WORTH = ("PID", "READ", "SENT", "USD", "OUTPUT", "ATTEMPT", "TASK", "DONE")
_TASKS_BY_WORTH = ("NEEDS", "ATTEMPTS", "DONE", "AGENT")


def head_lines(status: Status, *, name: str = "ID", width: int = UNBOUNDED) -> list[str]:
    """Say what it is, how it stands, what is wrong and what is asked, each with what to type.

    `name` is what a command line calls the tree.
    """
    counts, supervisor = status["counts"], status["supervisor"]
    done = ", ".join(f"{number} {phase}" for phase, number in counts["tasks_by_phase"].items())
    by = f"supervisor {supervisor['pid']}" if supervisor["alive"] else "no supervisor"
    want = "" if status["want"] == "run" else f", wanted: {status['want']}"
    lines = [
        f"{status['id']}  {status['phase']}{want}",
        one_line(status["request"]),
        f"{counted(counts['tasks'], 'task')} ({done or 'none'}), "
        f"{counts['alive']} of {counted(counts['agents'], 'agent')} alive, "
        f"{counted(counts['messages'], 'message')} sent, {by}",
    ]
    lines += [f"budget: {text}"] if (text := budget_text(status)) else []
    lines += [f"spec error: {error['text']}" for error in status["spec_errors"]]
    for asked in status["questions"]:
        lines.append(f"question {asked['id']}: {one_line(str(asked.get('text', '')))}")
        lines.append(f"  {answer_line(asked, name=name)}")
    caps = [(agent["name"], cap_line(agent, name=name)) for agent in status["agents"]]
    lines += [f"agent {agent}: {line}" for agent, line in caps if line]
    lines += [f"note: {note}" for note in status["notes"]]
    lines += [mirror_line(told) for told in status["mirrors"]]
    return [part for line in lines for part in ([line] if _is_to_be_typed(line) else folded(line, width))]


def budget_text(status: Status) -> str:
    """Say how much was spent of what is allowed; empty where neither is known."""
    counts = status["counts"]
    return total_text(status["budget"], cost=counts["cost_usd"], tokens=counts["tokens"])


def total_text(budget: BudgetShown, *, cost: float, tokens: int) -> str:
    """Word `cost` USD and `tokens` of a budget; empty where neither is known."""
    most_cost, most_tokens = budget["max_cost_usd"], budget["max_tokens"]
    told = [spent_text(cost, most_cost)] if cost or most_cost is not None else []
    if tokens or most_tokens is not None:
        of = f" of {tokens_text(most_tokens)}" if most_tokens is not None else ""
        told.append(f"{tokens_text(tokens)}{of} tokens")
    return ", ".join(told)


def cap_line(agent: AgentShown, *, name: str) -> str | None:
    """Say what to type where an agent waits because a budget is used up; None where it does not."""
    reason = str(agent.get("reason") or "")
    if not reason.startswith("budget "):
        return None
    return f"{reason}; allow more: {budget_command(reason, agent=agent['name'], name=name)}"


def answer_line(asked: Question, *, name: str) -> str:
    """The command that answers a question."""
    return f"answer: {answer_command(str(asked['id']), str(asked.get('text', '')), name=name)}"


def agents_table(status: Status, *, width: int) -> list[str]:
    """Make a table with a row for each agent."""
    costs = shares([agent["cost_usd"] for agent in status["agents"]])
    figures = list(figure_columns((*KEPT, *MEASURED), figures_told(status["agents"])))
    rows = [
        (
            agent["name"],
            str(agent["phase"]),
            str(agent["pid"] or "-"),
            str(agent["attempt"] or "-"),
            agent["task"] or "-",
            percent(agent["progress"]),
            age_text(agent["last_output_at"]),
            str(agent["sent"]),
            str(agent["received"]),
            cost,
            *(cells[place] or "-" for _, cells in figures),
            last_text(agent),
        )
        for place, (agent, cost) in enumerate(zip(status["agents"], costs, strict=True))
    ]
    known = ("AGENT", "PHASE", "PID", "ATTEMPT", "TASK", "DONE", "OUTPUT", "SENT", "READ", "USD")
    heads = [head for head, _ in figures]
    return table((*known, *heads, "LAST"), rows, width=width, by_worth=(*reversed(heads), *_AGENTS_BY_WORTH))


def tasks_table(status: Status, *, width: int) -> list[str]:
    """Make a table with a row for each task."""
    rows = [
        (
            task["id"],
            task["agent"],
            str(task["phase"]),
            percent(task["progress"]),
            str(task["attempts"] or "-"),
            ", ".join(task["needs"]) or "-",
            _task_text(task),
        )
        for task in status["tasks"]
    ]
    heads = ("TASK", "AGENT", "PHASE", "DONE", "ATTEMPTS", "NEEDS", "WHAT")
    return table(heads, rows, width=width, by_worth=_TASKS_BY_WORTH)


def discovery_lines(status: Status, *, width: int = UNBOUNDED) -> list[str]:
    """The last discovery of each agent that made one."""
    found = [
        f"  {agent['name']}: {one_line(str(agent['last_discovery']))}"
        for agent in status["agents"]
        if agent["last_discovery"]
    ]
    return (
        ["", "last discoveries", *(part for line in found for part in folded(line, width))] if found else []
    )


def message_lines(messages: Sequence[MessageShown]) -> list[str]:
    """Write a line for each message: when (UTC), who to whom, what."""
    return [
        f"{_when(message)} {message['from']} -> {message['to']} {message['type']}: {_said(message)}"
        for message in messages
    ]


def last_text(agent: AgentShown) -> str:
    """Say of an agent why it does not work, else what it said last."""
    text = str(reason_of(agent) or agent["note"] or agent["last_line"] or "")
    if agent.get("failed_before") and not reason_of(agent):
        text = f"{text} (attempt {agent['attempt'] - 1}: {agent['failed_before']})"
    where = agent.get("where")
    return one_line(f"[{where}] {text}" if where else text)


def percent(progress: float | None) -> str:
    """Word progress like `40%`, or `-`."""
    if not isinstance(progress, int | float):
        return "-"
    return f"{max(0.0, min(1.0, progress)):.0%}"


def age_text(at: str | None) -> str:
    """Say how long ago `at` was, by this clock; `-` if never."""
    seconds = age_s(at)
    return "-" if seconds is None else duration_text(seconds)


def age_s(at: str | None) -> float | None:
    """Count the seconds since `at`, by this clock; None if that is not known."""
    try:
        then = datetime.fromisoformat(at or "")
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - then).total_seconds())


def one_line(text: str) -> str:
    """Make `text` one line that no terminal obeys."""
    return printable(" ".join(text.split()))


def terminal_width() -> int:
    """Count the columns of the terminal on stdout; elsewhere lines are not folded."""
    import sys

    if not sys.stdout.isatty():
        return UNBOUNDED
    import shutil  # it brings three packers along, and a pipe needs none of it

    return shutil.get_terminal_size().columns


def _is_to_be_typed(line: str) -> bool:
    """The line names a command to copy, which a terminal may wrap and we may not break."""
    return line.startswith("  answer: ")


def folded(line: str, width: int) -> list[str]:
    """`line` within `width`, what follows its first part a little further in."""
    if len(line) <= width // 2:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    first, *rest = wrapped(line, width - len(indent) - 2)
    return [indent + first, *(f"{indent}  {part}" for part in rest)]


def _task_text(task: TaskShown) -> str:
    if task["error"] or task["phase"] in ("done", "failed"):
        return one_line(outcome_text(task).removeprefix(str(task["phase"])).lstrip(": "))
    return one_line(task["description"])


def _when(message: MessageShown) -> str:
    """The second it was sent, in UTC as it is stored; people need not write one."""
    text = str(message["at"])
    if len(text) < 19:
        return text or "-"
    return text[:19] + ("Z" if text.endswith("Z") else text[-6:] if text[-6:-5] in "+-" else "")


def _said(message: MessageShown) -> str:
    said = message.get("text")
    return one_line(str(message.get("body") if said is None else said))
