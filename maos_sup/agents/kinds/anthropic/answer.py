"""One answer, journaled as it streams: partial text several times a second, each block when it is complete.

None of these lines is synced by itself; the line that makes the blocks an answer is, and it stands after them
in the same file. Until then they tell people what was said, and what a broken answer cost.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from maos_sup.agents.kinds.anthropic.conversation import Conversation
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.events import AnswerEnded, AnswerPiece, Begun, Event, Whole
from maos_sup.agents.kinds.shared.troubles import Broken, Cause, Trouble

if TYPE_CHECKING:
    from maos_sup.agents.kinds.anthropic.entries import TalkEntry

FLUSH_S = 0.2


class Partial:
    """Journals what came of a block that is not complete, from a thread of its own, redacted.

    A secret has no blanks in it: so what follows the last blank waits for more, unless it grows long.
    """

    _LONGEST_HELD = 400

    def __init__(self, desk: ConversationDesk, key: str) -> None:
        self._desk, self._key = desk, key
        self._lock, self._over = threading.Lock(), threading.Event()
        self._index, self._what, self._text = 0, "text", ""
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="partial", daemon=True)
        self._thread.start()

    def add(self, piece: AnswerPiece) -> None:
        """Take one more piece. Raises what an earlier one could not be journaled for."""
        with self._lock:
            if self._trouble is not None:
                raise self._trouble
            if piece.index != self._index or piece.what != self._what:
                self._index, self._what, self._text = piece.index, piece.what, ""
            self._text += piece.text

    def drop(self) -> None:
        """The block is complete, and journaled whole."""
        with self._lock:
            self._text = ""

    def stop(self) -> None:
        """End the thread; nothing is journaled after this returns, but what was held back."""
        self._over.set()
        self._thread.join()
        self._flush(whole=True)

    def _run(self) -> None:
        while not self._over.wait(FLUSH_S):
            try:
                self._flush(whole=False)
            except BaseException as error:  # noqa: BLE001 - the edge of a thread: the working one raises it
                with self._lock:
                    self._trouble = error
                return

    def _flush(self, *, whole: bool) -> None:
        with self._lock:
            end = len(self._text)
            if not whole and end < self._LONGEST_HELD:
                end = max(self._text.rfind(" "), self._text.rfind("\n")) + 1
            told, self._text = self._text[:end], self._text[end:]
            if told:
                text = self._desk.redactor.text(told)
                entry: TalkEntry = {"key": self._key, "index": self._index, "what": self._what, "text": text}
                _note(self._desk, self._desk.talk, "partial", entry)


def receive(desk: ConversationDesk, events: Iterator[Event], *, key: str) -> tuple[AnswerEnded, int]:
    """Journal the answer that `events` are; how it ended and how many blocks it has.

    The last line is the caller's to write. Raises Broken for an answer that does not come whole, kind.Ended
    if the work is to end, StorageError.
    """
    bell, blocks, ended = desk.work.life.bell, set[int](), None
    partial = Partial(desk, key)
    try:
        with closing(_interruptible(desk, events)) as coming:
            for event in coming:
                with bell.shielded():
                    _take(desk, partial, event, key)
                if isinstance(event, Whole):
                    blocks.add(event.index)
                if isinstance(event, AnswerEnded):
                    ended = event
    finally:
        partial.stop()
    if ended is None:
        raise Broken(Trouble(cause=Cause.TRUNCATED, text="the answer ended in the middle"))
    return ended, len(blocks)


def _interruptible(desk: ConversationDesk, events: Iterator[Event]) -> Generator[Event, None, None]:
    """`events`, but waiting for the next one can be cut short by a hard ending."""
    bell = desk.work.life.bell
    while True:
        with bell.interruptible():
            event = next(events, None)
        if event is None:
            return
        yield event


def _take(desk: ConversationDesk, partial: Partial, event: Event, key: str) -> None:
    """Journal what one event says."""
    work = desk.work
    match event:
        case Begun():
            begun: TalkEntry = {
                "key": key,
                "message": event.message_id,
                "model": event.model,
                "usage": event.usage,
            }
            _note(desk, desk.talk, "begun", begun)
        case AnswerPiece():
            partial.add(event)
        case Whole():
            partial.drop()
            entry: TalkEntry = {"key": key, "index": event.index, "block": desk.redactor.value(event.block)}
            if event.bad_input is not None and event.block["type"] == "tool_use":
                entry["bad_input"] = desk.redactor.text(event.bad_input)
            _note(desk, desk.talk, "block", entry)
            return
    work.life.beats.progress(desk.settings.stall_s or 120.0)


def _note(desk: ConversationDesk, talk: Conversation, type_: str, fields: TalkEntry) -> None:
    desk.work.life.recorder.record_later(type_, fields)
    talk.take({"type": type_, **fields})
