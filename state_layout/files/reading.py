"""Read a file that a person may have put there: only a regular file, never too much of it, never for ever.

A symbolic link, a pipe, a device or a folder in the place of a spec file gets a text that says so. Opening a
pipe would wait for its writer, so everything is opened without blocking and looked at first.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from state_layout.errors import StorageError, storage_error
from state_layout.files import disk

LARGEST_SPEC_BYTES = 1 << 20
LARGEST_RECORD_BYTES = 1 << 28
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_FIRST_BYTES, _CHUNK_BYTES = 1 << 12, 1 << 22  # memory for a small file is not asked of the system


class Unreadable(Exception):
    """The path is no file that can be read; the text says why and what to do, who catches it adds the
    path."""


class FileVersion(NamedTuple):
    """A version differs from that of a file that was replaced or written to since."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileVersion:
        return cls(
            inode=found.st_ino, size=found.st_size, mtime_ns=found.st_mtime_ns, ctime_ns=found.st_ctime_ns
        )


def read_regular(
    path: Path | str, *, most_bytes: int = LARGEST_SPEC_BYTES, through_links: bool = False
) -> tuple[bytes, FileVersion]:
    """Return the bytes of the regular file `path` and their version, taken before they were read.

    Raises FileNotFoundError, and Unreadable for everything else.
    """
    descriptor = _open(path, through_links=through_links)
    try:
        found = os.fstat(descriptor)
        _refuse_others(found, most_bytes)
        return _read(descriptor, most_bytes, known_bytes=found.st_size), FileVersion.of(found)
    except OSError as cause:
        raise Unreadable(f"cannot be read: {cause.strerror}") from cause
    finally:
        os.close(descriptor)


def read_record(path: Path) -> bytes:
    """Return the bytes of a file that a process of ours wrote whole. Never waits.

    Raises OSError: it is missing, larger than any record, no regular file, or may not be read.
    """
    descriptor = disk.create(path, os.O_RDONLY, 0)
    try:
        return _read(descriptor, LARGEST_RECORD_BYTES)
    except Unreadable as cause:
        raise OSError(errno.EFBIG, str(cause)) from cause
    finally:
        os.close(descriptor)


def opened_record(path: Path) -> BinaryIO:
    """Open a file of the tree to read parts of it. Never waits; raises OSError as `read_record`."""
    return os.fdopen(disk.create(path, os.O_RDONLY, 0), "rb")


def read_foreign(path: Path) -> bytes:
    """Return the bytes of a file that another program keeps, as git its refs: links are followed.

    Never waits. Raises OSError as `read_record`.
    """
    try:
        return read_regular(path, most_bytes=LARGEST_RECORD_BYTES, through_links=True)[0]
    except Unreadable as cause:
        raise OSError(errno.EINVAL, str(cause)) from cause


def is_file(path: Path) -> bool:
    """A file is at `path`, links followed. Never raises: names may be too long or folders closed."""
    return _mode(path, stat.S_ISREG)


def is_folder(path: Path) -> bool:
    """A folder is at `path`, links followed. Never raises."""
    return _mode(path, stat.S_ISDIR)


def is_there(path: Path) -> bool:
    """Something is at `path`, be it a link that leads nowhere. Never raises."""
    return os.path.lexists(path) if "\0" not in str(path) else False


def refuse_unseen(path: Path) -> None:
    """Raise StorageError if nobody can tell whether something is at `path`: a folder around it is closed to
    this user, or a disk does not answer."""
    try:
        path.stat()
    except ValueError:
        return
    except OSError as cause:
        if cause.errno in _NOTHING_THERE:
            return
        closed = next((folder for folder in path.parents if is_folder(folder)), path)
        if not isinstance(cause, PermissionError) or closed == path:
            raise storage_error("look at it", path, cause) from cause
        raise StorageError(
            f"{path}: cannot look at it: {cause.strerror}; {closed} may not be entered by this user: "
            "change its owner or mode, or act as its owner"
        ) from cause


def real(path: Path | str) -> Path:
    """Make `path` absolute, links and a leading `~` resolved as far as they can be. Never raises."""
    try:
        path = Path(path).expanduser()
    except RuntimeError:  # ~somebody who is not known here: a name like any other
        path = Path(path)
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # a zero character: no file has it, whoever opens it is told
        return path.absolute()


def _mode(path: Path, test: Callable[[int], bool]) -> bool:
    try:
        return test(os.stat(path).st_mode)  # noqa: PTH116 - asked before each write: half the cost
    except (OSError, ValueError):
        return False


def _open(path: Path | str, *, through_links: bool) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags if through_links else flags | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError) as cause:
        raise FileNotFoundError(str(path)) from cause
    except OSError as cause:
        if cause.errno == errno.ELOOP and not through_links:
            raise Unreadable("is a symbolic link; put the file itself there") from cause
        if cause.errno == errno.ENXIO:
            raise Unreadable("is a socket; put a regular file there") from cause
        if isinstance(cause, PermissionError):
            raise Unreadable("may not be read by this user; change its owner or mode") from cause
        raise Unreadable(f"cannot be opened: {cause.strerror}; put a regular file there") from cause


_OTHERS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _refuse_others(found: os.stat_result, most_bytes: int) -> None:
    for test, word in () if stat.S_ISREG(found.st_mode) else _OTHERS:
        if test(found.st_mode):
            raise Unreadable(f"is {word}; put a regular file there")
    if found.st_size > most_bytes:
        raise Unreadable(f"has {found.st_size} bytes; keep it below {most_bytes}")


def _read(descriptor: int, most_bytes: int, *, known_bytes: int = -1) -> bytes:
    """Read all that is there; no look for more than `known_bytes`, the size of the version that counts."""
    parts, total, size = list[bytes](), 0, _FIRST_BYTES
    while part := os.read(descriptor, min(size, most_bytes + 1 - total)):
        parts.append(part)
        total += len(part)
        size = size if len(part) < size else _CHUNK_BYTES
        if total > most_bytes:
            raise Unreadable(f"has more than {most_bytes} bytes; make it smaller")
        if total == known_bytes:
            break
    return b"".join(parts)
