"""A plan for a person who has to say yes or no: agents as a table, tasks as a graph, commands. Pure.

The graph is drawn as `git log --graph` draws one: a column for each result that is still waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from maos_sup.views.cells import wrapped
from maos_sup.views.render import one_line, table
from maos_sup.views.tables import lay
from state_layout.specs.kinds import traits_of

Specs = Mapping[str, Mapping[str, Any]]
WARNING = "warning"
_NODE = "o"


class PlannedLine(NamedTuple):
    """A line and how it is meant: `heading`, `warning` or plain."""

    text: str
    style: str = ""


def planned_lines(
    agents: Specs,
    tasks: Specs,
    *,
    width: int,
    templates: Iterable[str] = (),
    limits: Mapping[str, Any] | None = None,
) -> list[PlannedLine]:
    """Show the plan of these specs, text folded at `width`; what tasks need beyond them is there already.

    What an agent is told beyond one of the role `templates` is shown in full, for it is what is approved.
    """
    lines = [
        PlannedLine(text) for text in table(("AGENT", "KIND", "ROLE"), [*_agent_rows(agents)], width=width)
    ]
    lines += [PlannedLine("")] if lines else []
    rows = [*graph_rows(tasks)]
    graph_width = max((len(row.graph) for row in rows), default=0)
    head = f"{'':{graph_width}}  "
    laid = lay(("TASK", "AGENT", "WHAT"), [*_task_rows(tasks)], width=max(20, width - len(head)))
    lines += [PlannedLine((head + laid.head).rstrip(), "heading")] if tasks else []
    by_task = dict(zip([row.task for row in rows if row.task], laid.rows, strict=True))
    for row in rows:
        first, *more = by_task.get(row.task or "", ("",))
        lines.append(PlannedLine(f"{row.graph:{graph_width}}  {first}".rstrip()))
        lines += [PlannedLine(f"{row.below:{graph_width}}  {text}".rstrip()) for text in more]
    lines += _instructions(agents, tuple(templates), width)
    return [*lines, *_limits(tasks, limits or {}), *_warnings(agents)]


def _instructions(agents: Specs, templates: Sequence[str], width: int) -> Iterator[PlannedLine]:
    """Yield what each agent is told beyond its template, or beyond its first line, which the table has."""
    for name, agent in agents.items():
        role = str(agent.get("role") or "").strip()
        known = max(
            (text.strip() for text in templates if role.startswith(text.strip())), key=len, default=""
        )
        rest = role.removeprefix(known) if known else role.partition("\n")[2]
        if rest.strip():
            yield PlannedLine("")
            yield PlannedLine(f"{name} is also told:" if known else f"{name} is told further:", "heading")
            for text in rest.strip().splitlines():
                yield from (PlannedLine(f"  {part}") for part in wrapped(one_line(text), width - 2))


def _limits(tasks: Specs, limits: Mapping[str, Any]) -> Iterator[PlannedLine]:
    """Yield how many may work at once and how long tasks may take, as far as the plan says so."""
    told = [f"{key} = {value}" for key, value in limits.items()]
    told += [
        f"{id_}: timeout_s = {task['timeout_s']}" for id_, task in tasks.items() if task.get("timeout_s")
    ]
    if told:
        yield PlannedLine("")
        yield PlannedLine(f"limits: {', '.join(told)}")


class GraphRow(NamedTuple):
    """A row is one line of the graph; `task` is None between the tasks."""

    graph: str
    task: str | None = None
    below: str = ""  # what stands beside further lines of the task


def in_order(tasks: Specs) -> list[str]:
    """The tasks so that each comes after what it needs, else in the order they are given."""
    placed = list[str]()
    left = [*tasks]
    while left:
        ready = [task for task in left if not _open_needs(tasks, task, placed)]
        placed.append(ready[0] if ready else left[0])
        left.remove(placed[-1])
    return placed


def graph_rows(tasks: Specs) -> Iterator[GraphRow]:
    """The tasks as a graph of what needs what, top down."""
    order = in_order(tasks)
    waiting = {task: {other for other in order if task in _needs(tasks, other)} for task in order}
    lanes: list[str | None] = []  # of each column, the task whose result is still waited for
    for task in order:
        needs = [lane for lane, source in enumerate(lanes) if source in _needs(tasks, task)]
        for lane in needs:
            waiting[lanes[lane] or ""].discard(task)
        ending = [lane for lane in needs if not waiting[lanes[lane] or ""]]
        own = ending[0] if ending else _free_lane(lanes)
        if needs and needs != [own]:
            yield GraphRow(_joint(lanes, needs, ending, own))
        for lane in ending:
            lanes[lane] = None
        lanes[own : own + 1] = [task]
        cells = [_NODE if lane == own else "|" if source else " " for lane, source in enumerate(lanes)]
        under = [
            "|" if source and (lane != own or waiting[task]) else " " for lane, source in enumerate(lanes)
        ]
        yield GraphRow(" ".join(cells).rstrip(), task, " ".join(under).rstrip())
        if not waiting[task]:
            lanes[own] = None
        while lanes and lanes[-1] is None:
            lanes.pop()


def _needs(tasks: Specs, task: str) -> Sequence[str]:
    return [need for need in tasks[task].get("needs", ()) if need in tasks]


def _open_needs(tasks: Specs, task: str, placed: Sequence[str]) -> list[str]:
    return [need for need in _needs(tasks, task) if need not in placed]


def _free_lane(lanes: Sequence[str | None]) -> int:
    return lanes.index(None) if None in lanes else len(lanes)


def _joint(lanes: Sequence[str | None], needs: Sequence[int], ending: Sequence[int], own: int) -> str:
    """The line that leads from the columns `needs` to the column `own`; those of `ending` go no further."""
    first, last = min(*needs, own), max(*needs, own)
    text = ""
    for lane in range(max(len(lanes), own + 1)):
        is_within = first < lane <= last
        if lane in needs or lane == own:
            mark = "'" if lane in ending and lane != own else "." if lane not in needs else "+"
        else:
            mark = "|" if lane < len(lanes) and lanes[lane] else "-" if first < lane < last else " "
        text += ("-" if is_within else " ") * bool(lane) + mark
    return text.rstrip()


def _agent_rows(agents: Specs) -> Iterator[tuple[str, str, str]]:
    for name, agent in agents.items():
        kind = " ".join(str(part) for part in (agent["kind"], agent.get("model")) if part)
        yield name, kind, one_line(str(agent.get("role", "")).partition("\n")[0])


def _task_rows(tasks: Specs) -> Iterator[tuple[str, str, str]]:
    for id_ in in_order(tasks):
        task = tasks[id_]
        after = [need for need in task.get("needs", ()) if need not in tasks]
        what = one_line(str(task.get("description", "")))
        yield id_, str(task["agent"]), f"(after {', '.join(after)}) {what}" if after else what


def command_agents(agents: Specs) -> dict[str, str]:
    """The agents that would run a program of the plan's choosing: name -> the command line."""
    found = dict[str, str]()
    for name, agent in agents.items():
        words = agent.get("command") or agent.get("shell") or agent.get("callable")
        if words and traits_of(str(agent.get("kind"))).runs_words_of_plan:
            found[name] = one_line(words if isinstance(words, str) else " ".join(map(str, words)))
    return found


def _warnings(agents: Specs) -> Iterator[PlannedLine]:
    commands = command_agents(agents)
    if commands:
        yield PlannedLine("")
        yield PlannedLine("These would run as you, unconfined:", WARNING)
        yield from (PlannedLine(f"  {name}: {command}", WARNING) for name, command in commands.items())
