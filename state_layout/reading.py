"""Read a file that a person may have put there: only a regular file, never too much of it, never for ever.

A symbolic link, a pipe, a device or a folder in the place of a spec file gets a text that says so. Opening a
pipe would wait for its writer, so everything is opened without blocking and looked at first.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

LARGEST_SPEC_BYTES = 1 << 20


class Unreadable(Exception):
    """Not a file that can be read; the text says why and what to do, the path is added by who catches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which version of a file was read: differs when it was replaced or written to."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Version:
        return cls(
            inode=found.st_ino, size=found.st_size, mtime_ns=found.st_mtime_ns, ctime_ns=found.st_ctime_ns
        )


def read_regular(
    path: Path, *, most_bytes: int = LARGEST_SPEC_BYTES, through_links: bool = False
) -> tuple[bytes, Version]:
    """Return the bytes of the regular file `path` and their version, taken before they were read.

    Raises FileNotFoundError, and Unreadable for everything else.
    """
    descriptor = _open(path, through_links=through_links)
    try:
        found = os.fstat(descriptor)
        _refuse_others(found, most_bytes)
        return _read(descriptor, most_bytes), Version.of(found)
    except OSError as cause:
        raise Unreadable(f"cannot be read: {cause.strerror}") from cause
    finally:
        os.close(descriptor)


def _open(path: Path, *, through_links: bool) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags if through_links else flags | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError) as cause:
        raise FileNotFoundError(str(path)) from cause
    except OSError as cause:
        if path.is_symlink():
            raise Unreadable("is a symbolic link; put the file itself there") from cause
        if isinstance(cause, PermissionError):
            raise Unreadable("may not be read by this user; change its owner or mode") from cause
        raise Unreadable(f"cannot be opened: {cause.strerror}; put a regular file there") from cause


def _refuse_others(found: os.stat_result, most_bytes: int) -> None:
    for test, word in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(found.st_mode):
            raise Unreadable(f"is {word}; put a regular file there")
    if found.st_size > most_bytes:
        raise Unreadable(f"has {found.st_size} bytes; keep it below {most_bytes}")


def _read(descriptor: int, most_bytes: int) -> bytes:
    parts, total = list[bytes](), 0
    while part := os.read(descriptor, most_bytes + 1 - total):
        parts.append(part)
        total += len(part)
        if total > most_bytes:
            raise Unreadable(f"has more than {most_bytes} bytes; make it smaller")
    return b"".join(parts)
