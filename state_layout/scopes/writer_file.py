"""One writer's file of a shared scope, held open by who reads it, and how far it was read."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from state_layout.files import atomic, disk
from state_layout.files.journal import Journal, Reader


class WriterFile:
    """Opened to be read, and to be written by its own writer. `journal` is his."""

    def __init__(self, path: Path) -> None:
        try:
            self.descriptor = disk.create(path, os.O_RDWR | os.O_APPEND, atomic.FILE_MODE)
        except PermissionError:
            self.descriptor = disk.create(path, os.O_RDONLY, 0)
        weakref.finalize(self, os.close, self.descriptor)
        self.path, self.name = path, os.fspath(path)
        self.reader = Reader(path)
        self.stat = os.fstat(self.descriptor)
        self.journal: Journal | None = None

    def has_grown(self) -> bool | None:
        """Whether there is something to read; None if the path leads to another file, or to none."""
        try:
            found = os.stat(self.name)  # noqa: PTH116 - for each read, and half the cost of Path.stat
        except FileNotFoundError:
            return None
        if (found.st_ino, found.st_dev) != (self.stat.st_ino, self.stat.st_dev):
            return None
        offset = self.reader.position.offset
        return None if found.st_size < offset else found.st_size > offset
