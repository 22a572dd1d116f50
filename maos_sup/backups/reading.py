"""Walk a tree that may be living: what is to be kept of it, what has changed, what must be left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from maos_sup.backups.manifest import is_link_kept
from state_layout.errors import storage_error
from state_layout.files import atomic

HOST_BOUND = "run"


@dataclass(slots=True)
class TreeFiles:
    """Lists what lies in a tree, by path, in order: files with what `stat` says, folders, links; and what
    does not come along, with a reason each.
    """

    root: Path
    files: list[tuple[str, os.stat_result]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, root: Path) -> TreeFiles:
        """Look at `root`; what vanishes meanwhile is not there. Raises StorageError."""
        found = cls(root)
        found._walk("")
        return found

    def leave_out(self, path: str, cause: OSError) -> None:
        """Leave out what cannot be read, if it is a program's. Raises StorageError if it is a record."""
        if isinstance(cause, FileNotFoundError):
            return
        if not _is_free(path):
            raise storage_error("read", self.root / path, cause) from cause
        self.left_out.append(f"{shown(path)}: cannot be read ({cause.strerror})")

    def _walk(self, where: str) -> None:
        for entry in self._entries(where):
            path = f"{where}/{entry.name}" if where else entry.name
            if path == HOST_BOUND or (atomic.is_temporary(entry.name) and not _is_free(path)):
                continue
            try:
                self._take(path, entry)
            except OSError as cause:
                self.leave_out(path, cause)

    def _take(self, path: str, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink():
            target = os.readlink(entry.path)  # noqa: PTH115 - as text
            if is_link_kept(path, target):
                self.links.append((path, target))
            else:
                self.left_out.append(f"{shown(path)}: a link where there may be none")
        elif entry.is_dir(follow_symlinks=False):
            self.folders.append(path)
            self._walk(path)
        elif entry.is_file(follow_symlinks=False):
            self.files.append((path, entry.stat(follow_symlinks=False)))
        else:
            self.left_out.append(f"{shown(path)}: no file, but a pipe, a socket or a device")

    def _entries(self, where: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / where) as entries:
                yield from sorted(entries, key=lambda entry: entry.name)
        except OSError as cause:
            self.leave_out(where, cause)


def shown(path: str) -> str:
    """`path` as people can read it, on one line."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _is_free(path: str) -> bool:
    """The `path` lies in a folder whose contents are not ours to name."""
    from state_layout.catalogue import free_pattern  # when something is the matter

    parts = path.split("/")
    return any(free_pattern().fullmatch("/".join(parts[:length])) for length in range(1, len(parts)))
