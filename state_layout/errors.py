"""Says what can go wrong with a tree, as types; each carries the text a person is shown.

Foreign errors (OSError, decoding errors, lock timeouts) are translated into these at the doors
(`atomic`, `journal`, `codec`, `locks`), always with `raise ... from`. Every text names what failed,
on which path, why, and what to do.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_REMEDIES = {
    errno.EROFS: "mount it for writing, or copy the tree to where you may write",
    errno.EACCES: "change its owner or mode, or act as its owner",
    errno.EPERM: "change its owner or mode, or act as its owner",
    errno.ENOTDIR: "something else stands in the place of a folder; name another place",
    errno.EEXIST: "something else stands there; name another place",
    errno.ENAMETOOLONG: "take a shorter path",
    errno.ELOOP: "links lead in a circle; name another place",
    errno.EIO: "look at the disk",
}


class LayoutError(Exception):
    """All errors of this package are of this class; `exit_code` is what the command line returns for it."""

    exit_code = 1


class NotATree(LayoutError):
    """The directory is no orchestration, or one of a newer format."""

    exit_code = 10


class Lost(LayoutError):
    """A compare-and-set came too late: somebody else changed the value. The text says who, and what it is."""

    exit_code = 4


class Locked(LayoutError):
    """Somebody else holds the lock."""

    exit_code = 11


class Damaged(LayoutError):
    """A recorded file is corrupt below what was known to be synced. Never guessed around."""

    exit_code = 12


class BadInput(LayoutError):
    """Plans, spec files, names or values that a person can mend; `problems` has one text each."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StorageError(LayoutError):
    """A write or sync failed; the file it happened on is not written again by this process."""


class StorageFull(StorageError):
    """There is no space (ENOSPC, EDQUOT): wait for room, then go on."""


def reason_of(cause: Exception) -> str:
    """Say what `cause` says, without the number that an OSError begins with."""
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause)


def storage_error(action: str, path: Path, cause: OSError) -> StorageError:
    """Translate `cause` met while doing `action` on `path`."""
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(
            f"{path}: cannot {action}: no space left; free some (agents then go on by themselves)"
        )
    is_of_system = cause.errno is not None and cause.strerror == os.strerror(cause.errno)
    remedy = _REMEDIES.get(cause.errno or 0) if is_of_system else None  # whoever says why says what to do
    return StorageError(f"{path}: cannot {action}: {reason_of(cause)}{f'; {remedy}' if remedy else ''}")
