"""Says what lists tell of a session, kept in a small file beside its journal, so that a list reads no
transcript.

The file names the end of the journal that it was folded up to. It is believed only if the journal ends there
now; otherwise the journal is read. So it may be lost, old or torn: it costs time, never truth.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from claude_agent_sdk.types import SessionSummaryEntry

from maos_sup.integrations.claude_sdk.transcript import TranscriptIndex
from maos_sup.integrations.shared_journal import JOURNAL, SharedJournal
from state_layout.errors import StorageError
from state_layout.files import atomic, codec
from state_layout.files.chain import Position
from state_layout.files.journal import Reader
from state_layout.files.reading import Unreadable, read_regular

SUMMARY = "summary.json"
MOST_BYTES = 1 << 24


def write(transcript: SharedJournal[TranscriptIndex]) -> None:
    """Bring the file up to the journal. A failure is nobody's loss."""
    shelf = transcript.read()
    if shelf is not None and shelf.index.summary is not None:
        end, summary = shelf.position, shelf.index.summary
        found: dict[str, object] = {"seq": end.seq, "offset": end.offset, "h": end.h, **summary}
        with suppress(StorageError, TypeError):
            atomic.refresh(transcript.folder / SUMMARY, codec.encode(found))


def read(folder: Path) -> SessionSummaryEntry | None:
    """Read the summary of the session in `folder`; None if it has no main transcript. Raises Damaged."""
    try:
        data, _ = read_regular(folder / SUMMARY, most_bytes=MOST_BYTES)
        found = codec.decode_object(data)
        end = Position(found["seq"], found["offset"], found["h"])
        path = folder / JOURNAL
        if path.stat().st_size == end.offset and Reader(path, end).stands():
            return {"session_id": found["session_id"], "mtime": found["mtime"], "data": found["data"]}
    except (FileNotFoundError, Unreadable, ValueError, KeyError, TypeError):
        pass
    shelf = SharedJournal(folder, TranscriptIndex, head=("", {})).read()
    return shelf.index.summary if shelf is not None else None
