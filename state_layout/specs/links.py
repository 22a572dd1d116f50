"""What spec files say about each other: tasks name agents and needs. Pure.

A fault names the task whose file has to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from state_layout.records import TaskSpec
from state_layout.shapes.rules import At
from state_layout.shapes.wording import closest, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a task refers to; an agent that could not be made out is None and no fault."""

    agent: str | None
    needs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFault:
    """A reference that leads nowhere or round in a circle; `at` is the place in the file of `task`."""

    task: str
    at: At
    text: str


def links_of(tasks: Iterable[TaskSpec]) -> dict[str, Link]:
    """What `tasks` refer to."""
    return {task.id: Link(agent=task.agent, needs=task.needs) for task in tasks}


def link_faults(
    agents: Set[str], tasks: Mapping[str, Link], *, bad: Set[str] = frozenset()
) -> Iterator[LinkFault]:
    """Yield a fault for every unknown agent or need. `bad`: spec files that are there but not in force."""
    for task, link in tasks.items():
        if link.agent is not None and link.agent not in agents:
            cause = _not_among(link.agent, agents, what="agent", bad=bad)
            yield LinkFault(task=task, at=("agent",), text=f"'agent' is {link.agent!r}, {cause}")
        for index, need in enumerate(link.needs):
            if need not in tasks:
                cause = _not_among(need, tasks, what="task", bad=bad)
                text = f"'needs[{index}]' is {need!r}, {cause}"
                yield LinkFault(task=task, at=("needs", index), text=text)


def circle_faults(circle: Sequence[str], tasks: Mapping[str, Link]) -> list[LinkFault]:
    """The fault of each task in a circle of needs."""
    way = " -> ".join([*circle, circle[0]])
    faults = []
    for task, need in zip(circle, [*circle[1:], circle[0]], strict=True):
        index = [*tasks[task].needs].index(need)
        text = f"'needs[{index}]' is {need!r}, so these wait for each other: {way}; remove one of these needs"
        faults.append(LinkFault(task=task, at=("needs", index), text=text))
    return faults


def circles(tasks: Mapping[str, Link]) -> list[list[str]]:
    """Circles among the needs, as paths in which each task needs the next; none only if there is none."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in tasks:
        if start not in done:
            _follow(start, tasks, done=done, found=found)
    return found


def _follow(start: str, tasks: Mapping[str, Link], *, done: set[str], found: list[list[str]]) -> None:
    """Depth first without recursion: `path` is the way here, each with the needs still to follow from it."""
    path = {start: iter(tasks[start].needs)}
    while path:
        task = next(reversed(path))
        need = next(path[task], None)
        if need is None:
            done.add(task)
            del path[task]
        elif need in path:
            way = [*path]
            found.append(way[way.index(need) :])
        elif need in tasks and need not in done:
            path[need] = iter(tasks[need].needs)


def _not_among(word: str, known: Iterable[str], *, what: str, bad: Set[str]) -> str:
    if (rel := f"{what}s/{word}.json") in bad:
        return f"whose file spec/{rel} is bad; mend that one"
    names = sorted(known)
    if not names:
        return f"but there is no {what}; add it"
    return f"which is no {what}; {closest(word, names) or 'use ' + listed(names[:8], last='or')}"
