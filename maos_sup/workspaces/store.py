"""Contents of workspaces, in `workspaces.git/`: a bare git repository, used as an object database only.

Written without git: no filter, attribute or hook can change a byte, and a few files cost no process. Every
object is a blob. Anybody may read them: `git --git-dir=workspaces.git cat-file blob ID`. Several processes
write at once: a name says its content, and what is there already is left.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha1
from pathlib import Path

from state_layout.errors import Damaged, storage_error
from state_layout.files import atomic, disk
from state_layout.paths import Tree

_LEVEL = 6  # of compression
_GRACE_S = 600.0  # what is younger may belong to a snapshot that is being taken
_CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n"


class Store:
    """The objects of one tree."""

    def __init__(self, tree: Tree) -> None:
        self._root = tree.workspaces
        self._objects = self._root / "objects"
        self._known: set[str] = set()

    def put(self, data: bytes) -> str:
        """Keep `data`; its name. Not durable by itself: a power cut may leave an object torn.

        Such a one is written anew when its content is kept again, and named when it is wanted (`get`). A
        restore syncs before it replaces anything. Raises StorageError.
        """
        head = b"blob %d\0" % len(data)
        name = sha1(head + data, usedforsecurity=False).hexdigest()
        if name in self._known:
            return name
        path = self._path(name)
        try:
            os.utime(path)  # it is wanted again: a sweep is to leave it alone
            is_there = _is(path, head + data)
        except FileNotFoundError:
            is_there = False
        except OSError as cause:
            raise storage_error("keep", path, cause) from cause
        if not is_there:
            self._write(path, zlib.compress(head + data, _LEVEL))
        self._known.add(name)
        return name

    def get(self, name: str) -> bytes:
        """What was kept under `name`. Raises Damaged where it is gone or not what it was."""
        path = self._path(name)
        try:
            head, _, data = zlib.decompress(path.read_bytes()).partition(b"\0")
        except (OSError, zlib.error) as cause:
            raise Damaged(f"{path}: a kept file cannot be read ({cause}); it is lost") from cause
        if sha1(head + b"\0" + data, usedforsecurity=False).hexdigest() != name:
            raise Damaged(f"{path}: is not what was kept under this name; it is lost")
        return data

    def names(self) -> Iterator[tuple[str, Path]]:
        """Every object and its file."""
        for path in sorted(self._objects.glob("[0-9a-f][0-9a-f]/[0-9a-f]*")):
            yield path.parent.name + path.name, path

    def size_bytes(self) -> int:
        """What all objects take on the disk."""
        total = 0
        for _, path in self.names():
            with suppress(OSError):
                total += path.stat().st_size
        return total

    def sweep(self, wanted: Iterable[str], *, now_s: float | None = None) -> int:
        """Remove what is not `wanted` and not just being written; how many bytes that freed."""
        kept, freed, now_s = set(wanted), 0, time.time() if now_s is None else now_s
        for name, path in [*self.names()]:
            with suppress(OSError):
                found = path.stat()
                if name not in kept and now_s - found.st_mtime > _GRACE_S:
                    disk.unlink(path)
                    self._known.discard(name)
                    freed += found.st_size
        for path in [*self._objects.glob("[0-9a-f][0-9a-f]/.*.tmp-*")]:  # of who was killed while he wrote
            with suppress(OSError):
                found = path.stat()
                if now_s - found.st_mtime > _GRACE_S:
                    disk.unlink(path)
                    freed += found.st_size
        return freed

    def _path(self, name: str) -> Path:
        return self._objects / name[:2] / name[2:]

    def _write(self, path: Path, data: bytes) -> None:
        temporary = path.parent / f".{path.name}.tmp-{os.urandom(4).hex()}"
        try:
            if not path.parent.is_dir():
                self._make(path.parent)
            descriptor = disk.create(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
            try:
                atomic.write_all(descriptor, data)
            finally:
                os.close(descriptor)
            disk.rename(temporary, path)
        except OSError as cause:
            with suppress(OSError):
                disk.unlink(temporary)
            raise storage_error("keep", path, cause) from cause

    def _make(self, folder: Path) -> None:
        """Make the repository, and one of its folders of objects."""
        if not (self._root / "HEAD").exists():
            for inner in ("refs/heads", "refs/tags", "objects/info", "objects/pack"):
                atomic.make_folder(self._root / inner)
            atomic.refresh(self._root / "config", _CONFIG)
            atomic.refresh(self._root / "HEAD", b"ref: refs/heads/none\n")
        with suppress(FileExistsError):
            disk.mkdir(folder, atomic.FOLDER_MODE)


def _is(path: Path, content: bytes) -> bool:
    """Whether an object holds `content`. Raises FileNotFoundError, OSError."""
    packed = path.read_bytes()
    try:
        return zlib.decompress(packed) == content
    except zlib.error:
        return False
