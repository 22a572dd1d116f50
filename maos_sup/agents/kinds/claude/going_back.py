"""Says where a session goes on after its agent was taken back: a copy of its record up to what still counts.

Claude Code only appends to a transcript, so what it held at a moment is its first lines. Of these a new file
is made, under a session of its own: the model is told exactly what it was told then, by any version, and the
transcript of the other future stays as it is, for a `redo`. A fork finds its own session in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maos_sup.agents.kinds.claude.stream_json import TranscriptRecord, is_record
from maos_sup.agents.kinds.claude.transcript import SYNTHETIC, message_text
from maos_sup.agents.kinds.shared.memory import RunMemory
from state_layout.errors import storage_error
from state_layout.files import atomic, codec
from state_layout.files.looking import is_link, is_regular
from state_layout.files.reading import read_record

if TYPE_CHECKING:
    from maos_sup.agents.kinds.shared.entries import SessionOrigin

_OF_TALK = ("user", "assistant", "attachment")
GONE = "no transcript holds the last answer that counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptBranch:
    """The first `size` bytes of the transcript `source` are what counts."""

    source: Path
    size: int
    counted: int  # records of these that the journal knows of


def find_branch(session: Path, memory: RunMemory) -> TranscriptBranch | None:
    """Find where the last answer of `memory` stands in the configuration folder `session`. Raises
    StorageError."""
    found = [_branch_of(path, memory) for path in _transcripts(session)] if memory.last_message else []
    return max((each for each in found if each), key=lambda each: each.counted, default=None)


def imported_origin(session: Path, name: str) -> SessionOrigin | None:
    """Take all of the session `name` that was brought into the configuration folder, to make a copy of.

    None if it is not there. Raises StorageError.
    """
    source = next((path for path in _transcripts(session) if path.stem == name), None)
    if source is None:
        return None
    return {"session": name, "size": len(_read(source)), "is_imported": True}


def copy_branch(session: Path, origin: SessionOrigin, *, to: str) -> bool:
    """Make the transcript of the session `to` of what `origin` says, durably; False if that is gone.

    Raises StorageError.
    """
    name, size = str(origin["session"]), int(origin["size"])
    source = next((path for path in _transcripts(session) if path.stem == name), None)
    data = b"" if source is None else _read(source)[:size]
    if source is None or len(data) < size:
        return False
    old, new = (f'"sessionId":{codec.encode(each).decode()}'.encode() for each in (name, to))
    atomic.replace(source.with_name(f"{to}.jsonl"), data.replace(old, new))
    return True


def untold(session: Path, memory: RunMemory, told: set[str]) -> list[tuple[str, str]]:
    """List messages that count as told and are not among `told`: their uuids and texts, as told once."""
    missing = [uuid for uuid in memory.told if uuid not in told]
    texts = dict[str, str]()
    for path in _transcripts(session) if missing else ():
        texts |= {uuid: text for _, record in _records(path) for uuid, text in message_text(record)}
    return [(uuid, texts[uuid]) for uuid in missing if uuid in texts]


def _branch_of(path: Path, memory: RunMemory) -> TranscriptBranch | None:
    """Find how much of `path` counts; None if the last answer that does is not in it."""
    size = counted = 0
    has_last = is_open = False
    for offset, record in _records(path):
        counts = _counts(record, memory)
        if counts is None:
            continue
        is_answer = record.get("type") == "assistant"
        is_open = counts and (is_open or is_answer)
        if is_open:
            size, counted = offset, counted + 1
            has_last |= is_answer and (record.get("message") or {}).get("id") == memory.last_message
    return TranscriptBranch(source=path, size=size, counted=counted) if has_last else None


def _counts(record: TranscriptRecord, memory: RunMemory) -> bool | None:
    """Say whether the journal has what `record` tells; None for what is no part of the conversation."""
    if record.get("isSidechain") or not record.get("uuid") or record.get("type") not in _OF_TALK:
        return None
    message = record.get("message") or {}
    if record.get("type") == "assistant":
        return None if message.get("model") == SYNTHETIC else message.get("id") in memory.messages
    content = message.get("content")
    results = [
        block.get("tool_use_id")
        for block in (content if isinstance(content, list) else ())
        if block.get("type") == "tool_result"
    ]
    if results:
        return all(id_ in memory.results for id_ in results)
    told = [uuid for uuid, _ in message_text(record)]
    return all(uuid in memory.told for uuid in told) if told else None


def _transcripts(session: Path) -> list[Path]:
    """List the transcripts of all sessions, as Claude Code lays them out."""
    found = sorted((session / "projects").glob("*/*.jsonl"))
    return [path for path in found if is_regular(path) and not is_link(path)]


def _records(path: Path) -> Iterator[tuple[int, TranscriptRecord]]:
    """Yield the whole records of a transcript, each with the offset after it."""
    offset = 0
    for line in _read(path).splitlines(keepends=True):
        offset += len(line)
        try:
            record = codec.decode(line) if line.endswith(b"\n") and line.strip() else None
        except codec.NotJson:
            continue
        if is_record(record):
            yield offset, record


def _read(path: Path) -> bytes:
    try:
        return read_record(path)
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
