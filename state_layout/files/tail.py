"""Says where to begin reading a chained file of any length when only a part of it is wanted.

What stands before that place is neither read nor checked; what lines say there is their own word. Who acts on
records reads them all, or tests what was found and reads them all where it does not fit.
"""

from __future__ import annotations

import os
from pathlib import Path

from state_layout.files import atomic
from state_layout.files.chain import ORIGIN, Position, claimed_end

FIRST_BYTES, MOST_BYTES = 1 << 14, 1 << 24
_NEAR_BYTES = 1 << 15


def near_end(path: Path, *, lines: int) -> Position:
    """Find a position after which the last `lines` whole lines of `path` come; ORIGIN where few stand
    before."""
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            size = os.fstat(descriptor).st_size
            length = FIRST_BYTES
            while length < min(size, MOST_BYTES):
                found = _place(os.pread(descriptor, length, size - length), size - length, lines)
                if found is not None:
                    return found
                length *= 4
    except OSError:
        pass
    return ORIGIN


def last_text(path: Path, *, most_bytes: int) -> str:
    """Read the last `most_bytes` of a file of any length as text, or all of a shorter one. Raises OSError."""
    with atomic.opened(path, os.O_RDONLY) as descriptor:
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, most_bytes, max(0, size - most_bytes)).decode("utf-8", "replace")


def _place(data: bytes, begin: int, lines: int) -> Position | None:
    """Find the end of the line before the last `lines` ones in `data`, which stands at `begin`."""
    feed = len(data)
    for _ in range(lines + 1):
        feed = data.rfind(b"\n", 0, feed)
        if feed < 0:
            return None
    before = data.rfind(b"\n", 0, feed)
    return None if before < 0 else claimed_end(data[before + 1 : feed], begin + feed + 1)


def before(path: Path, seq: int) -> Position:
    """Find the end of a line before the line `seq`, at most some ten kilobytes off; ORIGIN where there is
    none.

    Found by halving, for numbers rise: a file that is damaged may lead it anywhere.
    """
    found, low = ORIGIN, 0
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            high = os.fstat(descriptor).st_size
            while high - low > _NEAR_BYTES:
                middle = (low + high) // 2
                place = _first_end(descriptor, middle, high)
                if place is None or place.seq >= seq:
                    high = middle
                else:
                    found, low = place, place.offset
    except OSError:
        pass
    return found


def _first_end(descriptor: int, begin: int, end: int) -> Position | None:
    """Find the end of the first line that begins after `begin`, or None if it is not before `end`."""
    data = os.pread(descriptor, min(_NEAR_BYTES, end - begin), begin)
    first = data.find(b"\n")
    second = data.find(b"\n", first + 1)
    if first < 0 or second < 0:
        return None
    return claimed_end(data[first + 1 : second], begin + second + 1)
