"""The one door to the disk: every call of this package that changes it passes here.

Normally each function is the system call of its name. A test may `tap` the door: the tap is called with the
name of the operation and its arguments before it happens, to record it, to fail it (raise OSError) or to
end the process there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_CAN_SYNC_DATA = hasattr(os, "fdatasync")
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
_CAN_ADVISE = hasattr(os, "posix_fadvise")
_NEVER_WAIT = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW
_OWNERS = 0o700  # a umask may take even these: what we make is ours to use all the same
_NO_FILE = {errno.ELOOP: "a symbolic link", errno.ENXIO: "a pipe or a socket", errno.EISDIR: "a folder"}
_OTHERS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "a device"))
Tap = Callable[[str, tuple[object, ...]], None]
_tap: Tap | None = None
_guard: Callable[[], None] | None = None


def tap(function: Tap | None) -> None:
    """Call `function(operation, arguments)` before each change of the disk; None ends that."""
    global _tap
    _tap = function


def guard(function: Callable[[], None] | None) -> None:
    """Call `function` before each change of the disk; None ends that.

    For a process that may have to stop writing: it looks whether it may, and does not return if not. What is
    changed through an open descriptor was opened before that look.
    """
    global _guard
    _guard = function


def look() -> None:
    """Do not return if this process may not write any more: for who opened what is there to write to it."""
    if _guard is not None:
        _guard()


def is_guarded() -> bool:
    """This process may have a rival that took its place."""
    return _guard is not None


def is_tapped() -> bool:
    """Somebody is told of each change."""
    return _tap is not None


def _seen(operation: str, *arguments: object) -> None:
    if _guard is not None:
        _guard()
    if _tap is not None:
        _tap(operation, arguments)


def write(descriptor: int, data: bytes | memoryview) -> int:
    if _tap is not None:
        _tap("write", (descriptor, data))
    return os.write(descriptor, data)


def pwrite(descriptor: int, data: bytes, offset: int) -> int:
    _seen("pwrite", descriptor, data, offset)
    return os.pwrite(descriptor, data, offset)


def begin_write(descriptor: int, offset: int, length: int) -> None:
    """Ask the system to begin writing those bytes out: a hint, which changes nothing and promises nothing.

    After Postgres, which does it so where `sync_file_range` cannot be called.
    """
    if _CAN_ADVISE:
        try:  # noqa: SIM105 - for each message: half the cost of suppress
            os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)
        except OSError:
            pass


def fdatasync(descriptor: int) -> None:
    """Have what was written survive a power cut; times and the like need not."""
    if _tap is not None:
        _tap("fdatasync", (descriptor,))
    if _FULL_SYNC is None and _CAN_SYNC_DATA:
        os.fdatasync(descriptor)
    else:
        _sync_fully(descriptor)


def fsync(descriptor: int) -> None:
    """Have a file or folder survive a power cut as it is."""
    _seen("fsync", descriptor)
    _sync_fully(descriptor)


def _sync_fully(descriptor: int) -> None:
    """Call `fsync`; on macOS that leaves the cache of the drive out, which F_FULLFSYNC does not."""
    if _FULL_SYNC is not None:
        with suppress(OSError):
            fcntl.fcntl(descriptor, _FULL_SYNC)
            return
    os.fsync(descriptor)


def truncate(descriptor: int, length: int) -> None:
    _seen("truncate", descriptor, length)
    os.ftruncate(descriptor, length)


def create(path: Path | str, flags: int, mode: int) -> int:
    """Open the regular file `path` (with O_DIRECTORY the folder) with `flags`, closed on exec.

    Never waits. Raises OSError for anything else that is in its place: a link (what is written through it
    would lie outside of the tree), a pipe (it would wait), a device (it may never end).
    """
    if flags & os.O_CREAT:
        _seen("create", path, flags)
    if flags & os.O_DIRECTORY:
        return os.open(path, flags | os.O_CLOEXEC, mode)
    try:
        descriptor = os.open(path, flags | _NEVER_WAIT, mode)
    except OSError as cause:
        if cause.errno in _NO_FILE:
            raise OSError(cause.errno, f"it is {_NO_FILE[cause.errno]}; put the file itself there") from cause
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        word = next((word for test, word in _OTHERS if test(found.st_mode)), "no regular file")
        raise OSError(errno.EINVAL, f"it is {word}; put the file itself there")
    if flags & os.O_CREAT and mode & ~found.st_mode & _OWNERS and not found.st_size:
        os.fchmod(descriptor, mode)
    os.set_blocking(descriptor, True)  # programs inherit it
    return descriptor


def rename(source: Path | str, target: Path) -> None:
    _seen("rename", source, target)
    os.rename(source, target)  # noqa: PTH104 - Path.rename makes another Path: here and below, at half the cost


def rename_to(source: Path, folder: int, name: str) -> None:
    """Do as `rename` does, to `name` in the open folder `folder`."""
    _seen("rename", source, name)
    os.rename(source, name, dst_dir_fd=folder)


def link(source: Path | str, target: Path) -> None:
    _seen("link", source, target)
    os.link(source, target, follow_symlinks=False)  # from Python 3.14 on a link is followed else, as on a Mac


def unlink(path: Path | str) -> None:
    """Remove `path`; no error if it is not there."""
    _seen("unlink", path)
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - as above


def mkdir(path: Path, mode: int) -> None:
    _seen("mkdir", path)
    os.mkdir(path, mode)  # noqa: PTH102 - as above
    if mode & ~os.lstat(path).st_mode & _OWNERS:
        path.chmod(mode)


def create_in(folder: int, path: Path, flags: int, mode: int) -> int:
    """Do as `create` does, in the open folder `folder`, of which `path` is a file; for files that are new."""
    _seen("create", path, flags)
    descriptor = os.open(path.name, flags | _NEVER_WAIT & ~os.O_NONBLOCK, mode, dir_fd=folder)
    os.fchmod(descriptor, mode)
    return descriptor


def rename_in(folder: int, source: Path, target: Path) -> None:
    """Do as `rename` does, with two files of the open folder `folder`."""
    _seen("rename", source, target)
    os.rename(source.name, target.name, src_dir_fd=folder, dst_dir_fd=folder)


def unlink_in(folder: int, path: Path) -> None:
    """Do as `unlink` does, with a file of the open folder `folder`."""
    _seen("unlink", path)
    with suppress(FileNotFoundError):
        os.unlink(path.name, dir_fd=folder)


def make_in(folder: int, path: Path, mode: int) -> None:
    """Make the folder `path` in the open folder `folder`, durably; no error if something is there."""
    _seen("mkdir", path)
    with suppress(FileExistsError):
        os.mkdir(path.name, mode, dir_fd=folder)
        os.chmod(path.name, mode, dir_fd=folder)
        os.fsync(folder)


def rmdir(path: Path) -> None:
    _seen("rmdir", path)
    path.rmdir()


def chmod(path: Path, mode: int) -> None:
    _seen("chmod", path, mode)
    path.chmod(mode, follow_symlinks=False)
