"""Tolerant reads for viewers: what is missing, half written or damaged is None, never an error."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from state_layout.files import atomic
from state_layout.lives.snapshots import read_snapshot

_TURNING = (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))  # lines, and their direction
_ESCAPES = {code: None for code in (*range(32), 127, *range(0x80, 0xA0), *_TURNING) if code != 9}
# Colours, titles, links as a whole, so that nothing like `[31m` stays of them.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_].*?(?:\x1b\\|\x07|\x9c|$)"  # OSC, DCS, SOS, PM, APC, to their end
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)


def read_object(path: Path) -> dict[str, object] | None:
    """Read the JSON object in `path`, or None."""
    return read_snapshot(path)


def last_line(path: Path, *, longest: int = 2000) -> str | None:
    """Read the last line of `path` with text in it, without control characters, or None.

    Of a line that is very long what stands near its end. Who shows less of it cuts it after secrets were
    taken out, or half of one would pass: `longest` is far more than is ever shown.
    """
    window = 4 * longest
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            start = max(0, os.fstat(descriptor).st_size - window)
            lines = os.pread(descriptor, window, start).splitlines()
    except OSError:
        return None
    if start and len(lines) == 1:  # it began before: so may a secret that is cut
        lines = [lines[0][longest:]]
    for raw in reversed(lines):
        if text := printable(raw.decode("utf-8", "replace")).strip():
            return text[:longest]
    return None


def printable(text: str) -> str:
    """`text` without what a terminal would obey instead of show: whole sequences, control characters.

    Tabs stay.
    """
    if "\x1b" in text or "\x9b" in text:
        text = _SEQUENCES.sub("", text)
    return text.translate(_ESCAPES)


def moment(seconds: float) -> str:
    """A time of the file system as `at` is written."""
    try:
        then = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # a year that no calendar here holds
        then = datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def natural(name: str) -> list[tuple[int, str]]:
    """Make a key that sorts `a2` before `a10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
