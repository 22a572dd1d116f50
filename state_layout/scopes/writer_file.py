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

    def is_in_place(self) -> bool:
        """The path still leads to the file that is open here."""
        try:
            found = os.stat(self.name)  # noqa: PTH116 - half the cost of Path.stat
        except FileNotFoundError:
            return False
        return (found.st_ino, found.st_dev) == (self.stat.st_ino, self.stat.st_dev)

    def has_grown(self) -> bool | None:
        """Say whether there is something to read; None if the file was removed, replaced or cut.

        A file that has another name elsewhere is not missed here: its folder has another time then.
        """
        found = os.fstat(self.descriptor)
        offset = self.reader.position.offset
        if not found.st_nlink or found.st_size < offset:
            return None
        return found.st_size > offset
