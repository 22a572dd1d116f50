"""Contents of workspaces, in `workspaces.git/`: a bare git repository, used as an object database only.

Written without git: no filter, attribute or hook can change a byte, and a few files cost no process. Every
object is a blob. Anybody may read them: `git --git-dir=workspaces.git cat-file blob ID`. Several processes
write at once: a name says its content, and what is there already is left. Who takes a snapshot holds the file
`using` with others until all that it names is on record; who sweeps holds it alone, so what nobody names then
is wanted by nobody, whatever the clocks say. `swept` tells those who go on that what they knew may be gone.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha1
from pathlib import Path

from state_layout.errors import Damaged, Locked, reason_of, storage_error
from state_layout.files import atomic, disk
from state_layout.files.looking import exists, is_dir
from state_layout.files.reading import read_record
from state_layout.paths import Tree

_LEVEL = 6  # of compression
_PATIENCE_S, _POLL_S = 10.0, 0.01
_USING, _SWEPT = "using", "swept"
_CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n"


class Store:
    """The store keeps the objects of one tree."""

    def __init__(self, tree: Tree) -> None:
        self._root = tree.workspaces
        self._objects = self._root / "objects"
        self._known: set[str] = set()
        self._is_held, self._swept = False, self._last_sweep()

    @contextmanager
    def in_use(self) -> Iterator[bool]:
        """Keep what is put from being swept until it is on record; whether somebody has swept since.

        May be entered again within. Raises Locked, StorageError.
        """
        if self._is_held:
            yield False
            return
        self._make()
        descriptor = self._locked(fcntl.LOCK_SH)
        try:
            before, self._swept = self._swept, self._last_sweep()
            if self._swept != before:
                self._known.clear()
            self._is_held = True
            yield self._swept != before
        finally:
            self._is_held = False
            os.close(descriptor)

    def _last_sweep(self) -> bytes:
        try:
            return read_record(self._root / _SWEPT)
        except OSError:
            return b""

    def _locked(self, how: int) -> int:
        """Lock the file `using`, and give its descriptor. Raises Locked if that takes long, StorageError."""
        path = self._root / _USING
        until_s = time.monotonic() + _PATIENCE_S
        try:
            descriptor = disk.create(path, os.O_RDWR | os.O_CREAT, atomic.FILE_MODE)
            while True:
                try:
                    fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                    return descriptor
                except BlockingIOError as cause:
                    if time.monotonic() > until_s:
                        os.close(descriptor)
                        busy = f"{path}: another process keeps or removes files; try again"
                        raise Locked(busy) from cause
                    time.sleep(_POLL_S)
        except OSError as cause:
            raise storage_error("lock", path, cause) from cause

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
        """Read what was kept under `name`. Raises Damaged where it is gone or not what it was."""
        path = self._path(name)
        try:
            head, _, data = zlib.decompress(read_record(path)).partition(b"\0")
        except (OSError, zlib.error) as cause:
            raise Damaged(f"{path}: a kept file cannot be read ({reason_of(cause)}); it is lost") from cause
        if sha1(head + b"\0" + data, usedforsecurity=False).hexdigest() != name:
            raise Damaged(f"{path}: is not what was kept under this name; it is lost")
        return data

    def names(self) -> Iterator[tuple[str, Path]]:
        """Yield every object and its file."""
        for path in sorted(self._objects.glob("[0-9a-f][0-9a-f]/[0-9a-f]*")):
            yield path.parent.name + path.name, path

    def size_bytes(self) -> int:
        """Add up the bytes that all objects take on the disk."""
        total = 0
        for _, path in self.names():
            with suppress(OSError):
                total += path.stat().st_size
        return total

    def sweep(self, wanted: Callable[[], Iterable[str]]) -> int:
        """Remove what is not `wanted`, which is asked when nobody keeps anything; how many bytes that freed.

        Raises Locked, StorageError.
        """
        self._make()
        descriptor = self._locked(fcntl.LOCK_EX)
        try:
            kept, freed = set(wanted()), 0
            atomic.replace(self._root / _SWEPT, f"{os.urandom(8).hex()}\n".encode())
            gone = [path for name, path in self.names() if name not in kept]
            gone += self._objects.glob("[0-9a-f][0-9a-f]/.*.tmp-*")  # of who was killed while he wrote
            for path in gone:
                with suppress(OSError):
                    size = path.stat().st_size
                    disk.unlink(path)
                    freed += size
            return freed
        finally:
            os.close(descriptor)

    def _path(self, name: str) -> Path:
        return self._objects / name[:2] / name[2:]

    def _write(self, path: Path, data: bytes) -> None:
        temporary = path.parent / f".{path.name}.tmp-{os.urandom(4).hex()}"
        try:
            if not is_dir(path.parent):
                self._make()
                with suppress(FileExistsError):
                    disk.mkdir(path.parent, atomic.FOLDER_MODE)
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

    def _make(self) -> None:
        """Make the repository, if it is not there."""
        if not exists(self._root / "HEAD"):
            for inner in ("refs/heads", "refs/tags", "objects/info", "objects/pack"):
                atomic.make_folder(self._root / inner)
            atomic.refresh(self._root / "config", _CONFIG)
            atomic.refresh(self._root / "HEAD", b"ref: refs/heads/none\n")


def _is(path: Path, content: bytes) -> bool:
    """The object at `path` holds `content`. Raises FileNotFoundError, OSError."""
    packed = read_record(path)
    try:
        return zlib.decompress(packed) == content
    except zlib.error:
        return False
