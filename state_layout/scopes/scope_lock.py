"""The short lock of a shared scope, and its letter: `w` while a line may be written and not be durable.

Who dies with the lock leaves the letter; who finds it makes durable what he reads before he acts on it. After
a loss of power it means nothing: what is there then is durable. The letter is written into memory that all
share: a write to the file would cost each put a third, and nothing depends on its reaching the disk.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from pathlib import Path

from state_layout.errors import Locked, storage_error
from state_layout.files import atomic, disk

NAME = "lock"
WRITING, DONE = b"w", b"."
PATIENCE_S, _POLL_S = 10.0, 0.0005


class ScopeLock:
    """The lock in `folder` is for one thread of one process at a time. It may be held around itself."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._descriptor, self._depth, self._pid = -1, 0, os.getpid()
        self._letter: mmap.mmap | None = None

    def __enter__(self) -> None:
        """Hold it. Raises Locked if another holds it for very long, StorageError."""
        self._take()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:  # else it is held around this
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def say(self, letter: bytes) -> None:
        """Write the letter; the lock is held."""
        if self._letter is not None:
            self._letter[:] = letter

    def is_letter_w(self, *, is_held: bool) -> bool:
        """Something that is read now may not be durable."""
        try:
            if is_held:
                return os.pread(self._descriptor, 1, 0) == WRITING
            with atomic.opened(self._path, os.O_RDONLY) as descriptor:
                return os.pread(descriptor, 1, 0) == WRITING
        except OSError:
            return True

    def close(self) -> None:
        """Close the file."""
        self._letter = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self) -> None:
        deadline_s: float | None = None
        if os.getpid() != self._pid:  # a child of a fork: what it has is shared with its parent
            self.close()
            self._depth, self._pid = 0, os.getpid()
        while True:
            try:
                if self._descriptor < 0:
                    atomic.make_folder(self._path.parent)
                    self._descriptor = disk.create(self._path, os.O_RDWR | os.O_CREAT, atomic.FILE_MODE)
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = os.fstat(self._descriptor)
                if found.st_nlink:
                    self._map_letter(is_new=not found.st_size)
                    return
                self.close()  # removed meanwhile: it would keep nobody out
            except BlockingIOError:
                now_s = time.monotonic()
                deadline_s = deadline_s or now_s + PATIENCE_S
                if now_s > deadline_s:
                    raise Locked(
                        f"{self._path}: held by another process for {PATIENCE_S:g} s; is it stopped?"
                    ) from None
                time.sleep(_POLL_S)
            except OSError as cause:
                raise storage_error("lock", self._path, cause) from cause

    def _map_letter(self, *, is_new: bool) -> None:
        if is_new:  # or emptied by somebody
            self._letter = None
            disk.pwrite(self._descriptor, DONE, 0)
        if self._letter is None:
            self._letter = mmap.mmap(self._descriptor, len(DONE))
