"""The tasks as a graph in columns, of any size with a bounded number of nodes. Pure.

A task stands one column behind the last of what it needs. Where there are many, tasks with the same needs and
the same successors are one node, and where that is still too many, the rest of a column is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

MOST_NODES, _MOST_SINGLE, _MOST_ROWS = 240, 60, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node is a task, or several alike (`count` above 1). Shares are of the whole run, from 0 to 1."""

    id: str
    label: str
    phase: str
    agent: str | None
    column: int
    row: int
    count: int = 1
    phases: Mapping[str, int]
    time_share: float = 0.0
    cost_share: float = 0.0
    elapsed_s: float = 0.0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph has nodes, and edges as pairs of their ids: what is needed, and what needs it."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    columns: int
    rows: int


def graph_of(tasks: Sequence[Mapping[str, Any]], costs: Mapping[str, float]) -> Graph:
    """The graph of `tasks`, as a status has them; `costs` in USD by task."""
    columns = _columns(tasks)
    groups = _groups(tasks, columns)
    of_task = {task["id"]: name for name, members in groups.items() for task in members}
    time_s = sum(float(task["elapsed_s"]) for task in tasks) or 1.0
    money = sum(costs.values()) or 1.0
    nodes, rows = [], Counter[int]()
    for name, members in groups.items():
        column = columns[members[0]["id"]]
        node = _node(name, members, (column, rows[column]), costs)
        nodes.append(replace(node, time_share=node.elapsed_s / time_s, cost_share=node.cost_usd / money))
        rows[column] += 1
    edges = dict.fromkeys(
        (of_task[need], of_task[task["id"]]) for task in tasks for need in task["needs"] if need in of_task
    )
    return Graph(
        nodes=tuple(nodes),
        edges=tuple(edge for edge in edges if edge[0] != edge[1]),
        columns=max(columns.values(), default=-1) + 1,
        rows=max(rows.values(), default=0),
    )


def _node(
    name: str,
    members: Sequence[Mapping[str, Any]],
    place: tuple[int, int],
    costs: Mapping[str, float],
) -> Node:
    phases = Counter(str(task["phase"]) for task in members)
    elapsed_s = sum(float(task["elapsed_s"]) for task in members)
    cost = sum(costs.get(task["id"], 0.0) for task in members)
    agents = {task["agent"] for task in members}
    return Node(
        id=name,
        label=members[0]["id"] if len(members) == 1 else f"{members[0]['id']} and {len(members) - 1} more",
        phase=_foremost(phases),
        agent=agents.pop() if len(agents) == 1 else None,
        column=place[0],
        row=place[1],
        count=len(members),
        phases=dict(phases),
        elapsed_s=round(elapsed_s, 3),
        cost_usd=round(cost, 6),
    )


def _columns(tasks: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Find the column of each task: 0 without needs. Needs that are not there, or go round, do not count."""
    needs = {task["id"]: list(task["needs"]) for task in tasks}
    found, waiting = dict[str, int](), dict[str, set[str]]()
    behind = defaultdict[str, list[str]](list)
    for task, wanted in needs.items():
        waiting[task] = {need for need in wanted if need in needs}
        for need in waiting[task]:
            behind[need].append(task)
    ready = [task for task, wanted in waiting.items() if not wanted]
    while ready:
        task = ready.pop()
        found[task] = max((found[need] + 1 for need in needs[task] if need in found), default=0)
        for later in behind[task]:
            waiting[later].discard(task)
            if not waiting[later]:
                ready.append(later)
    return {task: found.get(task, 0) for task in needs}


def _groups(
    tasks: Sequence[Mapping[str, Any]], columns: Mapping[str, int]
) -> dict[str, list[Mapping[str, Any]]]:
    """Group nodes by name: single tasks while they are few, else those that stand alike."""
    if len(tasks) <= _MOST_SINGLE:
        return {task["id"]: [task] for task in tasks}
    behind = defaultdict[str, set[str]](set)
    for task in tasks:
        for need in task["needs"]:
            behind[need].add(task["id"])
    alike = defaultdict[tuple[Any, ...], list[Mapping[str, Any]]](list)
    for task in tasks:
        place = (columns[task["id"]], tuple(sorted(task["needs"])), tuple(sorted(behind[task["id"]])))
        alike[place].append(task)
    rows, found = Counter[int](), dict[str, list[Mapping[str, Any]]]()
    for (column, *_), members in alike.items():
        name = members[0]["id"]
        if rows[column] >= _MOST_ROWS or len(found) >= MOST_NODES:
            name = f"~rest-{column}"
        else:
            rows[column] += 1
        found.setdefault(name, []).extend(members)
    return found


def _foremost(phases: Mapping[str, int]) -> str:
    """The phase that a person should see of several."""
    order = (
        "failed",
        "asking",
        "running",
        "interrupted",
        "blocked",
        "ready",
        "waiting",
        "paused",
        "cancelled",
    )
    return next((phase for phase in order if phases.get(phase)), next(iter(phases), "waiting"))
