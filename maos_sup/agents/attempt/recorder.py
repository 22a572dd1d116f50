"""The one way by which an agent's life records anything: journal, memory and mail behind one lock.

Journal, then act, then acknowledge: a line is durable before its messages leave. The lock is held over all
of it, so two threads never deliver out of order and memory never shows what the journal does not have.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from maos_sup.agents.attempt.latecomers import MAY_BE_LATE, Latecomers
from maos_sup.agents.attempt.shared import Shared
from maos_sup.agents.secrets.redaction import Redacted, Redactor
from state_layout.errors import StorageError
from state_layout.files.chain import Line
from state_layout.host.triggers import TriggerWriter
from state_layout.lives.attempts import Attempt
from state_layout.lives.checkpoints import Checkpointer
from state_layout.lives.history import History, Mark
from state_layout.mail.outbox import Outbox
from state_layout.paths import Tree
from state_layout.records import AgentSpec, Intervals

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

Answer = TypeVar("Answer")


class Recorder:
    """Records what the life `attempt` of `agent` does. Safe to use from several threads."""

    def __init__(
        self, tree: Tree, agent: str, *, attempt: Attempt, history: History, redactor: Redactor | None = None
    ) -> None:
        self._tree, self._agent = tree, agent
        self._journal, self._history = attempt.journal, history
        self._outbox = Outbox(tree, agent, attempt=attempt.number)
        self._checkpointer = Checkpointer(attempt.paths)
        self._redactor = redactor or Redactor({})
        self._triggers = TriggerWriter(tree)
        self._lock = threading.RLock()
        self._held: list[SentMessage] = []  # messages whose line is not known to be durable
        self.spec: Callable[[], AgentSpec | None] = lambda: None  # in force: what scopes are granted
        self.hooks: Callable[[], Sequence[dict[str, object]]] = tuple  # in force, of changes of shared state
        self.intervals: Callable[[], Intervals] = Intervals  # in force: whether a line may be durable later
        self.latecomers = Latecomers(self.sync)
        self._shared: Shared | None = None
        self._held_seq = 0  # of the last line that such messages stand in
        self.is_sound = True  # else memory shows what is not durable
        self.changes = 0  # grows with every line: viewers are behind if they know a lower one

    @property
    def synced_seq(self) -> int:
        """This is the highest `seq` known to be durable."""
        return self._journal.synced_seq

    @property
    def last_h(self) -> str | None:
        """The hash is that of the line `synced_seq`, if that is the last one."""
        position = self._journal.position
        return position.h if position.seq == self.synced_seq else None

    def catch_up(self) -> list[str]:
        """Append the mail that earlier lives did not deliver; notes on what may be missing.

        Raises Damaged, StorageError.
        """
        with self._lock:
            self._outbox.catch_up(self._history)
            return self._outbox.notes

    def commit(self, type_: str, fields: Mapping[str, Any], *, messages: Sequence[SentMessage] = ()) -> int:
        """Record one line with all its effects, durably, then let its messages leave; its `seq`.

        With `[intervals] sync` as `group`, lines of some types are so within a few milliseconds.

        Raises BadInput for an unknown recipient, TypeError for what JSON has no form for (nothing is recorded
        then), StorageError.
        """
        return self.commit_prepared(type_, self._redactor.records(fields, *messages))

    def commit_prepared(self, type_: str, prepared: Redacted) -> int:
        """Commit what `prepare` gave. Raises BadInput, StorageError."""
        if type_ in MAY_BE_LATE and self.intervals().sync == "group":
            return self._record_soon(type_, prepared)
        with self._lock:
            line, entry = self._record(type_, prepared)
            self._journal.begin_sync()  # what follows is done while the disk is busy
            self._fold(line, entry, prepared)
            if self._held:
                self._outbox.prepare(self._held)
            recipients = self._settle(line.end.seq)
        for to in recipients:
            self._wake(to)
        return line.end.seq

    def record_later(
        self, type_: str, fields: Mapping[str, Any], *, messages: Sequence[SentMessage] = ()
    ) -> int:
        """Record one line that nothing depends on yet; its `seq`. It becomes durable with the next one, or by
        `sync`; then its messages leave, in order. Raises as `commit` does."""
        return self.record_prepared_later(type_, self.prepare(fields, messages))

    def record_prepared_later(self, type_: str, prepared: Redacted) -> int:
        """Record what `prepare` gave, not yet durable. Raises BadInput, StorageError."""
        with self._lock:
            line, entry = self._record(type_, prepared)
            self._fold(line, entry, prepared)
            return line.end.seq

    def prepare(self, fields: Mapping[str, Any], messages: Sequence[SentMessage] = ()) -> Redacted:
        """Make a line and its messages as they are recorded: without secrets.

        Raises TypeError for what JSON has no form for.
        """
        return self._redactor.records(fields, *messages)

    def redacted(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make `fields` as they are recorded: without secrets. Raises TypeError for what JSON has no form
        for."""
        return self._redactor.record(fields)

    def sync(self, seq: int | None = None) -> None:
        """Make what is recorded (up to `seq`) durable; messages whose line is durable then leave.

        Raises StorageError.
        """
        with self._lock:
            if self._held:
                self._journal.begin_sync()
                self._outbox.prepare(self._held)
            recipients = self._settle(seq)
        for to in recipients:
            self._wake(to)

    def sync_mail(self) -> None:
        """Make everything sent durable where its readers read it: nobody may come back to send it again.

        Raises StorageError.
        """
        with self._lock:
            self.sync()
            self._outbox.deliver()
            self._outbox.sync()

    @property
    def shared(self) -> Shared:
        """The agent keeps values under keys with this, alone and with others."""
        if self._shared is None:
            self._shared = Shared(
                self._tree,
                self._agent,
                redactor=self._redactor,
                spec=lambda: self.spec(),
                settle=self._settled,
                hooks=lambda: self.hooks(),
                own=lambda: self.look(lambda history: dict(history.state)),
            )
        return self._shared

    def _settled(self) -> int:
        """Make durable what is recorded, before something is done that others see; the last `seq`."""
        self.sync()
        return self.synced_seq

    def look(self, question: Callable[[History], Answer]) -> Answer:
        """Answer a question about what is recorded; it must not keep what it is shown."""
        with self._lock:
            return question(self._history)

    def marks(self) -> dict[str, Mark]:
        """Tell how far mail was acknowledged."""
        return self.look(lambda history: dict(history.marks))

    def checkpoint(self) -> bool:
        """Compact everything recorded so far; whether that was needed and possible. Raises StorageError."""
        with self._lock:
            if self._held:
                self.sync()
            return self._checkpointer.save(self._history, self._journal, self._outbox)

    def close(self) -> None:
        """Close the files, without syncing."""
        self.latecomers.close()
        with self._lock:
            if self._shared is not None:
                self._shared.close()
            self._triggers.close()
            self._checkpointer.close()
            self._outbox.close()
            self._journal.close()

    def _record_soon(self, type_: str, prepared: Redacted) -> int:
        """Record one line that becomes durable in a moment, when its messages leave; its `seq`."""
        with self._lock:
            line, entry = self._record(type_, prepared)
            self._fold(line, entry, prepared)
            self.latecomers.expect()
            return line.end.seq

    def _settle(self, seq: int | None) -> Sequence[str]:
        """Make lines durable (up to `seq`), then let messages leave whose lines are; to whom they went."""
        self._make_durable(seq)
        return self._deliver()

    def _make_durable(self, seq: int | None) -> None:
        try:
            self._journal.sync(seq)
        except StorageError:
            self.is_sound = False
            raise

    def _deliver(self) -> Sequence[str]:
        """Let messages leave whose lines are all durable; to whom they went."""
        if not self._held or self._held_seq > self._journal.synced_seq:
            return ()
        messages, self._held = self._held, []  # what cannot be appended now waits in the outbox
        return self._outbox.deliver(messages)

    def _record(self, type_: str, prepared: Redacted) -> tuple[Line, Mapping[str, object]]:
        """Write the line of `prepared` and hold its messages; the line and what it was made of."""
        fields, *parts = prepared.parts
        self.changes += 1
        if not parts:
            return self._journal.record_again(type_, fields)
        messages: list[Any] = []
        for part in parts:
            message: Any = {**part}
            self._outbox.plan(message["to"], message)
            messages.append(message)
        line, entry = self._journal.record_again(type_, {**fields, "sent": messages})
        self._held += messages
        self._held_seq = line.end.seq
        return line, entry

    def _fold(self, line: Line, entry: Mapping[str, object], prepared: Redacted) -> None:
        """Remember what is recorded as a successor will read it: decoded, unless that changes nothing."""
        if prepared.is_plain:
            self._history.take_fields(entry, line.end)
        else:
            self._history.take(line)

    def _wake(self, to: str) -> None:
        if to != "all":
            self._triggers.pull(to)
            return
        for path in self._tree.agent_specs.glob("*.json"):
            if path.stem != self._agent:
                self._triggers.pull(path.stem)
