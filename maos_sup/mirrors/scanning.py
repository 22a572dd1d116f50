"""Find out which files of a tree changed, by looking at names and stamps only.

Attempts that are not among the newest are looked at now and then only: nobody writes there any more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from maos_sup.mirrors.sources import TOP_FILES, TOPS, is_followed_folder, source_of
from state_layout.files.fence import gone
from state_layout.paths import Tree

_ATTEMPTS_LOOKED_AT = 2  # of each agent, the newest ones, at every look
_ATTEMPTS = "/attempts/"
_LEASE = "lease.json"  # of an attempt or a supervisor that lives where its launcher placed it


class Stamp(NamedTuple):
    """A file whose stamp is another than before may have changed."""

    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    is_executable: bool

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        executable = bool(found.st_mode & 0o100)
        return cls(found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, executable)


class Scanner:
    """Looks at a tree again and again. `files` has the stamp of every file that is mirrored."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.files: dict[str, Stamp] = {}
        self.folders = frozenset[str]()  # absolute, where files may come: by the last look that was not whole
        self.is_leased = False  # whether somebody on another machine may write, by the last look
        self._seen = set[str]()  # folders, by the look that is under way
        self.cost_s = 0.0  # of a processor, of the last look that was not whole
        self.left_out: list[str] = []  # of the last look: links, pipes and the like in the place of files

    def look(self, *, is_whole: bool) -> tuple[list[str], list[str]]:
        """The paths of files that are new or have another stamp, and of those that are not there any more.

        Unless `is_whole`, old attempts are passed over. Raises StorageError where the tree itself is gone.
        """
        if not os.path.exists(f"{self._tree.root}/FORMAT"):  # noqa: PTH110 - at each look
            raise gone(self._tree.root)
        self.left_out, self._seen, self.is_leased = [], {str(self._tree.root)}, False
        began_s = time.process_time()
        found = dict(self._files(is_whole=is_whole))
        changed = [path for path, stamp in found.items() if self.files.get(path) != stamp]
        lost = [path for path in self.files if path not in found and (is_whole or _ATTEMPTS not in path)]
        if not is_whole:
            self.folders, self.cost_s = frozenset(self._seen), time.process_time() - began_s
        self.files.update(found)
        for path in lost:
            del self.files[path]
        return changed, lost

    def forget(self, path: str) -> None:
        """Look at the file again next time, whatever its stamp."""
        self.files.pop(path, None)

    def _files(self, *, is_whole: bool) -> Iterator[tuple[str, Stamp]]:
        root = str(self._tree.root)
        for name in TOP_FILES:
            with suppress(OSError):
                yield name, Stamp.of(Path(root, name).lstat())
        for top in TOPS:
            yield from self._below(root, (top,), is_whole=is_whole)

    def _below(self, root: str, parts: tuple[str, ...], *, is_whole: bool) -> Iterator[tuple[str, Stamp]]:
        where = "/".join(parts)
        try:
            entries = sorted(os.scandir(f"{root}/{where}"), key=_name_of)
        except OSError:
            return  # not there, or no folder: nothing of it is mirrored
        self._seen.add(f"{root}/{where}")
        if not is_whole and len(parts) == 3 and parts[2] == "attempts":
            entries = entries[-_ATTEMPTS_LOOKED_AT:]
        for entry in entries:
            self.is_leased |= entry.name == _LEASE
            path = f"{where}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                inner = (*parts, entry.name)
                if is_followed_folder(inner):
                    yield from self._below(root, inner, is_whole=is_whole)
            elif source_of(path) is not None:
                if entry.is_file(follow_symlinks=False):
                    with suppress(OSError):
                        yield path, Stamp.of(entry.stat(follow_symlinks=False))
                else:
                    self.left_out.append(f"{path}: is no regular file")


def _name_of(entry: os.DirEntry[str]) -> tuple[int, str]:
    return len(entry.name), entry.name  # numbers in order
