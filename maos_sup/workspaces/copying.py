"""Copies a folder whole, for one agent alone: files, links, modes, times, empty folders; never a hard link.

Blocks are shared with the original where the file system can do that (a reflink), so a copy costs little and
what is written in it is not seen in the other. Links are copied as links; nothing outside is followed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from state_layout.errors import BadInput
from state_layout.files.looking import is_link
from state_layout.host.kernel import is_linux

_FICLONE = 0x40049409  # of Linux: have one file share the blocks of another
_NEVER = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PASSING = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP})
MIB = 1 << 20


class TooLarge(BadInput):
    """The folder holds more than may be copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """Tells what a copy holds, and what was `left` out of it: paths, relative."""

    files: int
    size_bytes: int
    left: tuple[str, ...] = ()


def measure(source: Path, *, limit_mib: int, without: Collection[Path] = ()) -> int:
    """Add up the bytes of the files in `source`, the folders `without` aside. Raises TooLarge."""
    total = 0
    for root, _, names in _walk(source, without):
        for name in names:
            with suppress(OSError):
                total += (root / name).lstat().st_size
        if total > limit_mib * MIB:
            raise TooLarge(
                f"{source}: holds more than {limit_mib} MiB, and each agent would get a copy; raise "
                "'copy_limit_mib', or give the agents workspace = 'shared'"
            )
    return total


def copy_folder(source: Path, target: Path, *, limit_mib: int, without: Collection[Path] = ()) -> Copied:
    """Copy what lies in `source` into the empty folder `target`. Not durable. Raises OSError, TooLarge."""
    files, size, left, folders = 0, 0, list[str](), list[tuple[Path, os.stat_result]]()

    def unread(cause: OSError) -> None:
        left.append(str(Path(cause.filename).relative_to(source)))

    for root, inner, names in _walk(source, without, unread):
        here = target / root.relative_to(source)
        folders.append((here, root.lstat()))
        here.mkdir(mode=0o700, exist_ok=True)
        for name in [*names, *(name for name in inner if is_link(root / name))]:
            copied = _copy(root / name, here / name)
            if copied is None:
                left.append(str((root / name).relative_to(source)))
            else:
                files, size = files + 1, size + copied
            if size > limit_mib * MIB:
                measure(source, limit_mib=limit_mib, without=without)
    for folder, at in reversed(folders):  # what lies in one changes its time
        folder.chmod(stat.S_IMODE(at.st_mode))
        os.utime(folder, ns=(at.st_mtime_ns, at.st_mtime_ns))
    return Copied(files=files, size_bytes=size, left=tuple(left))


def _walk(
    source: Path, without: Collection[Path], unread: Callable[[OSError], object] | None = None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield every folder, its folders and its other entries, but for those `without`; links are not
    entered.

    `unread` hears of folders that cannot be listed.
    """
    for root, folders, names in os.walk(source, onerror=unread):
        folders[:] = sorted(name for name in folders if Path(root, name) not in without)
        yield Path(root), folders, sorted(names)


def _copy(source: Path, target: Path) -> int | None:
    """Copy one file or link; its size. None for what cannot be copied: a device, a pipe, no permission."""
    try:
        at = source.lstat()
        if stat.S_ISLNK(at.st_mode):
            target.symlink_to(source.readlink())
            os.utime(target, ns=(at.st_mtime_ns, at.st_mtime_ns), follow_symlinks=False)
            return at.st_size
        if not stat.S_ISREG(at.st_mode):
            return None
        reading = os.open(source, os.O_RDONLY | _NEVER)
    except OSError as cause:
        if cause.errno in _PASSING:
            return None
        raise
    with os.fdopen(reading, "rb") as original:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(writing, "wb") as copy:
            if not _is_reflinked(reading, writing):
                shutil.copyfileobj(original, copy, MIB)
                copy.flush()
            os.fchmod(writing, stat.S_IMODE(at.st_mode))
            os.utime(writing, ns=(at.st_mtime_ns, at.st_mtime_ns))
    return at.st_size


def _is_reflinked(reading: int, writing: int) -> bool:
    if not is_linux():
        return False
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError:
        return False
    return True
