"""A repository in a folder: each object a file, written aside, synced and linked into place."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from maos_sup.backups.store import refuse_large
from state_layout.errors import Damaged, Locked, StorageFull, storage_error
from state_layout.files import atomic, disk

LOCK = "lock"
_PATIENCE_S = 10.0


class FolderStore:
    """The store keeps objects below `root`. A reader needs no right to write there."""

    def __init__(self, root: Path) -> None:
        self.root, self.place = root, str(root)

    def put(self, name: str, data: bytes) -> bool:
        """Keep `data` as `name`, as the protocol says."""
        path = self.root / name
        try:
            atomic.make_folder(path.parent)
            return atomic.create_once(path, data)
        except StorageFull as cause:
            raise StorageFull(f"{self.place}: no space left; free some there (backups prune may)") from cause

    def get(self, name: str) -> bytes | None:
        """The bytes of `name`, as the protocol says."""
        path = self.root / name
        try:
            with atomic.opened(path, os.O_RDONLY) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
                refuse_large(self.place, name, os.fstat(descriptor).st_size)
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise storage_error("read", path, cause) from cause

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield names and sizes, as the protocol says; what somebody writes, or lets go of, is not there."""
        try:
            with os.scandir(self.root / prefix) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError as cause:
            raise storage_error("read", self.root / prefix, cause) from cause
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from self.sizes(f"{prefix}{entry.name}/")
            elif not atomic.is_temporary(entry.name) and (size := _size(entry)) is not None:
                yield f"{prefix}{entry.name}", size

    def remove(self, name: str) -> None:
        """Let go of `name`, as the protocol says."""
        path = self.root / name
        try:
            disk.unlink(path)
        except OSError as cause:
            raise storage_error("remove", path, cause) from cause

    def remove_leftovers(self) -> int:
        """Remove what processes that were killed left half written; how much. The caller holds it alone."""
        left = [path for path in self.root.rglob(".*.tmp-*") if atomic.is_temporary(path.name)]
        for path in left:
            self.remove(str(path.relative_to(self.root)))
        return len(left)

    @contextmanager
    def held(self, *, alone: bool, note: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the repository, as the protocol says; the kernel lets go for who is killed.

        It locks for who only reads, too: there is nothing to `note`.
        """
        descriptor = self._opened(self.root / LOCK)
        try:
            if descriptor is not None:
                self._wait(descriptor, alone=alone)
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _opened(self, path: Path) -> int | None:
        """The lock where it cannot be made: nobody can take anything away from there, either."""
        with suppress(OSError):
            return disk.create(path, os.O_RDWR | os.O_CREAT, atomic.FILE_MODE)  # NFS locks no others alone
        try:
            return disk.create(path, os.O_RDONLY, atomic.FILE_MODE)
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise storage_error("open", path, cause) from cause

    def _wait(self, descriptor: int, *, alone: bool) -> None:
        way = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        end_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, way | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end_s:
                    other = "a backup, restore or verify" if alone else "a prune"
                    raise Locked(
                        f"{self.place}: {other} is at work there; repeat when it has ended"
                    ) from None
                time.sleep(0.02)
            except OSError as cause:
                raise storage_error("lock", self.root / LOCK, cause) from cause


def refuse_strange(root: Path) -> None:
    """Raise Damaged unless `root` may become a repository: it is not there, or all but empty."""
    try:
        names = {entry.name for entry in os.scandir(root)}
    except FileNotFoundError:
        return
    except OSError as cause:
        raise storage_error("read", root, cause) from cause
    strange = sorted(name for name in names if name != LOCK and not atomic.is_temporary(name))
    if strange:
        raise Damaged(f"{root}: holds {strange[0]!r} and no backups; name a new or empty folder with --to")


def _size(entry: os.DirEntry[str]) -> int | None:
    """Tell the size of an object; None if somebody let go of it since it was listed."""
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise storage_error("read", Path(entry.path), cause) from cause
