"""Says which mechanisms this system is asked for: those of Linux, or the portable ones, which psutil knows.

`MAOS_SUP_SYSTEM=portable` asks for the portable ones anywhere: it is how they are tested, and a way out where
/proc is hidden. Processes of one tree may use either: handles, marks and beats read the same.
"""

from __future__ import annotations

import os
import sys
from functools import cache

VARIABLE = "MAOS_SUP_SYSTEM"
PORTABLE = "portable"


@cache
def is_linux() -> bool:
    """Processes are looked at by pidfds, /proc, inotify and the like."""
    return sys.platform == "linux" and os.environ.get(VARIABLE) != PORTABLE


def read_raw(path: str) -> bytes:
    """Read all bytes of a file of /proc, quicker than `Path.read_bytes`. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
