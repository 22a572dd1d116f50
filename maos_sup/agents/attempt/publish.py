"""The snapshot `status.json` of an agent: made from its memory, when a task changes, else at most four times
a second. Never the truth: the journal is.

It holds all tasks of the agent, so one of thousands that end quickly would do little but write it. So what
did not change is not encoded again, and one snapshot follows the other when ten times as long has passed as
it took, which is a few milliseconds for a hundred tasks.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from maos_sup.agents.attempt.outcomes import ELIDED
from maos_sup.agents.attempt.recorder import Recorder
from state_layout.errors import StorageError
from state_layout.files import atomic, codec
from state_layout.files.chain import utc_now
from state_layout.files.looking import exists
from state_layout.host.triggers import pull
from state_layout.lives.history import History
from state_layout.paths import Tree
from state_layout.records import SETTLED, TaskOutcome, fields_of

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot, ChangedFiles

LEAST_INTERVAL_S = 0.25
MOST_SHARE = 0.1  # of the time that passes, for snapshots that can wait
LONGEST_RESULT_BYTES = 1 << 14  # of one task, in the snapshot
_Wanted = tuple[str | None, list[str]]
_ENDED_TOLD = ("result", "error", "exit_code", "signal")


class Publisher:
    """Writes the snapshot of one life."""

    def __init__(self, tree: Tree, agent: str, *, kind: str, attempt: int, recorder: Recorder) -> None:
        self._path = tree.agent(agent).status
        self._head: AgentSnapshot = {"agent": agent, "kind": kind, "attempt": attempt}
        self._recorder = recorder
        self._lock = threading.Lock()
        self._tree = tree
        self._told: _Wanted = (None, [])
        self._known_changes, self.due_s = -1, 0.0  # when the next may follow, monotonic
        self._soon_s = 0.0  # and one that somebody waits for
        self._is_owed, self._owes_word = False, False  # and so is, once it is there, a word to the supervisor
        self._encoded: dict[str, tuple[TaskOutcome, bytes]] = {}  # of each task what stands in the snapshot
        self.phase, self.reason = "starting", None
        self.task: tuple[str, int] | None = None
        self.began_s = 0.0

    phase: str
    reason: str | None
    changed: ChangedFiles | None = None  # of the project, where the agent has a worktree of its own

    def refresh(self) -> None:
        """Publish if something changed and the last time is long enough ago."""
        if self.is_behind and time.monotonic() >= self.due_s:
            self.publish()

    @property
    def is_behind(self) -> bool:
        """Something was recorded since the last snapshot."""
        return self._is_owed or self._recorder.changes != self._known_changes

    def publish(self) -> None:
        """Publish now, unless memory is ahead of a journal that failed. What cannot be written is left to the
        next time: the journal has it."""
        with self._lock:  # or an older snapshot could replace a newer one
            self._publish()

    def publish_soon(self, *, tell: bool = False) -> None:
        """Publish in a moment: now, unless the last time was too short ago for what it took.

        `tell`: wake the supervisor when that is done.
        """
        self._owes_word |= tell
        if time.monotonic() >= self._soon_s:
            self.publish()
        else:
            self._is_owed, self.due_s = True, min(self.due_s, self._soon_s)

    def is_missing(self) -> bool:
        """Somebody has removed the snapshot."""
        return not exists(self._path)

    def _publish(self) -> None:
        if not self._recorder.is_sound:
            return
        began_s = time.thread_time()
        self._is_owed = False
        self._known_changes = self._recorder.changes
        self.due_s = time.monotonic() + LEAST_INTERVAL_S
        wanted, members = self._recorder.look(self._snapshot)
        try:
            atomic.refresh(self._path, codec.encode_joined(members) + b"\n")
            if wanted != self._told or self._owes_word:  # something may want a person's attention
                self._told, self._owes_word = wanted, False
                pull(self._tree, "supervisor", about=self._head["agent"])
        except StorageError as error:
            self._known_changes = -1
            sys.stderr.write(f"agent: {error}\n")
        self._soon_s = time.monotonic() + (time.thread_time() - began_s) / MOST_SHARE

    def _snapshot(self, history: History) -> tuple[_Wanted, list[bytes]]:
        """Make what may want attention, and the members of the snapshot."""
        tasks = codec.encode_joined([self._task(name, outcome) for name, outcome in history.tasks.items()])
        before, after = (codec.encode(part(history))[1:-1] for part in (self._before, self._after))
        members = [before, b'"tasks":' + tasks, after]
        return (self.reason, [asked["id"] for asked in history.questions.values()]), members

    def _before(self, history: History) -> AgentSnapshot:
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
        }

    def _after(self, history: History) -> AgentSnapshot:
        after: AgentSnapshot = {
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
            "figures": history.figures,
        }
        if self.changed is not None:
            after["changed"] = self.changed
        return after

    def _task(self, name: str, outcome: TaskOutcome) -> bytes:
        """Encode the member of one task; of one that is settled, once."""
        known = self._encoded.get(name)
        if known is not None and known[0] is outcome:
            return known[1]
        data = codec.encode_member(name, self._fields(name, outcome))
        if outcome.phase in SETTLED:
            self._encoded[name] = outcome, data
        return data

    def _fields(self, name: str, outcome: TaskOutcome) -> dict[str, object]:
        told = fields_of(outcome)
        if outcome.phase not in SETTLED and self.task is not None and self.task[0] == name:
            told["elapsed_s"] = round(outcome.elapsed_s + time.monotonic() - self.began_s, 3)
        for key in _ENDED_TOLD[2:]:
            if told[key] is None:
                del told[key]
        if outcome.result is not None and len(codec.encode(outcome.result)) > LONGEST_RESULT_BYTES:
            told["result"] = None
            told[ELIDED] = True
        return told
