"""Locks for life and for a moment (flock), and the one on `spec/` (filelock, imported only here).

A life lock says "this process lives": held from start to exit, closed on exec and in forked children (or it
would outlive its owner), never deleted, so no stale lock exists. flock and not fcntl: a POSIX lock is lost
when any descriptor of the file is closed.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from state_layout.errors import Locked, StorageError, storage_error
from state_layout.files import atomic, disk


class LifeLock:
    """A held lock; `release` or the end of the process frees it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor
        os.register_at_fork(after_in_child=self._close_in_child)

    def release(self) -> None:
        """Release the lock. No error if it is free."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    _close_in_child = release


def take_life_lock(path: Path, *, patience_s: float = 0.3) -> LifeLock:
    """Take the lock at `path`, trying for `patience_s`: a probe may hold it. Raises Locked, StorageError."""
    atomic.make_folder(path.parent)
    deadline = time.monotonic() + patience_s
    while (descriptor := _taken(path)) is None:
        if time.monotonic() > deadline:
            raise Locked(f"{path}: held by another process")
        time.sleep(0.005)
    return LifeLock(path, descriptor)


def is_free(path: Path) -> bool:
    """Nobody holds the life lock at `path`. Raises StorageError.

    Takes it for a moment: for the supervisor only.
    """
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            return try_lock(descriptor)
    except FileNotFoundError:
        return True
    except OSError as cause:
        raise storage_error("open lock", path, cause) from cause


@contextmanager
def alone_in(folder: Path, *, busy: str) -> Iterator[None]:
    """Hold `folder` against others that do the same; no file is made. Raises Locked(`busy`), StorageError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as cause:
        raise storage_error("open", folder, cause) from cause
    try:
        if not try_lock(descriptor):
            raise Locked(busy)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def editing(path: Path, *, patience_s: float = 10.0) -> Iterator[None]:
    """Hold the lock that the command line takes to edit `spec/`. Raises Locked, StorageError."""
    import filelock  # here: it costs 10 to 60 ms to import, and viewers never edit

    try:
        with filelock.FileLock(path, timeout=patience_s, mode=atomic.FILE_MODE, fallback_to_soft=False):
            yield
    except filelock.Timeout as cause:
        raise Locked(f"{path}: another command has been editing for {patience_s:g} s; try again") from cause
    except OSError as cause:
        raise storage_error("lock", path, cause) from cause


@contextmanager
def held(path: Path, *, patience_s: float = 10.0) -> Iterator[None]:
    """Hold the lock at `path` for a moment; its folder may be made or removed by others meanwhile.

    For files that several processes write in turn. Raises Locked if it is held for very long, StorageError.
    """
    deadline = time.monotonic() + patience_s
    while (descriptor := _taken(path, makes_folder=True)) is None:
        if time.monotonic() > deadline:
            raise Locked(f"{path}: held by another process for {patience_s:g} s; is it stopped?")
        time.sleep(0.001)
    _held.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _held:  # not so in a child that was forked in between
            _held.discard(descriptor)
            os.close(descriptor)


_held = set[int]()


def _let_go_in_child() -> None:
    """Let go of locks in a child: one forked in that moment does not hold them on."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go_in_child)


def _taken(path: Path, *, makes_folder: bool = False) -> int | None:
    """Open and take the lock at `path`; None if another has it, or it was removed or replaced just now."""
    if makes_folder:
        atomic.make_folder(path.parent)
    try:
        descriptor = disk.create(path, os.O_RDWR | os.O_CREAT, atomic.FILE_MODE)
    except FileNotFoundError as cause:
        if makes_folder:
            return None  # the folder went between
        raise storage_error("open lock", path, cause) from cause
    except OSError as cause:
        raise storage_error("open lock", path, cause) from cause
    is_ours = False
    try:
        is_ours = try_lock(descriptor) and _is_at(path, descriptor)
    finally:
        if not is_ours:
            os.close(descriptor)
    return descriptor if is_ours else None


def _is_at(path: Path, descriptor: int) -> bool:
    """The `path` still leads to the open file: a lock on a removed one would keep nobody out."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def try_lock(descriptor: int) -> bool:
    """Take the `flock` on an open file, if nobody holds it; whether it is ours now. Raises StorageError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as cause:
        raise StorageError(f"this file system cannot lock files ({cause.strerror}); use another") from cause
    return True
