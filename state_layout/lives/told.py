"""The snapshot of one agent, looked at again and again: read when it changed, and what did not change kept.

An agent of a thousand tasks replaces its snapshot whenever one of them settles. What it says of a task as
before is the same object, so that who keeps something by it sees at once what is new.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from state_layout.lives.snapshots import Snapshot, agent_snapshot, read_snapshot
from state_layout.records import TaskOutcome

_FRESH_NS = 20_000_000  # a snapshot so young may be replaced by another one of the same inode, size and time


class Told:
    """What the snapshot at `path` says: `status` all but its tasks, as it may be believed; `outcomes` those.

    Neither is changed in place. `is_there`: the file was there at the last look.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown_path = os.fspath(path)
        self._stamp: tuple[int, int, int] | None = None
        self._entries: dict[str, Any] = {}  # of tasks, as they were read
        self.is_there = False
        self.status: Snapshot = {}
        self.outcomes: dict[str, TaskOutcome] = {}

    def look(self) -> bool:
        """Read it again if it may have changed; whether it was read. One that is no snapshot says nothing."""
        stamp = self._stamped()
        was_there, self.is_there = self.is_there, stamp is not None
        if stamp == self._stamp and self.is_there == was_there:
            return False
        is_young = stamp is not None and time.time_ns() - stamp[2] < _FRESH_NS
        self._stamp = None if is_young else stamp
        self.take(read_snapshot(self._path) or {})
        return True

    def take(self, status: Snapshot) -> None:
        """Believe `status` in place of the file, until that changes."""
        rest = {key: item for key, item in status.items() if key != "tasks"}
        self.status = agent_snapshot(rest)
        told = status.get("tasks")
        entries, known = told if isinstance(told, dict) else {}, self._entries
        if entries == known:
            return
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
    """The outcome of a task in a snapshot; None for what is none."""
    try:
        return TaskOutcome.from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
