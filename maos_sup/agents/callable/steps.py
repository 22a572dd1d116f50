"""Durable steps: what a callable did is recorded under a key, and given back instead of being done again.

Pure of any kind: a `Steps` belongs to one run of one task in one life. Keys that repeat are numbered in the
order in which they come, so a callable must come to its steps in the same order each time (see `context`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maos_sup.agents.attempt.recorder import Recorder
from state_layout.files import codec
from state_layout.lives.history import History, Mark, run_key
from state_layout.records import TaskSpec

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

Received = dict[str, Mark]
_MISSING: Any = object()


class Unrecordable(TypeError):
    """A value that a step returned, sent or kept has no JSON form."""


@dataclass(slots=True, kw_only=True)
class StepEffects:
    """The effects are done within a step, to be committed with its result or not at all."""

    messages: list[SentMessage] = field(default_factory=list)
    received: Received = field(default_factory=dict)
    kept: dict[str, object] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    shared: dict[str, dict[str, int]] = field(default_factory=dict)  # stored, seen
    shared_changes: int = 0

    def fields(self) -> dict[str, object]:
        """Make all but the messages, as a journal line carries them."""
        fields: dict[str, object] = {}
        if self.received:
            fields["received"] = dict(self.received)
        if self.kept or self.deleted:
            fields["state"] = {"set": self.kept, "deleted": self.deleted}
        return fields | self.shared

    def look_after(self, effects: Mapping[str, Any]) -> None:
        """Take the effects of something shared: it is done, the line says so."""
        for name in ("stored", "seen"):
            known = self.shared.setdefault(name, {}) if name in effects else {}
            for key, seq in effects.get(name, {}).items():
                known[key] = max(int(seq), known.get(key, 0))

    def keep(self, key: str, value: Any) -> None:
        """Set `key` of the agent's state."""
        self.kept[key] = value

    def forget(self, key: str) -> None:
        """Delete `key` of the agent's state."""
        self.kept.pop(key, None)
        if key not in self.deleted:
            self.deleted.append(key)


class Steps:
    """The object holds the steps of one run of a task."""

    def __init__(self, recorder: Recorder, task: TaskSpec, *, attempt: int) -> None:
        self._recorder, self._task, self._attempt = recorder, task, attempt
        self._run = run = run_key(task.id, task.run)
        self._times: dict[str, int] = {}
        self._old_calls = recorder.look(lambda history: dict(history.calls.get(run, {})))
        self._old_tokens = recorder.look(lambda history: dict(history.raised.get(run, {})))

    def next_key(self, key: str) -> str:
        """Make `key` as it is recorded: numbered from its second time on."""
        times = self._times[key] = self._times.get(key, 0) + 1
        return key if times == 1 else f"{key}#{times}"

    def recorded(self, key: str) -> tuple[bool, Any]:
        """Say whether the step `key` was done, and give a copy of its result."""
        result = self._recorder.look(lambda history: self._result(history, key))
        return (False, None) if result is _MISSING else (True, result)

    def lost_in(self, key: str) -> int | None:
        """Find the attempt that died within the step `key`, None if none did."""
        token = self._old_calls.get(key)
        return None if token is None else int(token.partition(".")[2] or 0)

    def intend(self, key: str) -> tuple[str, int]:
        """Record that `key` is about to be done: its token (that of an earlier try, if any), the `seq`."""
        before = self._old_calls.pop(key, None) or self._old_tokens.pop(key, None) or os.urandom(16).hex()
        token = before.partition(".")[0]
        return token, self._recorder.record_later(
            "call", self._head(key) | {"token": f"{token}.{self._attempt}"}
        )

    def commit(self, key: str, result: Any, effects: StepEffects, *, is_light: bool = False) -> Any:
        """Record the step `key` with all its effects, durably; its result as a repetition will get it.

        `is_light`: nothing hangs on it, so it becomes durable with the next record. Raises Unrecordable,
        BadInput for an unknown recipient, StorageError.
        """
        fields = self._head(key) | {"result": result} | effects.fields()
        try:
            prepared = self._recorder.prepare(fields, () if is_light else effects.messages)
        except TypeError as cause:
            raise Unrecordable(f"step {key!r}: {cause}; use what JSON has a form for") from cause
        if is_light:
            self._recorder.record_prepared_later("step", prepared)
        else:
            self._recorder.commit_prepared("step", prepared)
        return codec.decode(prepared.encoded)[0]["result"]

    def raised(self, key: str, token: str, error: BaseException) -> None:
        """Record that `key` raised: how it ended is known, and the next try keeps the token."""
        fields = {"token": token, "error": f"{type(error).__name__}: {error}"}
        self._recorder.record_later("raised", self._head(key) | fields)

    def _head(self, key: str) -> dict[str, object]:
        return {"task": self._task.id, "run": self._task.run, "key": key}

    def _result(self, history: History, key: str) -> Any:
        results: Mapping[str, Any] = history.steps.get(self._run, {})
        return codec.decode(codec.encode(results[key])) if key in results else _MISSING
