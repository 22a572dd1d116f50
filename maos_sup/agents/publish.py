"""The snapshot `status.json` of an agent: made from its memory, at once when a task changes, else at most
four times a second. Never the truth: the journal is."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from maos_sup.agents.ledger import Ledger
from maos_sup.agents.outcomes import ELIDED
from state_layout.errors import StorageError
from state_layout.files import atomic, codec
from state_layout.files.chain import utc_now
from state_layout.host.triggers import pull
from state_layout.lives.history import History
from state_layout.paths import Tree
from state_layout.records import SETTLED, fields_of

LEAST_INTERVAL_S = 0.25
LONGEST_RESULT_BYTES = 1 << 14  # of one task, in the snapshot
_ENDED_TOLD = ("result", "error", "exit_code", "signal")


class Publisher:
    """Writes the snapshot of one life."""

    def __init__(self, tree: Tree, agent: str, *, kind: str, attempt: int, ledger: Ledger) -> None:
        self._path = tree.agent(agent).status
        self._head = {"agent": agent, "kind": kind, "attempt": attempt}
        self._ledger = ledger
        self._lock = threading.Lock()
        self._tree, self._told = tree, (None, list[str]())
        self._known_changes, self.due_s = -1, 0.0  # when the next may follow, monotonic
        self.phase, self.reason = "starting", None
        self.task: tuple[str, int] | None = None
        self.began_s = 0.0

    phase: str
    reason: str | None

    def refresh(self) -> None:
        """Publish if something changed and the last time is long enough ago."""
        if self.is_behind and time.monotonic() >= self.due_s:
            self.publish()

    @property
    def is_behind(self) -> bool:
        """Whether something was recorded since the last snapshot."""
        return self._ledger.changes != self._known_changes

    def publish(self) -> None:
        """Publish now, unless memory is ahead of a journal that failed. What cannot be written is left to the
        next time: the journal has it."""
        with self._lock:  # or an older snapshot could replace a newer one
            self._publish()

    def is_missing(self) -> bool:
        """Whether somebody removed the snapshot."""
        return not self._path.exists()

    def _publish(self) -> None:
        if not self._ledger.is_sound:
            return
        self._known_changes = self._ledger.changes
        self.due_s = time.monotonic() + LEAST_INTERVAL_S
        value = self._ledger.look(self._snapshot)
        wanted = (value["reason"], [asked["id"] for asked in value["questions"]])
        try:
            atomic.refresh(self._path, codec.encode(value) + b"\n")
            if wanted != self._told:  # something may want a person's attention
                self._told = wanted
                pull(self._tree, "supervisor")
        except StorageError as error:
            self._known_changes = -1
            sys.stderr.write(f"agent: {error}\n")

    def _snapshot(self, history: History) -> dict[str, Any]:
        task, run = self.task or (None, None)
        return {
            **self._head,
            "seq": history.seq,
            "at": utc_now(),
            "phase": self.phase,
            "reason": self.reason,
            "task": task,
            "run": run,
            "progress": history.progress if task else None,
            "note": history.note if task else None,
            "tasks": {name: self._task(name, fields_of(outcome)) for name, outcome in history.tasks.items()},
            "sent": history.sent_count,
            "received": history.received,
            "gains": history.gains,
            "marks": {key: mark[0] for key, mark in history.marks.items()},
            "mail_marks": {key: list(mark) for key, mark in history.marks.items()},
            "questions": list(history.questions.values()),
            "answers": list(history.answers.values()),
            "discoveries": history.discoveries,
            "last_discovery": history.last_discovery,
            "artifacts": list(history.artifacts),
            "cost_usd": history.cost_usd,
            "tokens": history.tokens,
        }

    def _task(self, name: str, outcome: dict[str, Any]) -> dict[str, Any]:
        if outcome["phase"] not in SETTLED and self.task is not None and self.task[0] == name:
            outcome["elapsed_s"] = round(outcome["elapsed_s"] + time.monotonic() - self.began_s, 3)
        for key in _ENDED_TOLD[2:]:
            if outcome[key] is None:
                del outcome[key]
        if outcome["result"] is not None and len(codec.encode(outcome["result"])) > LONGEST_RESULT_BYTES:
            outcome["result"] = None
            outcome[ELIDED] = True
        return outcome
