"""Transcripts of Claude Code: found by the id of their session, judged, copied. They are only read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from maos_sup.incoming.sessions import SESSION
from maos_sup.incoming.tally import Tally
from state_layout.errors import storage_error
from state_layout.files import atomic, codec
from state_layout.files.looking import is_link, is_regular

_CHUNK_BYTES = 1 << 20
_FOLDER = "projects/imported"  # below session/, where Claude Code looks for transcripts


def transcript_of(config: Path, session: str) -> Path | None:
    """Find the transcript of `session` in the configuration folder `config`; None if it has no sound one."""
    if not re.fullmatch(SESSION, session):
        return None
    found = sorted(config.glob(f"projects/*/{session}.jsonl"))
    return next((path for path in found if fault_of_transcript(path) is None), None)


def fault_of_transcript(path: Path) -> str | None:
    """Say why the file is no transcript of the session that it is named after; None if it is one."""
    if not re.fullmatch(SESSION, path.stem):
        return "is no session of Claude Code: its name is not the id of one"
    if is_link(path) or not is_regular(path):
        return "is no file"
    try:
        with path.open("rb") as file:
            lines = file.read(_CHUNK_BYTES).split(b"\n")[:-1]
    except OSError as cause:
        return f"cannot be read: {cause.strerror}"
    for line in lines:
        try:
            record = codec.decode(line)
        except codec.NotJson:
            continue
        if isinstance(record, dict) and record.get("sessionId") and record.get("uuid"):
            other = record["sessionId"]
            return None if other == path.stem else f"is of session {other}; give the file that name"
    return "is no session of Claude Code: no record of it names its session"


def copy_transcript(path: Path, session: Path, tally: Tally) -> None:
    """Copy the whole lines of `path` into the configuration folder `session` of an agent.

    What follows them is being written, or torn. Raises StorageError.
    """
    target = session / _FOLDER / path.name
    atomic.make_folder(target.parent)
    records, rest = 0, b""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with path.open("rb") as source, atomic.opened(target, flags) as to:
            while data := source.read(_CHUNK_BYTES):
                head, feed, rest = (rest + data).rpartition(b"\n")
                records += head.count(b"\n") + bool(feed)
                atomic.write_all(to, head + feed)
    except OSError as cause:
        raise storage_error("copy", path, cause) from cause
    tally.take("records", records)
    if rest:
        tally.leave_out("records", "not whole: it was being written, or is torn")
