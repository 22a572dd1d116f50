"""Signs of life: two counters in one line of fixed width, overwritten in place (2 us; a rename costs 180).

`beat` is moved by the agent's loop, `progress` by its work: alive and getting nowhere are two things. Only
the change of a counter means anything, judged by the observer's own clock. A missing or unreadable beat is
unknown, never dead. Not durable: it means nothing after the process has ended.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from state_layout.errors import StorageError
from state_layout.files import atomic, disk

LONGEST_REST_S = 6.0  # between two beats of an agent at rest, unless it was told to beat more seldom
_LINE = re.compile(rb"beat=(\d{20}) progress=(\d{20}) expect_s=(\d{9})\n")
_LINE_BYTES = 75
_MOST_EXPECT_S = 999_999_999


class Beat(Struct, frozen=True, kw_only=True):
    """A beat holds the counters; after the last progress nothing more is expected for `expect_s` seconds."""

    beat: int
    progress: int
    expect_s: int


class BeatWriter:
    """Writes the beat of one agent; its two counters may be moved by two threads.

    A beat that cannot be written is dropped: an agent is not stopped because its sign of life failed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._descriptor = -1
        before = read_beat(path) or Beat(beat=0, progress=0, expect_s=0)
        self._beat, self._progress, self._expect_s = before.beat, before.progress, 0
        self.progress()

    def beat(self) -> None:
        """Note that the agent's loop went round. Never raises."""
        with self._lock:
            self._beat += 1
            self._write()

    def progress(self, expect_s: float = 0) -> None:
        """Note that the agent's work got on; the next word may take `expect_s` seconds."""
        with self._lock:
            self._beat += 1
            self._progress += 1
            self._expect_s = min(max(0, int(expect_s)), _MOST_EXPECT_S)
            self._write()

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._close()

    def _write(self) -> None:
        line = f"beat={self._beat:020d} progress={self._progress:020d} expect_s={self._expect_s:09d}\n"
        try:
            if self._descriptor < 0 or os.fstat(self._descriptor).st_nlink == 0:  # run/ was deleted
                self._close()
                atomic.make_folder(self.path.parent)
                self._descriptor = disk.create(self.path, os.O_RDWR | os.O_CREAT, atomic.FILE_MODE)
            disk.pwrite(self._descriptor, line.encode(), 0)
        except (OSError, StorageError):
            self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1


def read_beat(path: Path | str) -> Beat | None:
    """Read the beat in `path`, quicker if that is a text; None (unknown) if it is missing or not readable."""
    try:
        descriptor = disk.create(path, os.O_RDONLY, atomic.FILE_MODE)
        try:
            found = _LINE.match(os.read(descriptor, _LINE_BYTES + 1))
        finally:
            os.close(descriptor)
    except OSError:
        return None
    if found is None:
        return None
    return Beat(beat=int(found[1]), progress=int(found[2]), expect_s=int(found[3]))
