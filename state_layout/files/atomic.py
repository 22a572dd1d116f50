"""Replace, refresh, create once, make folders: every whole-file write passes here.

`replace` is durable when it returns; `refresh` is atomic but not durable (for snapshots that can be made
anew from a journal: a replace costs up to two milliseconds where the disk trims). Both leave either the
old or the new file, never a mixture. Rename without a folder fsync was seen to bring back the old version
after a power cut, rename without a file fsync an empty one: hence the order in `replace`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from state_layout.errors import StorageError, storage_error
from state_layout.files import disk
from state_layout.files.at_once import at_once
from state_layout.files.fence import refuse_ghost
from state_layout.files.reading import is_folder

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def replace(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, durably. Raises StorageError; then the old or the new file stands, whole."""
    _swap(path, data, disk.fsync)
    fsync_folder(path.parent)


def replace_all(contents: Mapping[Path, bytes]) -> None:
    """Replace each path by its data, all durable at the end: one sync of each folder, not one a file.

    Their folders must be there. Raises StorageError; then some files may be new and others old, each whole.
    """
    temporaries = {path: _temporary(path) for path in contents}
    try:
        _write_files(contents, temporaries)
        for path in contents:
            try:
                disk.rename(temporaries.pop(path), path)
            except OSError as cause:
                raise storage_error("replace", path, cause) from cause
    except StorageError:
        for temporary in temporaries.values():
            _remove(temporary)
        raise
    for folder in {path.parent: None for path in contents}:
        fsync_folder(folder)


def refresh(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically, not durably. Raises StorageError; then the old file stands."""
    _swap(path, data, _no_sync)


def replace_if(path: Path, data: bytes, still: Callable[[], bool]) -> bool:
    """Replace `path` by `data`, durably, if `still()` holds just before the rename; whether it did.

    For files that people edit too. Raises StorageError; then the old file stands.
    """

    def sync_and_look(descriptor: int) -> None:
        disk.fsync(descriptor)
        if not still():
            raise _NoLongerError

    try:
        _swap(path, data, sync_and_look)
    except _NoLongerError:
        return False
    fsync_folder(path.parent)
    return True


def create_once(path: Path, data: bytes) -> bool:
    """Create `path` whole and durable unless it exists; whether this call created it.

    A reader never sees a part of it: the file is written aside and linked into place. Raises StorageError.
    """
    temporary = _temporary(path)
    try:
        _write_file(temporary, data)
        is_new = _linked(temporary, path)
        fsync_folder(path.parent)  # also if it was there: its maker may have died before it did this
        return is_new
    except OSError as cause:
        raise storage_error("create", path, cause) from cause
    finally:
        _remove(temporary)


def create_all_once(contents: Mapping[Path, bytes]) -> None:
    """Create each path as `create_once` does, all durable at the end, with one sync of each folder.

    Their folders must be there. Raises StorageError; then some may be there, each whole.
    """
    temporaries = {path: _temporary(path) for path in contents}
    try:
        _write_files(contents, temporaries)
        for path, temporary in temporaries.items():
            try:
                _linked(temporary, path)
            except OSError as cause:
                raise storage_error("create", path, cause) from cause
        for folder in {path.parent: None for path in contents}:
            fsync_folder(folder)
    finally:
        for temporary in temporaries.values():
            _remove(temporary)


def make_folder(path: Path) -> None:
    """Create folder `path` and its parents, each durable; no error if it exists. Raises StorageError."""
    if is_folder(path):
        return
    refuse_ghost(path)
    make_folder(path.parent)
    try:
        disk.mkdir(path, FOLDER_MODE)
    except OSError as cause:
        if not is_folder(path):  # nobody else made it just now
            raise storage_error("create folder", path, cause) from cause
    fsync_folder(path.parent)


def fsync_folder(path: Path) -> None:
    """Make the names in folder `path` durable. Raises StorageError."""
    try:
        with opened(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
            disk.fsync(descriptor)
    except OSError as cause:
        raise storage_error("sync folder", path, cause) from cause


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, going on after short writes. Raises OSError."""
    written = disk.write(descriptor, data)
    while written < len(data):
        written += disk.write(descriptor, data[written:])


@contextmanager
def opened(path: Path | str, flags: int) -> Iterator[int]:
    """Open a file descriptor of `path`, closed on exec, closed at the end. Raises OSError."""
    descriptor = disk.create(path, flags, FILE_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _NoLongerError(Exception):
    """A thing that `replace_if` was asked to look for no longer holds."""


def is_temporary(name: str) -> bool:
    """A replace that did not happen left `name`."""
    return name.startswith(".") and ".tmp-" in name


def _temporary(path: Path) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.tmp-{os.urandom(4).hex()}")  # noqa: PTH118 - a Path costs thrice


def _write_file(path: str, data: bytes) -> None:
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        write_all(descriptor, data)
        disk.fsync(descriptor)


def _write_files(contents: Mapping[Path, bytes], temporaries: Mapping[Path, str]) -> None:
    """Write each of `contents` aside, synced: several at a time. Raises StorageError."""

    def write(path: Path, data: bytes) -> None:
        try:
            _write_file(temporaries[path], data)
        except OSError as cause:
            raise storage_error("write", path, cause) from cause

    at_once(partial(write, path, data) for path, data in contents.items())


def _linked(temporary: str, path: Path) -> bool:
    try:
        disk.link(temporary, path)
    except FileExistsError:
        return False
    return True


def _no_sync(descriptor: int) -> None:
    """Sync nothing, for snapshots that need none."""


def _swap(path: Path, data: bytes, sync: Callable[[int], None]) -> None:
    temporary = _temporary(path)
    try:
        with opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            write_all(descriptor, data)
            sync(descriptor)
        disk.rename(temporary, path)
    except OSError as cause:
        _remove(temporary)
        raise storage_error("replace", path, cause) from cause
    except _NoLongerError:
        _remove(temporary)
        raise


def _remove(temporary: str) -> None:
    """Remove what a failed write left, if the disk lets us: the first error is the one to report."""
    with suppress(OSError):
        disk.unlink(temporary)


def set_tail_aside(path: Path, descriptor: int, length: int) -> None:
    """Copy what follows `length` bytes into `<path>.torn-<n>`, then cut it off; both are durable.

    Raises StorageError, OSError; then the tail may be there twice, and is in no case lost.
    """
    tail = os.pread(descriptor, max(0, os.fstat(descriptor).st_size - length), length)
    if not tail:
        return
    number = 1
    while not create_once(path.with_name(f"{path.name}.torn-{number}"), tail):
        number += 1
    disk.truncate(descriptor, length)
    disk.fsync(descriptor)
