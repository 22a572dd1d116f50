"""Says what an agent must know of others to choose its next task:
how their tasks ended, and its own given up.

How others stand is read as `maos_sup.standing` says: their snapshots first, their journals where there is
no snapshot or where it is too short to hold a result. What did not change is not read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from maos_sup.standing.journals import from_journals
from state_layout.lives.attempts import recall
from state_layout.lives.snapshot_reader import SnapshotReader
from state_layout.lives.snapshots import agent_snapshot, read_snapshot
from state_layout.paths import Tree
from state_layout.records import SETTLED, Specs, TaskOutcome, TaskPhase

ELIDED = "result_is_in_journal"


class Others:
    """Reads how tasks of other agents ended, again and again. `needed`: whose, by agent."""

    def __init__(self, tree: Tree, needed: Mapping[str, Collection[str]]) -> None:
        self._tree, self._needed = tree, needed
        self._readers = {
            agent: SnapshotReader(tree.agent(agent).status, only=tuple(tasks))
            for agent, tasks in needed.items()
        }

    def news(self, agent: str) -> Mapping[str, TaskOutcome] | None:
        """Read what is known of the needed tasks of `agent`; None if that is as it was told last."""
        reader = self._readers[agent]
        was_read = reader.look()
        if not reader.is_snapshot:
            known = from_journals(self._tree, agent).outcomes
            return {task: known[task] for task in self._needed[agent] if task in known}
        return reader.outcomes if was_read else None


def result_of(tree: Tree, specs: Specs, task: str) -> Any:
    """Find the result of a settled task of another agent; None if it has none. Raises Damaged,
    StorageError."""
    owner = specs.tasks[task].agent
    status = agent_snapshot(read_snapshot(tree.agent(owner).status))
    entry = (status.get("tasks") or {}).get(task) or {}
    is_current = entry.get("phase") in SETTLED and entry.get("run", 1) >= specs.tasks[task].run
    if is_current and not entry.get(ELIDED):
        return entry.get("result")
    outcome = recall(tree, owner).history.tasks.get(task)
    return None if outcome is None else outcome.result


def phase_of(tree: Tree, specs: Specs, task: str) -> TaskPhase | None:
    """Find how a task of another agent ended by that one's records, None if it did not.

    Raises Damaged, StorageError.
    """
    owner, run = specs.tasks[task].agent, specs.tasks[task].run
    status = agent_snapshot(read_snapshot(tree.agent(owner).status))
    entry = (status.get("tasks") or {}).get(task) or {}
    if entry.get("phase") in SETTLED and entry.get("run", 1) >= run:
        return TaskPhase(entry["phase"])
    outcome = recall(tree, owner).history.tasks.get(task)
    return outcome.phase if outcome is not None and outcome.run >= run else None
