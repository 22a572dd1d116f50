"""What an agent must know of others to choose its next task: how their tasks ended, and its own given up.

An agent's status is read first; it is a snapshot made from the journal, which is asked where that is missing
or too short to hold a result. What the supervisor settled is in the journal of its last life.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from maos_sup.core.memory import memory_after
from maos_sup.core.model import Memory
from maos_sup.core.tasks import merged
from state_layout.errors import LayoutError
from state_layout.files.journal import Reader
from state_layout.files.reading import read_record
from state_layout.lives.attempts import recall
from state_layout.lives.numbers import numbers_in
from state_layout.lives.snapshots import Snapshot, agent_snapshot, read_snapshot
from state_layout.paths import Tree
from state_layout.records import SETTLED, Specs, TaskOutcome

ELIDED = "result_is_in_journal"
_START, _GAVE_UP = b'"type":"start"', b'"type":"gave_up"'


def outcomes_known(
    tree: Tree, specs: Specs, agent: str, *, own: Mapping[str, TaskOutcome]
) -> dict[str, TaskOutcome]:
    """The outcomes by which `agent` chooses: its own, those its tasks need, what the supervisor settled."""
    mine = [task for task in specs.tasks.values() if task.agent == agent]
    needed = {need for task in mine for need in task.needs if need in specs.tasks}
    owners = {specs.tasks[need].agent for need in needed} - {agent}
    outcomes = dict(own)
    for owner in owners:
        outcomes = merged(outcomes, _outcomes_of(tree, owner))
    return merged(outcomes, settled_by_supervisor(tree))


def result_of(tree: Tree, specs: Specs, task: str) -> Any:
    """The result of a settled task of another agent; None if it has none. Raises Damaged, StorageError."""
    owner = specs.tasks[task].agent
    entry = (_status_of(tree, owner).get("tasks") or {}).get(task) or {}
    is_current = entry.get("phase") in SETTLED and entry.get("run", 1) >= specs.tasks[task].run
    if is_current and not entry.get(ELIDED):
        return entry.get("result")
    outcome = recall(tree, owner).history.tasks.get(task)
    return None if outcome is None else outcome.result


def settled_by_supervisor(tree: Tree) -> dict[str, TaskOutcome]:
    """The tasks that a supervisor gave up, from the newest life that began."""
    try:
        numbers = numbers_in(tree.lives)
    except OSError:
        return {}
    for number in reversed(numbers):
        memory = _memory_of(tree, number)
        if memory is not None:
            return dict(memory.outcomes)
    return {}


def _memory_of(tree: Tree, life: int) -> Memory | None:
    """What the supervisor's `life` settled; its first line tells what the lives before it did.

    Where the words are not in the file at all nothing but that line is decoded and verified: every agent asks
    for this before every task, and a journal holds a line for each start of each.
    """
    path = tree.life_journal(life)
    try:
        has_given_up = _GAVE_UP in read_record(path)
        lines = islice(Reader(path), None if has_given_up else 1)
        told = (line.fields() for line in lines if _START in line.raw or _GAVE_UP in line.raw)
        return memory_after(told, now_s=0.0)
    except (LayoutError, OSError, ValueError):
        return None


def _outcomes_of(tree: Tree, agent: str) -> dict[str, TaskOutcome]:
    status = _status_of(tree, agent)
    if status:
        return {task: TaskOutcome.from_json(value) for task, value in (status.get("tasks") or {}).items()}
    try:
        return recall(tree, agent).history.tasks
    except LayoutError:
        return {}


def _status_of(tree: Tree, agent: str) -> Snapshot:
    return agent_snapshot(read_snapshot(tree.agent(agent).status))
