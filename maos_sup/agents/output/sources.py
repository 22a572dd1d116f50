"""Reads what a program wrote, from where it was understood up to; whole lines only, until the end is final.

A source is `stdout.log` or `control.jsonl` of one attempt. How far it was understood is journaled with what
came of it (`source`), so nothing is understood twice and nothing is missed, whoever died.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from state_layout.errors import storage_error
from state_layout.files import atomic, disk

CHUNK_BYTES = 1 << 20
LONGEST_LINE_BYTES = 1 << 24  # what is longer is no line of ours


class OutputPiece(NamedTuple):
    """The piece is whole lines of a source: `end` is the offset after them."""

    data: bytes
    start: int
    end: int


class Source:
    """A source is one growing file. `offset` is how far it was read."""

    def __init__(self, path: Path, *, attempt: int, offset: int, end: int | None = None) -> None:
        """Behind `end` nothing is read."""
        self.path, self.attempt, self.offset, self._end = path, attempt, offset, end
        self.was_cut = False  # the program emptied it: what it held is lost
        self._size_seen = offset
        self._size_synced = 0
        self._cuts = 0
        self._is_left = False  # the last look ended before the end of the file

    @property
    def name(self) -> str:
        return self.path.name

    def has_grown(self) -> bool:
        """Say whether something follows what was looked at last, or was left for another look. A missing
        file has nothing."""
        size = self._size()
        if size < self._size_seen and size < self.offset:
            self.was_cut, self.offset, self._size_seen, self._size_synced = True, 0, 0, 0
            self._cuts += 1
        has_more = size > self._size_seen or self._is_left
        self._size_seen, self._is_left = size, False
        return has_more

    @property
    def is_behind(self) -> bool:
        """The file has more than was read: a line that is not whole yet."""
        return self._size_seen > self.offset

    @property
    def unread_bytes(self) -> int:
        """So many bytes follow what was read, by the size of the file now. Raises StorageError."""
        return max(0, self._size() - self.offset)

    @property
    def is_left(self) -> bool:
        """The last look left something for the next one."""
        return self._is_left

    def is_durable(self) -> bool:
        """Everything that was read is known to be durable."""
        return self.offset <= self._size_synced

    def leave(self, offset: int) -> None:
        """End a look at `offset`: what follows is for the next one."""
        self.offset, self._is_left = offset, True

    def pieces(self, *, is_final: bool) -> Generator[OutputPiece, None, None]:
        """Yield what follows `offset`, moving it; if `is_final`, a last line without line feed as well."""
        try:
            with atomic.opened(self.path, os.O_RDONLY) as descriptor:
                yield from self._pieces(descriptor, is_final=is_final)
        except FileNotFoundError:
            return
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause

    def sync(self, up_to: int | None = None) -> None:
        """Make what the program wrote (up to the offset `up_to`) durable, from any thread.

        Raises StorageError.
        """
        size, cuts = self._size(), self._cuts
        if (size if up_to is None else up_to) <= self._size_synced:
            return
        try:
            with atomic.opened(self.path, os.O_RDONLY) as descriptor:
                disk.fdatasync(descriptor)
        except FileNotFoundError:
            return
        except OSError as cause:
            raise storage_error("sync", self.path, cause) from cause
        if cuts == self._cuts:  # else another thread found it emptied meanwhile
            self._size_synced = max(size, self._size_synced)

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause

    def _pieces(self, descriptor: int, *, is_final: bool) -> Generator[OutputPiece, None, None]:
        rest = b""
        while True:
            at = self.offset + len(rest)
            left = CHUNK_BYTES if self._end is None else max(0, min(CHUNK_BYTES, self._end - at))
            chunk = os.pread(descriptor, left, at)
            data = rest + chunk
            cut = data.rfind(b"\n") + 1
            if len(data) - cut > LONGEST_LINE_BYTES or (not chunk and is_final):
                cut = len(data)
            if cut:
                start, self.offset = self.offset, self.offset + cut
                yield OutputPiece(data[:cut], start, self.offset)
            rest = data[cut:]
            if not chunk:
                return
