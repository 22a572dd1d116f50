"""The mail files of a box, kept open by their reader, so that looking for news costs little.

Looking at a box is one listing and one seek a file: a third of what a `stat` of each costs.
A file that was replaced is known by its inode, which cannot be used again while the old one is open.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from state_layout.errors import storage_error
from state_layout.files import disk
from state_layout.mail.boxes import is_sender
from state_layout.paths import Tree

MOST_OPEN = 256  # in a box; further files are opened each time
_SUFFIX = ".jsonl"
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class OpenMail:
    """The object holds one mail file open. `key` names it in marks."""

    __slots__ = ("_descriptor", "box", "inode", "key", "path", "sender")

    def __init__(self, path: Path, *, box: str, inode: int) -> None:
        self.path, self.box, self.inode = path, box, inode
        self.sender = path.name[: -len(_SUFFIX)]
        self.key = f"{box}/{self.sender}"
        self._descriptor = -1

    def size(self) -> int:
        """Tell the size of the file in bytes, 0 if it is gone."""
        if self._descriptor >= 0:
            return os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def version(self) -> tuple[int, int]:
        """Give a version that differs when the file was written to or replaced."""
        try:
            found = os.fstat(self._descriptor) if self._descriptor >= 0 else self.path.stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    def keep_open(self) -> None:
        """Open it until `close`."""
        self._descriptor = os.open(self.path, _FLAGS)

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        """Whoever forgets to close it must not run out of descriptors."""
        self.close()

    @contextmanager
    def reading(self) -> Iterator[int]:
        """Open a descriptor to read the file by. Raises StorageError."""
        if self._descriptor >= 0:
            yield self._descriptor
            return
        try:
            descriptor = os.open(self.path, _FLAGS)
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause
        try:
            yield descriptor
        finally:
            os.close(descriptor)


class OpenBox:
    """The object holds the box of `to` open; `without` names a sender that is passed over (one's own
    broadcasts)."""

    def __init__(self, tree: Tree, to: str, *, without: str | None = None) -> None:
        self._to, self._folder, self._without = to, tree.mail_box(to), without
        self._files: dict[str, OpenMail] = {}  # by name
        self._others: set[str] = set()  # names that no mail file has

    def look(self) -> list[OpenMail]:
        """List the mail files that are there now, in no order. Raises StorageError."""
        try:
            with os.scandir(self._folder) as entries:
                seen = {entry.name: entry.inode() for entry in entries}
        except FileNotFoundError:
            seen = {}
        except OSError as cause:
            raise storage_error("read", self._folder, cause) from cause
        files, others = self._files, self._others
        for name in files.keys() - seen.keys():
            self._drop(name)
        for name, inode in seen.items():
            file = files.get(name)
            if name not in others and (file is None or file.inode != inode):
                self._drop(name)
                self._take(name, inode)
        return [*files.values()]

    def close(self) -> None:
        """Close all files."""
        for name in [*self._files]:
            self._drop(name)

    def _take(self, name: str, inode: int) -> None:
        sender = name.removesuffix(_SUFFIX)
        if sender == name or not is_sender(sender) or sender == self._without:
            self._others.add(name)
            return
        file = OpenMail(self._folder / name, box=self._to, inode=inode)
        try:
            if not stat.S_ISREG(file.path.lstat().st_mode):
                return
            if len(self._files) < MOST_OPEN and not disk.is_guarded():  # NFS shows news to who opens anew
                file.keep_open()
        except FileNotFoundError:
            return  # gone since it was listed
        except OSError as cause:
            raise storage_error("open", file.path, cause) from cause
        self._files[name] = file

    def _drop(self, name: str) -> None:
        file = self._files.pop(name, None)
        if file is not None:
            file.close()
