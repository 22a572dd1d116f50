"""Claude Code's own record of a conversation: what the model was told, which calls have results, its end.

It is its file; we read on from where we were, a line that is not whole yet at the next look. We write only
one thing: its records are a tree, and where a pointer (`last-prompt`) names a leaf it goes on there, although
what came after it is newer (found by killing: a dying process points to a call that never got its result). So
the pointer is set right before it goes on.
Records of sub-agents (`isSidechain`) are not part of the conversation.
Each record names the one before it. Where that one is missing, as after a line that the disk lost, Claude
Code goes on without a word, and the model is told nothing of what was before: `TranscriptTalk.gap`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maos_sup.agents.kinds.claude.accounts import Told, saved_counts
from maos_sup.agents.kinds.claude.stream_json import TranscriptRecord, is_record
from maos_sup.agents.output.sources import Source
from state_layout.errors import storage_error
from state_layout.files import atomic, codec, disk

GAP = "a record that this line goes on from is missing, so the model may know nothing of what was before"
SYNTHETIC = "<synthetic>"  # what it says itself, in place of the model
_QUEUED = "queued_command"  # a message that was taken in between two calls
_OPEN_ENDS = frozenset({"tool_use", "pause_turn", None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A gap is a record that others go on from and that is not there: the model may not be told what was
    before."""

    record: str  # its uuid
    line: int  # of the record that names it


@dataclass(slots=True, kw_only=True)
class TranscriptTalk:
    """The fold of the records. Pure."""

    seen: set[str] = field(default_factory=set)  # uuids of messages that the model was told
    uses: dict[str, object] = field(default_factory=dict)  # calls, by id
    results: set[str] = field(default_factory=set)  # ids of calls whose results it has
    told: list[str] = field(default_factory=list)  # texts of messages, to look for ids in
    texts: list[str] = field(default_factory=list)  # of the last answer
    message: str | None = None  # the id of the last answer, if nothing followed it
    is_ended: bool = False  # the model ended its turn and nothing followed
    has_begun: bool = False
    newest: str | None = None  # the record that the conversation goes on from
    pointed_to: str | None = None  # the one that Claude Code would go on from, if it is told
    parents: dict[str, tuple[str | None, int]] = field(default_factory=dict)  # by uuid: parent, line
    stopped: str | None = None  # the words of the last hook that stopped it
    saved: Told = field(default_factory=Told)  # what it used so far, as it saved it last

    @property
    def final_text(self) -> str:
        """The text is that of the answer that ended the turn."""
        return "\n\n".join(self.texts).strip()

    def was_told(self, text: str, uuid: str) -> bool:
        """The model was told this: several messages may be told as one, which has one uuid only."""
        return uuid in self.seen or any(text in told for told in self.told)

    def gap(self) -> Gap | None:
        """Find where the chain from the newest record to the first is broken, if it is."""
        record, passed = self.newest, set[str]()
        while record is not None and record not in passed:
            passed.add(record)
            parent, line = self.parents[record]
            if parent is not None and parent not in self.parents:
                return Gap(record=parent, line=line)
            record = parent
        return None

    def take(self, record: TranscriptRecord, *, line: int = 0) -> None:
        """Fold one record; unknown ones mean nothing."""
        if record.get("isSidechain"):
            return
        kind = record.get("type")
        if kind == "last-prompt":
            self.pointed_to = record.get("leafUuid")
        elif kind == "cost-state":
            self.saved = saved_counts(record)
        elif record.get("uuid"):
            self.newest = str(record["uuid"])
            self.parents[self.newest] = (record.get("parentUuid"), line)
        if kind == "user":
            self._user(record)
        elif kind == "assistant":
            self._assistant(record)
        elif kind == "attachment":
            attachment = record.get("attachment") or {}
            if attachment.get("type") == _QUEUED:
                self._message(attachment.get("source_uuid"), attachment.get("prompt"))
            elif attachment.get("type") == "hook_stopped_continuation":
                self.stopped = attachment.get("message")

    def _user(self, record: TranscriptRecord) -> None:
        content = (record.get("message") or {}).get("content")
        blocks = content if isinstance(content, list) else []
        found = [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
        self.results.update(found)
        if found:
            self._goes_on()
        else:
            self._message(record.get("uuid"), content)

    def _message(self, uuid: str | None, content: Any) -> None:
        if uuid:
            self.seen.add(uuid)
        self.told.append(_text_of(content))
        self._goes_on()

    def _goes_on(self) -> None:
        self.has_begun, self.is_ended, self.message, self.texts = True, False, None, []

    def _assistant(self, record: TranscriptRecord) -> None:
        message = record.get("message") or {}
        if message.get("model") == SYNTHETIC:
            self._goes_on()
            return
        if message.get("id") != self.message:
            self._goes_on()
            self.message = message.get("id")
        for block in message.get("content") or ():
            if block.get("type") == "tool_use":
                self.uses[block["id"]] = block
            elif block.get("type") == "text":
                self.texts.append(block["text"])
        self.is_ended = message.get("stop_reason") not in _OPEN_ENDS


def message_text(record: TranscriptRecord) -> Iterator[tuple[str, str]]:
    """Yield the uuid and the text of the message that `record` is, if it is one that the model was told."""
    attachment = record.get("attachment") or {}
    if record.get("type") == "attachment" and attachment.get("type") == _QUEUED:
        uuid, content = attachment.get("source_uuid"), attachment.get("prompt")
    elif record.get("type") == "user":
        uuid, content = record.get("uuid"), (record.get("message") or {}).get("content")
    else:
        return
    if uuid:
        yield str(uuid), _text_of(content)


def _text_of(content: Any) -> str:
    blocks = content if isinstance(content, list) else [{"text": content}]
    return "\n".join(str(block.get("text") or "") for block in blocks)


def again(gap: Gap) -> str:
    """Name the message that tells a session its task again because of `gap`."""
    return f"again/{gap.record}"


class Transcript:
    """The file of session `id` in the configuration folder `session`, wherever it was begun."""

    def __init__(self, session: Path, id_: str) -> None:
        self._folder, self._name = session / "projects", f"{id_}.jsonl"
        self._source: Source | None = None
        self._lines = 0  # read
        self.talk = TranscriptTalk()

    @property
    def path(self) -> Path | None:
        """The transcript lies here; None before it is there."""
        if self._source is None:
            found = sorted(self._folder.glob(f"*/{self._name}"))
            if found:
                self._source = Source(found[0], attempt=0, offset=0)
        return None if self._source is None else self._source.path

    def refresh(self) -> bool:
        """Read what is new; whether there was any. Raises StorageError."""
        if self.path is None or self._source is None or not self._source.has_grown():
            return False
        before = self._source.offset
        for piece in self._source.pieces(is_final=False):
            for line in piece.data.splitlines():
                self._lines += 1
                self._take(line)
        return self._source.offset > before

    def sync(self) -> None:
        """Make what was read durable. Raises StorageError."""
        if self._source is not None:
            self._source.sync(self._source.offset)

    def point_to_newest(self, session: str) -> None:
        """Have the session go on from its newest record; no process works on it. Raises StorageError."""
        path, talk = self.path, self.talk
        if path is None or talk.pointed_to in (None, talk.newest):
            return
        record = {"type": "last-prompt", "leafUuid": talk.newest, "sessionId": session}
        try:
            with atomic.opened(path, os.O_RDWR | os.O_APPEND) as descriptor:
                size = os.fstat(descriptor).st_size
                is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                disk.write(descriptor, (b"\n" if is_torn else b"") + codec.encode(record) + b"\n")
                disk.fdatasync(descriptor)
        except OSError as cause:
            raise storage_error("append to", path, cause) from cause
        talk.pointed_to = talk.newest

    def set_aside(self) -> None:
        """Move a file without a conversation out of the way: it can be neither gone on with nor begun."""
        path = self.path
        if path is not None:
            path.replace(path.with_suffix(".empty"))
            self._source, self._lines, self.talk = None, 0, TranscriptTalk()

    def _take(self, line: bytes) -> None:
        try:
            record = codec.decode(line) if line.strip() else None
        except codec.NotJson:
            return  # a torn line of a process that died; it begins a new one after it
        if is_record(record):
            self.talk.take(record, line=self._lines)
