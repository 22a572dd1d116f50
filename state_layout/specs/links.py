"""Says what spec files say about each other: tasks name agents and needs. Pure.

A fault names the task whose file has to change.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set

from msgspec import Struct

from state_layout.records import TaskSpec
from state_layout.shapes.rules import At
from state_layout.shapes.wording import closest, listed

_MOST_HINTS = 20
_LONGEST_WAY = 12  # tasks of a circle that are named


class Link(Struct, frozen=True, kw_only=True):
    """A link says what a task refers to; an agent that could not be made out is None and no fault."""

    agent: str | None
    needs: Sequence[str] = ()


class LinkFault(Struct, frozen=True, kw_only=True):
    """The fault is a reference that leads nowhere or round in a circle; `at` is its place in the file of
    `task`."""

    task: str
    at: At
    text: str


def links_of(tasks: Iterable[TaskSpec]) -> dict[str, Link]:
    """Collect what `tasks` refer to, by task."""
    return {task.id: Link(agent=task.agent, needs=task.needs) for task in tasks}


def link_faults(
    agents: Set[str], tasks: Mapping[str, Link], *, bad: Set[str] = frozenset()
) -> Iterator[LinkFault]:
    """Yield a fault for every unknown agent or need. `bad`: spec files that are there but not in force."""
    hints = Hints(agents, tasks)
    for task, link in tasks.items():
        yield from faults_of(task, link, agents, tasks, hints=hints, bad=bad)


def faults_of(
    task: str,
    link: Link,
    agents: Set[str],
    tasks: Container[str],
    *,
    hints: Hints,
    bad: Set[str] = frozenset(),
) -> Iterator[LinkFault]:
    """Yield what is wrong with the references of one task."""
    if link.agent is not None and link.agent not in agents:
        cause = hints.not_among(link.agent, what="agent", bad=bad)
        yield LinkFault(task=task, at=("agent",), text=f"'agent' is {link.agent!r}, {cause}")
    for index, need in enumerate(link.needs):
        if need not in tasks:
            cause = hints.not_among(need, what="task", bad=bad)
            text = f"'needs[{index}]' is {need!r}, {cause}"
            yield LinkFault(task=task, at=("needs", index), text=text)


class Hints:
    """Hints guess what was probably meant. Looking for it takes long among thousands of names: a few are
    enough."""

    def __init__(self, agents: Iterable[str], tasks: Iterable[str]) -> None:
        self._names = {"agent": sorted(agents), "task": sorted(tasks)}
        self._left = _MOST_HINTS

    def not_among(self, word: str, *, what: str, bad: Set[str]) -> str:
        """Say why `word` is no agent or task, and what to use."""
        if (rel := f"{what}s/{word}.json") in bad:
            return f"whose file spec/{rel} is bad; mend that one"
        names = self._names[what]
        if not names:
            return f"but there is no {what}; add it"
        self._left -= 1
        meant = closest(word, names) if self._left >= 0 else ""
        return f"which is no {what}; {meant or 'use ' + listed(names[:8], last='or')}"


def circle_faults(circle: Sequence[str], tasks: Mapping[str, Link]) -> list[LinkFault]:
    """Make the fault of each task in a circle of needs."""
    shown = [*circle]
    if len(circle) > _LONGEST_WAY:
        shown = [*circle[:_LONGEST_WAY], f"... ({len(circle)} tasks)"]
    way = " -> ".join([*shown, circle[0]])
    faults = []
    for task, need in zip(circle, [*circle[1:], circle[0]], strict=True):
        index = [*tasks[task].needs].index(need)
        text = f"'needs[{index}]' is {need!r}, so these wait for each other: {way}; remove one of these needs"
        faults.append(LinkFault(task=task, at=("needs", index), text=text))
    return faults


def circles(tasks: Mapping[str, Link]) -> list[list[str]]:
    """Find circles among the needs, as paths in which each task needs the next; none only without one.

    No task is in two of them: where circles share tasks, one stands for all.
    """
    found: list[list[str]] = []
    done: set[str] = set()
    caught: set[str] = set()
    for start in tasks:
        if start not in done:
            for circle in _follow(start, tasks, done=done):
                if caught.isdisjoint(circle):
                    found.append(circle)
                    caught.update(circle)
    return found


def needs_first(tasks: Mapping[str, Link]) -> list[str]:
    """Order every task after those it needs, circles aside."""
    done: dict[str, None] = {}
    seen: set[str] = set()
    for start in tasks:
        path = [(start, iter(tasks[start].needs))] if start not in seen else []
        seen.add(start)
        while path:
            task, needs = path[-1]
            need = next((need for need in needs if need in tasks and need not in seen), None)
            if need is None:
                done[task] = None
                path.pop()
            else:
                seen.add(need)
                path.append((need, iter(tasks[need].needs)))
    return [*done]


def _follow(start: str, tasks: Mapping[str, Link], *, done: set[str]) -> Iterator[list[str]]:
    """Search depth first without recursion: `path` is the way here, each with the needs still to follow
    from it."""
    path = {start: iter(tasks[start].needs)}
    while path:
        task = next(reversed(path))
        need = next(path[task], None)
        if need is None:
            done.add(task)
            del path[task]
        elif need in path:
            way = [*path]
            yield way[way.index(need) :]
        elif need in tasks and need not in done:
            path[need] = iter(tasks[need].needs)
