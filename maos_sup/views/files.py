"""Tolerant reads for viewers: what is missing, half written or damaged is None, never an error."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from state_layout.files import codec

_ESCAPES = {code: None for code in (*range(32), 127, *range(0x80, 0xA0)) if code != 9}


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`, or None."""
    try:
        return codec.decode_object(path.read_bytes())
    except (OSError, codec.NotJson):
        return None


def last_number(folder: Path) -> int:
    """The highest number that a folder in `folder` bears (attempts, lives); 0 if there is none."""
    try:
        with os.scandir(folder) as entries:
            return max((int(entry.name) for entry in entries if entry.name.isdecimal()), default=0)
    except OSError:
        return 0


def last_line(path: Path, *, longest: int = 400) -> str | None:
    """The last line of `path` with text in it, without control characters, or None."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4 * longest))
            tail = file.read(4 * longest)
    except OSError:
        return None
    lines = [text for raw in tail.splitlines() if (text := printable(raw.decode("utf-8", "replace")).strip())]
    return lines[-1][:longest] if lines else None


def printable(text: str) -> str:
    """`text` without control characters (tabs stay): what a terminal would obey instead of show."""
    return text.translate(_ESCAPES)


def moment(seconds: float) -> str:
    """A time of the file system as `at` is written."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts `a2` before `a10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
