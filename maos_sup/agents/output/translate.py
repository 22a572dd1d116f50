"""Turns what a program wrote into records: keyword lines into discoveries, control lines into what they ask.

Each record journals the offset up to which its source was understood, in the same line as its effects: both
or neither. So what a program wrote after its agent died is understood once, by the next life. The source is
synced first: nothing may outlive what it depends on.

One look takes a share of a second, however much there is: who looks has other things to do as well. What it
records becomes durable at its end, with one sync; only then do messages leave.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from maos_sup.agents.attempt.recorder import Recorder
from maos_sup.agents.bus.calls import Calls
from maos_sup.agents.bus.gate import ANY, Gate
from maos_sup.agents.bus.permits import reach_of
from maos_sup.agents.control.control_lines import BadLine, ControlRequest, discovery_of, parse, shown
from maos_sup.agents.output.artifacts import hand_over
from maos_sup.agents.output.sources import OutputPiece, Source
from maos_sup.agents.output.together import SendWish, Together
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.lives.attempts import list_attempts
from state_layout.lives.history import History
from state_layout.mail.inbox import Inbox
from state_layout.paths import Tree
from state_layout.records import SETTLED
from state_layout.specs.approvals import question_id, standing_answers

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

LONGEST_DISCOVERY = 8192  # characters; the log has all of it
_FAR_BYTES = 1 << 20
LOOK_S = 0.05  # for one look at one source
_TURN_S = 0.001  # in which another thread gets its turn
_SAVE_S = 1.0
_GoOn = Callable[[], bool]


class Translator:
    """Understands the output of one attempt of `agent`. `near` is where relative paths of artifacts begin."""

    def __init__(
        self,
        tree: Tree,
        agent: str,
        attempt: int,
        *,
        recorder: Recorder,
        keywords: tuple[str, ...] = (),
        gate: Gate = ANY,
    ) -> None:
        """The `gate` is what the agent's programs may ask for."""
        self._tree, self._agent, self._recorder = tree, agent, recorder
        files = tree.agent(agent).attempt(attempt)
        offsets = recorder.look(lambda history: dict(history.offsets))
        self.stdout, self.control = (
            Source(path, attempt=attempt, offset=offsets.get(f"{attempt}/{path.name}", 0))
            for path in (files.stdout, files.control)
        )
        self.stderr = Source(files.stderr, attempt=attempt, offset=0)  # kept, not understood
        self.near: Path = tree.agent(agent).workspace
        self.calls: Calls | None = None  # who carries out what is called over the bus
        self.moved: Callable[[], None] = lambda: None  # the program got on
        self._together = Together(recorder, cite=self._source, refuse=self._refuse)
        self._told_task = ""  # of this look
        self.is_broken_off = False  # `finish`: there is something left
        self.gate = gate
        self._lock = threading.RLock()
        self._has_names_synced = self._is_final = False
        self.attend(keywords)

    def attend(self, keywords: tuple[str, ...]) -> None:
        """Listen to `keywords` from now on."""
        self._pattern = pattern_of(keywords) if keywords else None

    @property
    def is_waiting(self) -> bool:
        """A call over the bus has no answer yet: what it waits for may come from anywhere."""
        return self.calls is not None and self.calls.is_waiting

    @property
    def has_more(self) -> bool:
        """The last look ended before the end of the output."""
        return self.control.is_left or self.stdout.is_left

    @property
    def unread_bytes(self) -> int:
        """So many bytes of the output were not looked at yet. Raises StorageError."""
        return self.control.unread_bytes + self.stdout.unread_bytes

    def look(self) -> bool:
        """`run`, unless another thread is at it. Raises StorageError."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return self.run()
        finally:
            self._lock.release()

    def run(self, *, is_final: bool = False) -> bool:
        """Understand what is new, as much as fits into one look; if `is_final`, lines without line feed as
        well. Whether there was any.

        Raises StorageError.
        """
        with self._lock:
            self._is_final = is_final
            self._told_task = self._task()
            moved = [
                self._run(source, understand, is_final=is_final)
                for source, understand in (
                    (self.control, self._understand_control),
                    (self.stdout, self._understand_stdout),
                )
            ]
            self._together.settle()
            if self.calls is not None:
                moved.append(self.calls.look())
        if any(moved):
            self.moved()
        return any(moved)

    def finish(self, go_on: _GoOn) -> bool:
        """Understand everything that is left, look by look; whether there was any.

        `go_on` is called in between; where it says no, the rest is left for the next life. Raises
        StorageError.
        """
        has_moved, save_s = False, time.monotonic() + _SAVE_S
        while True:
            with self._lock:  # another thread may look in between, and leave something as well
                has_moved = self.run(is_final=True) or has_moved
                has_more = self.has_more
            self.is_broken_off = has_more and not go_on()
            if not has_more or self.is_broken_off:
                return has_moved
            time.sleep(_TURN_S)  # locks are not fair: who waits for ours would get none until the end
            if time.monotonic() >= save_s:
                self.sync()
                save_s = time.monotonic() + _SAVE_S

    def end_calls(self) -> None:
        """The program is gone: nobody waits for answers any more."""
        with self._lock:
            if self.calls is not None:
                self.calls.end()

    def sync(self) -> None:
        """Make the program's output durable, and note how far it was understood. Raises StorageError."""
        self._sync_names()
        for source in (self.stdout, self.stderr, self.control):
            source.sync()
        with self._lock:
            for source in (self.stdout, self.control):
                self._record_far_ahead(source)

    def _sync_names(self) -> None:
        if not self._has_names_synced:
            atomic.fsync_folder(self.stdout.path.parent)
            self._has_names_synced = True

    def _run(
        self, source: Source, understand: Callable[[OutputPiece, float], int], *, is_final: bool
    ) -> bool:
        if not (source.has_grown() or (is_final and source.is_behind)):
            return False
        if source.was_cut:
            source.was_cut = False
            self._warn(f"{source.name} was emptied by the program; append to it (>&2, not > /dev/stderr)")
        before, until_s = source.offset, time.monotonic() + LOOK_S
        try:
            with closing(source.pieces(is_final=is_final)) as pieces:
                for piece in pieces:
                    reached = understand(piece, until_s)
                    if reached < piece.end or time.monotonic() >= until_s:
                        source.leave(reached)
                        break
            self._together.flush(source)
        except BaseException:
            self._together.clear()
            source.offset = self._recorded(source)  # what was not recorded is understood again
            raise
        return source.offset > before

    def _record_far_ahead(self, source: Source) -> None:
        """Record what is far ahead: then a successor need not look through all of a large output again.
        For what is durable only: a sync of much output takes long."""
        if source.is_durable() and source.offset > self._recorded(source) + _FAR_BYTES:
            self._recorder.record_later("sent", {"sent": [], **self._source(source, source.offset)})

    def _recorded(self, source: Source) -> int:
        key = f"{source.attempt}/{source.name}"
        return self._recorder.look(lambda history: history.offsets.get(key, 0))

    # -- stdout

    def _understand_stdout(self, piece: OutputPiece, until_s: float) -> int:
        """Understand `piece` until it is time to end; the offset reached."""
        for match in () if self._pattern is None else self._pattern.finditer(piece.data):
            if not match[2].strip():
                continue
            message = discovery_of(_text(match[2]), keyword=_text(match[1]), task=self._told_task)
            offset = piece.start + match.end()
            self._together.send(self.stdout, SendWish(message=message, raw=match[0], offset=offset))
            if time.monotonic() >= until_s:
                return offset
        return piece.end

    # -- control lines

    def _understand_control(self, piece: OutputPiece, until_s: float) -> int:
        """Understand `piece` until it is time to end; the offset reached."""
        offset = piece.start
        for line in piece.data.split(b"\n"):
            offset = min(offset + len(line) + 1, piece.end)
            if line.strip():
                self._understand_line(line, offset)
                if time.monotonic() >= until_s:
                    return offset
        return piece.end

    def _understand_line(self, line: bytes, offset: int) -> None:
        try:
            id_ = f"line/{self.control.attempt}/{offset}"
            request = self.gate.passed(parse(line), id_=id_)
            if request.verb not in _GATHERED:
                self._together.flush(self.control)
                self._together.is_owing = True
            _VERBS[request.verb](self, request, line, offset)
        except (BadLine, BadInput, TypeError) as reason:
            self._together.flush(self.control)
            self._refuse(self.control, line, offset, reason)

    def _refuse(self, source: Source, line: bytes, offset: int, reason: Exception) -> None:
        """Report a line that cannot be carried out; it is skipped."""
        what = "control line" if source is self.control else "discovery"
        self._warn(f"{what} skipped: {reason}: {shown(line)}", self._source(source, offset))

    def _send(self, request: ControlRequest, line: bytes, offset: int) -> None:
        self._together.send(self.control, SendWish(message=request.value, raw=line, offset=offset))

    def _discovery(self, request: ControlRequest, line: bytes, offset: int) -> None:
        message = discovery_of(request.value, task=self._told_task)
        self._together.send(self.control, SendWish(message=message, raw=line, offset=offset))

    def _progress(self, request: ControlRequest, line: bytes, offset: int) -> None:
        fields = {"value": request.value, **request.more}
        self._together.progress(self.control, fields, line, offset)

    def _saved(self, request: ControlRequest, line: bytes, offset: int) -> None:
        type_ = {"checkpoint": "saved", "result": "result"}[request.verb]
        if self._recorder.look(_is_settled):
            raise BadInput(f"'{request.verb}' came after the task was settled")
        self._note(type_, {"value": request.value}, offset)

    def _artifact(self, request: ControlRequest, line: bytes, offset: int) -> None:
        path = hand_over(
            request.value,
            tree=self._tree,
            agent=self._agent,
            near=self.near,
            readable=reach_of(self._tree, self._agent, self.gate.permits, near=self.near),
            moved=self.moved,
        )
        self._note("artifact", {"path": path}, offset)

    def _keep(self, request: ControlRequest, line: bytes, offset: int) -> None:
        run = self._recorder.look(lambda history: history.run) or ""
        step = f"line/{self.control.attempt}/{offset}"
        fields = self._recorder.shared.take_line(request.verb, request.value, run=run, step=step)
        self._note("kept", fields, offset)

    def _ack(self, request: ControlRequest, line: bytes, offset: int) -> None:
        with closing(Inbox(self._tree, self._agent, marks=self._recorder.marks())) as inbox:
            marks = {key: inbox.mark_at(key, seq) for key, seq in request.value.items()}
        self._note("received", {"received": marks}, offset)

    def _ask(self, request: ControlRequest, line: bytes, offset: int) -> None:
        task, _, run = (self._recorder.look(lambda history: history.run) or "").rpartition("#")
        id_ = question_id(self._agent, task, int(run or 1), request.value)
        known = self._recorder.look(lambda history: {*history.questions, *history.answers})
        if id_ in known:
            self._note("sent", {"sent": []}, offset)
            return
        before = standing_answers(self._tree, id_)
        self._note("asked", {"question": id_, "text": request.value, "before": before}, offset)

    def _call(self, request: ControlRequest, line: bytes, offset: int) -> None:
        if self.calls is None or (self.calls.task is None and self._is_final):
            raise BadInput("had no answer when its program ended; it was not carried out")
        self.calls.take(
            request.value,
            lambda type_, fields, messages: self._commit(type_, fields, offset, messages),
        )

    def _note(self, type_: str, fields: dict[str, object], offset: int) -> None:
        """Record what a control line asked; durable at the end of this look."""
        self._recorder.record_later(type_, fields | self._source(self.control, offset))

    def _commit(
        self, type_: str, fields: dict[str, object], offset: int, messages: list[SentMessage]
    ) -> None:
        """Record it durably at once: somebody waits for it."""
        self._recorder.commit(type_, fields | self._source(self.control, offset), messages=messages)

    def _source(self, source: Source, offset: int) -> dict[str, object]:
        """Make what a record says that comes of `source` up to `offset`, which is durable before the
        record is."""
        self._sync_names()
        source.sync(offset)
        return {"source": {"file": source.name, "attempt": source.attempt, "offset": offset}}

    def _warn(self, text: str, fields: dict[str, object] | None = None) -> None:
        sys.stderr.write(f"agent: {text}\n")
        sys.stderr.flush()
        self._recorder.record_later("warning", {"text": text} | (fields or {}))

    def _task(self) -> str:
        return (self._recorder.look(lambda history: history.run) or "").rpartition("#")[0]


def translate_leftovers(
    tree: Tree,
    agent: str,
    *,
    before: int,
    recorder: Recorder,
    keywords: tuple[str, ...],
    go_on: _GoOn = lambda: True,
    gate: Gate = ANY,
) -> None:
    """Understand what programs of lives before the life `before` wrote and nobody understood.

    Their processes must be gone. `go_on` is called now and then; where it says no, the rest is left for the
    next life. Raises StorageError.
    """
    for attempt in list_attempts(tree.agent(agent)):
        if attempt < before:
            translator = Translator(tree, agent, attempt, recorder=recorder, keywords=keywords, gate=gate)
            if translator.finish(go_on):
                translator.sync()
                for source in (translator.stdout, translator.control):
                    fields = {"file": source.name, "attempt": attempt, "offset": source.offset}
                    recorder.record_later("sent", {"sent": [], "source": fields})
            if translator.is_broken_off:
                return


@cache
def pattern_of(keywords: tuple[str, ...]) -> re.Pattern[bytes]:
    """Make the pattern that finds lines that begin with one of `keywords` and a colon: groups keyword and
    text."""
    words = b"|".join(re.escape(word.encode()) for word in keywords)
    return re.compile(rb"^(%b):[ \t]*([^\n]*)" % words, re.MULTILINE)


def _is_settled(history: History) -> bool:
    task, _, run = (history.run or "").rpartition("#")
    outcome = history.tasks.get(task)
    return outcome is not None and outcome.run == int(run or 1) and outcome.phase in SETTLED


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "replace").strip()
    return text if len(text) <= LONGEST_DISCOVERY else text[:LONGEST_DISCOVERY] + "..."


_GATHERED = frozenset({"send", "discovery", "progress"})
_VERBS: dict[str, Callable[[Translator, ControlRequest, bytes, int], None]] = {
    "send": Translator._send,
    "discovery": Translator._discovery,
    "progress": Translator._progress,
    "checkpoint": Translator._saved,
    "result": Translator._saved,
    "artifact": Translator._artifact,
    "ack": Translator._ack,
    "ask": Translator._ask,
    "call": Translator._call,
    "save": Translator._keep,
    "forget": Translator._keep,
}
