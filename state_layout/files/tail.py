"""Where to begin reading a chained file of any length when only its end is wanted.

For viewers: what stands before that place is neither read nor checked. Who acts on records reads them all.
"""

from __future__ import annotations

import os
from pathlib import Path

from state_layout.files import atomic
from state_layout.files.chain import ORIGIN, Position, claimed_end

FIRST_BYTES, MOST_BYTES = 1 << 14, 1 << 24


def near_end(path: Path, *, lines: int) -> Position:
    """A position after which the last `lines` whole lines of `path` come; ORIGIN where few stand before."""
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


def _place(data: bytes, begin: int, lines: int) -> Position | None:
    """The end of the line before the last `lines` ones in `data`, which stands at `begin`."""
    feed = len(data)
    for _ in range(lines + 1):
        feed = data.rfind(b"\n", 0, feed)
        if feed < 0:
            return None
    before = data.rfind(b"\n", 0, feed)
    return None if before < 0 else claimed_end(data[before + 1 : feed], begin + feed + 1)
