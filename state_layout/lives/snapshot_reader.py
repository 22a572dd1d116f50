"""The snapshot of one agent, looked at again and again: read when it changed, and what did not change kept.

An agent of a thousand tasks replaces its snapshot whenever one of them settles. What it says of a task as
before is the same object, so that who keeps something by it sees at once what is new.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from state_layout.lives.snapshots import agent_snapshot, read_snapshot
from state_layout.records import TaskOutcome

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot

_FRESH_NS = 20_000_000  # a snapshot so young may be replaced by another one of the same inode, size and time


class SnapshotReader:
    """The reader holds what the snapshot at `path` says: `status` all but its tasks, as it may be believed;
    `outcomes` those.

    Neither is changed in place. `is_there`: the file was there at the last look; `is_snapshot`: and held one.
    With `only`, other tasks are left out.
    """

    def __init__(self, path: Path, *, only: Collection[str] | None = None) -> None:
        self._path, self._only = path, only
        self._shown_path = os.fspath(path)
        self._stamp: tuple[int, int, int] | None = None
        self._entries: dict[str, object] | None = {}  # of tasks, as they were read; None: they were not
        self.is_there = self.is_snapshot = False
        self.status: AgentSnapshot = {}
        self.outcomes: dict[str, TaskOutcome] = {}

    def look(self) -> bool:
        """Read it again if it may have changed; whether it was read. One that is no snapshot says nothing."""
        stamp = self._stamped()
        was_there, self.is_there = self.is_there, stamp is not None
        if stamp == self._stamp and self.is_there == was_there:
            return False
        is_young = stamp is not None and time.time_ns() - stamp[2] < _FRESH_NS
        self._stamp = None if is_young else stamp
        snapshot = read_snapshot(self._path) if self.is_there else None
        self.is_snapshot = snapshot is not None
        self.take(snapshot or {})
        return True

    def believe(self, status: Mapping[str, object], outcomes: Mapping[str, TaskOutcome]) -> None:
        """Believe this, from another source, in place of the file, until that changes."""
        self.status, self.outcomes, self._entries = agent_snapshot(status), dict(outcomes), None

    def take(self, status: Mapping[str, object]) -> None:
        """Believe `status` in place of the file, until that changes."""
        rest = {key: item for key, item in status.items() if key != "tasks"}
        self.status = agent_snapshot(rest)
        told = status.get("tasks")
        entries, known = told if isinstance(told, dict) else {}, self._entries
        if self._only is not None:
            entries = {task: entries[task] for task in self._only if task in entries}
        if entries == known:
            return
        known = known or {}
        outcomes = dict[str, TaskOutcome]()
        for task, entry in entries.items():
            same = self.outcomes.get(task) if known.get(task) == entry else None
            outcome = same or outcome_in(entry)
            if outcome is not None:
                outcomes[task] = outcome
        self._entries, self.outcomes = entries, outcomes

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._shown_path)  # noqa: PTH116 - of each agent at each look: half the cost
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns


def outcome_in(value: Any) -> TaskOutcome | None:
    """Read the outcome of a task in a snapshot; None for what is none."""
    try:
        return TaskOutcome.from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
