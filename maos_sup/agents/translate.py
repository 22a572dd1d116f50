"""Turns what a program wrote into records: keyword lines into discoveries, control lines into what they ask.

Each record journals the offset up to which its source was understood, in the same line as its effects: both
or neither. So what a program wrote after its agent died is understood once, by the next life. The source is
synced first: nothing may outlive what it depends on.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from maos_sup.agents.artifacts import hand_over
from maos_sup.agents.bus.calls import Calls
from maos_sup.agents.control import BadLine, Request, discovery_of, parse, shown
from maos_sup.agents.ledger import Ledger
from maos_sup.agents.sources import Source
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.lives.attempts import list_attempts
from state_layout.lives.history import History
from state_layout.mail.inbox import Inbox
from state_layout.paths import Tree
from state_layout.records import SETTLED
from state_layout.specs.approvals import question_id

LONGEST_DISCOVERY = 8192  # characters; the log has all of it
_FAR_BYTES = 1 << 20
_MOST_TOGETHER = 64  # discoveries in one record
_Line = tuple[bytes, int]  # and the offset after it


class Translator:
    """Understands the output of one attempt of `agent`. `near` is where relative paths of artifacts begin."""

    def __init__(
        self, tree: Tree, agent: str, attempt: int, *, ledger: Ledger, keywords: tuple[str, ...] = ()
    ) -> None:
        self._tree, self._agent, self._ledger = tree, agent, ledger
        files = tree.agent(agent).attempt(attempt)
        offsets = ledger.look(lambda history: dict(history.offsets))
        self.stdout, self.control = (
            Source(path, attempt=attempt, offset=offsets.get(f"{attempt}/{path.name}", 0))
            for path in (files.stdout, files.control)
        )
        self.stderr = Source(files.stderr, attempt=attempt, offset=0)  # kept, not understood
        self.near: Path = tree.agent(agent).workspace
        self.calls: Calls | None = None  # who carries out what is called over the bus
        self.moved: Callable[[], None] = lambda: None  # the program got on
        self._lock = threading.RLock()
        self._has_names_synced = self._is_final = False
        self.attend(keywords)

    def attend(self, keywords: tuple[str, ...]) -> None:
        """Listen to `keywords` from now on."""
        self._pattern = pattern_of(keywords) if keywords else None

    @property
    def is_waiting(self) -> bool:
        """Whether a call over the bus has no answer yet: what it waits for may come from anywhere."""
        return self.calls is not None and self.calls.is_waiting

    def run(self, *, is_final: bool = False) -> bool:
        """Understand what is new; if `is_final`, lines without line feed as well. Whether there was any.

        Raises StorageError.
        """
        with self._lock:
            self._is_final = is_final
            moved = [
                self._run(source, understand, is_final=is_final)
                for source, understand in (
                    (self.control, self._understand_control),
                    (self.stdout, self._understand_stdout),
                )
            ]
            if self.calls is not None:
                moved.append(self.calls.look())
        if any(moved):
            self.moved()
        return any(moved)

    def end_calls(self) -> None:
        """The program is gone: nobody waits for answers any more."""
        with self._lock:
            if self.calls is not None:
                self.calls.end()

    def sync(self) -> None:
        """Make the program's output durable. Raises StorageError."""
        with self._lock:
            self._sync_names()
            self.stdout.sync()
            self.stderr.sync()
            self.control.sync()

    def _sync_names(self) -> None:
        if not self._has_names_synced:
            atomic.fsync_folder(self.stdout.path.parent)
            self._has_names_synced = True

    def _run(self, source: Source, understand: Callable[[bytes, int], None], *, is_final: bool) -> bool:
        if not (source.has_grown() or (is_final and source.is_behind)):
            return False
        if source.was_cut:
            source.was_cut = False
            self._warn(f"{source.name} was emptied by the program; append to it (>&2, not > /dev/stderr)")
        before = source.offset
        try:
            for piece in source.pieces(is_final=is_final):
                understand(piece.data, piece.start)
        except BaseException:
            source.offset = self._recorded(source)  # what was not recorded is understood again
            raise
        self._record_far_ahead(source)
        return source.offset > before

    def _record_far_ahead(self, source: Source) -> None:
        """So that a successor need not look through all of a large output again."""
        if source.offset > self._recorded(source) + _FAR_BYTES:
            self._ledger.note("sent", {"sent": [], **self._source(source, source.offset)})

    def _recorded(self, source: Source) -> int:
        key = f"{source.attempt}/{source.name}"
        return self._ledger.look(lambda history: history.offsets.get(key, 0))

    # -- stdout

    def _understand_stdout(self, data: bytes, start: int) -> None:
        if self._pattern is None:
            return
        found = [(match, start + match.end()) for match in self._pattern.finditer(data) if match[2].strip()]
        for first in range(0, len(found), _MOST_TOGETHER):
            together = found[first : first + _MOST_TOGETHER]
            messages = [
                discovery_of(_text(match[2]), keyword=_text(match[1]), task=self._task())
                for match, _ in together
            ]
            self._commit("sent", {}, source=self.stdout, offset=together[-1][1], messages=messages)

    # -- control lines

    def _understand_control(self, data: bytes, start: int) -> None:
        offset = start
        for line in data.split(b"\n"):
            offset = min(offset + len(line) + 1, start + len(data))
            if line.strip():
                self._understand_line(line, offset)

    def _understand_line(self, line: bytes, offset: int) -> None:
        try:
            request = parse(line)
            _VERBS[request.verb](self, request, offset)
        except (BadLine, BadInput, TypeError) as reason:
            fields = self._source(self.control, offset)
            self._warn(f"control line skipped: {reason}: {shown(line)}", fields)

    def _send(self, request: Request, offset: int) -> None:
        self._commit("sent", {}, source=self.control, offset=offset, messages=[request.value])

    def _discovery(self, request: Request, offset: int) -> None:
        message = discovery_of(request.value, task=self._task())
        self._commit("sent", {}, source=self.control, offset=offset, messages=[message])

    def _progress(self, request: Request, offset: int) -> None:
        fields = {"value": request.value, **request.more}
        self._ledger.note("progress", fields | self._source(self.control, offset))

    def _saved(self, request: Request, offset: int) -> None:
        type_ = {"checkpoint": "saved", "result": "result"}[request.verb]
        if self._ledger.look(_is_settled):
            raise BadInput(f"'{request.verb}' came after the task was settled")
        self._commit(type_, {"value": request.value}, source=self.control, offset=offset)

    def _artifact(self, request: Request, offset: int) -> None:
        artifacts = self._tree.agent(self._agent).artifacts
        path = hand_over(request.value, artifacts=artifacts, near=self.near, moved=self.moved)
        self._commit("artifact", {"path": path}, source=self.control, offset=offset)

    def _ack(self, request: Request, offset: int) -> None:
        with closing(Inbox(self._tree, self._agent, marks=self._ledger.marks())) as inbox:
            marks = {key: inbox.mark_at(key, seq) for key, seq in request.value.items()}
        self._commit("received", {"received": marks}, source=self.control, offset=offset)

    def _ask(self, request: Request, offset: int) -> None:
        task, _, run = (self._ledger.look(lambda history: history.run) or "").rpartition("#")
        id_ = question_id(self._agent, task, int(run or 1), request.value)
        known = self._ledger.look(lambda history: {*history.questions, *history.answers})
        if id_ in known:
            self._commit("sent", {"sent": []}, source=self.control, offset=offset)
            return
        fields = {"question": id_, "text": request.value}
        self._commit("asked", fields, source=self.control, offset=offset)

    def _call(self, request: Request, offset: int) -> None:
        if self.calls is None or (self.calls.task is None and self._is_final):
            raise BadInput("had no answer when its program ended; it was not carried out")
        self.calls.take(
            request.value,
            lambda type_, fields, messages: self._commit(
                type_, fields, source=self.control, offset=offset, messages=messages
            ),
        )

    def _commit(
        self,
        type_: str,
        fields: dict[str, Any],
        *,
        source: Source,
        offset: int,
        messages: list[dict[str, Any]] | None = None,
    ) -> None:
        self._ledger.commit(type_, fields | self._source(source, offset), messages=messages or ())

    def _source(self, source: Source, offset: int) -> dict[str, Any]:
        """What a record says that comes of `source` up to `offset`, which is durable before the record is."""
        self._sync_names()
        source.sync(offset)
        return {"source": {"file": source.name, "attempt": source.attempt, "offset": offset}}

    def _warn(self, text: str, fields: dict[str, Any] | None = None) -> None:
        sys.stderr.write(f"agent: {text}\n")
        sys.stderr.flush()
        self._ledger.note("warning", {"text": text} | (fields or {}))

    def _task(self) -> str:
        return (self._ledger.look(lambda history: history.run) or "").rpartition("#")[0]


def translate_leftovers(
    tree: Tree, agent: str, *, before: int, ledger: Ledger, keywords: tuple[str, ...]
) -> None:
    """Understand what programs of lives before the life `before` wrote and nobody understood.

    Their processes must be gone. Raises StorageError.
    """
    for attempt in list_attempts(tree.agent(agent)):
        if attempt < before:
            translator = Translator(tree, agent, attempt, ledger=ledger, keywords=keywords)
            if translator.run(is_final=True):
                translator.sync()
                for source in (translator.stdout, translator.control):
                    fields = {"file": source.name, "attempt": attempt, "offset": source.offset}
                    ledger.note("sent", {"sent": [], "source": fields})


@cache
def pattern_of(keywords: tuple[str, ...]) -> re.Pattern[bytes]:
    """What finds lines that begin with one of `keywords` and a colon: groups keyword and text."""
    words = b"|".join(re.escape(word.encode()) for word in keywords)
    return re.compile(rb"^(%b):[ \t]*([^\n]*)" % words, re.MULTILINE)


def _is_settled(history: History) -> bool:
    task, _, run = (history.run or "").rpartition("#")
    outcome = history.tasks.get(task)
    return outcome is not None and outcome.run == int(run or 1) and outcome.phase in SETTLED


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "replace").strip()
    return text if len(text) <= LONGEST_DISCOVERY else text[:LONGEST_DISCOVERY] + "..."


_VERBS: dict[str, Callable[[Translator, Request, int], None]] = {
    "send": Translator._send,
    "discovery": Translator._discovery,
    "progress": Translator._progress,
    "checkpoint": Translator._saved,
    "result": Translator._saved,
    "artifact": Translator._artifact,
    "ack": Translator._ack,
    "ask": Translator._ask,
    "call": Translator._call,
}
