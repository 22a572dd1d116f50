"""Gathers what a program wrote that may share one line of the journal: messages, discoveries and progress.

A line of its own and a sync for each would take a program's burst of a hundred thousand lines a quarter of an
hour. Order is kept, and the line says how far its source was understood: all of it is on record, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maos_sup.agents.attempt.recorder import Recorder
from maos_sup.agents.output.sources import Source
from state_layout.errors import BadInput

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

MOST_MESSAGES = 64  # in one line
MOST_BYTES = 1 << 18  # of the source, in one line


@dataclass(frozen=True, slots=True, kw_only=True)
class SendWish:
    """The wish is one message that a program wants sent; `raw` is the line that says so, which ends at
    `offset`."""

    message: SentMessage
    raw: bytes
    offset: int


class Together:
    """Lines of one source at a time are gathered, which are not on record yet. Used by one thread at a
    time.

    `cite` says how far a source was understood, `refuse` reports a line that cannot be carried out.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        cite: Callable[[Source, int], dict[str, object]],
        refuse: Callable[[Source, bytes, int, Exception], None],
    ) -> None:
        self._recorder, self._cite, self._refuse = recorder, cite, refuse
        self._wishes = list[SendWish]()
        self._progress: dict[str, object] = {}
        self._bytes = self._end = 0  # of the lines gathered; the offset after the last one
        self.is_owing = False  # a sync: something follows from what was recorded

    def send(self, source: Source, wish: SendWish) -> None:
        """Gather a message. Raises StorageError."""
        self._wishes.append(wish)
        self._gathered(source, wish.raw, wish.offset)

    def progress(self, source: Source, fields: dict[str, object], raw: bytes, offset: int) -> None:
        """Gather how far it is: the last word counts, and the last note. Raises StorageError."""
        self._progress |= fields
        self._gathered(source, raw, offset)

    def flush(self, source: Source) -> None:
        """Record what was gathered of `source`. Raises StorageError."""
        if not self._bytes:
            return
        wishes, fields, end = self._wishes, self._progress, self._end
        self.clear()
        self.is_owing = self.is_owing or bool(wishes)
        messages = [wish.message for wish in wishes]
        try:
            type_ = "progress" if fields else "sent"
            self._recorder.record_later(type_, fields | self._cite(source, end), messages=messages)
        except (BadInput, TypeError):  # one of them: the others are carried out all the same
            self._flush_each(source, wishes, fields, end)

    def clear(self) -> None:
        """Forget what is not on record: its source will be read again."""
        self._wishes, self._progress, self._bytes = [], {}, 0

    def settle(self) -> None:
        """Make what was recorded durable if anything follows from it: messages leave. Raises StorageError."""
        if self.is_owing:
            self.is_owing = False
            self._recorder.sync()

    def _gathered(self, source: Source, raw: bytes, offset: int) -> None:
        self._bytes += len(raw) + 1
        self._end = offset
        if len(self._wishes) >= MOST_MESSAGES or self._bytes >= MOST_BYTES:
            self.flush(source)

    def _flush_each(
        self, source: Source, wishes: list[SendWish], fields: dict[str, object], end: int
    ) -> None:
        """Record each by itself and report those that cannot be. Who dies here tells progress again."""
        cited = self._cite(source, end)
        if fields:
            self._recorder.record_later("progress", fields)
        for wish in wishes:
            try:
                self._recorder.record_later("sent", self._cite(source, wish.offset), messages=[wish.message])
            except (BadInput, TypeError) as reason:
                self._refuse(source, wish.raw, wish.offset, reason)
        self._recorder.record_later("sent", {"sent": [], **cited})
