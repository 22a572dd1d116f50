"""Opens files beneath a folder so that no link, wherever it points and whenever it is laid, leads out of it.

Each part of a path is opened relative to the one before without following links. A link within the folder
is an error too: what the model names is what it gets.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from state_layout.errors import BadInput
from state_layout.files import disk

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE, _FOLDER_MODE = 0o666, 0o777  # as the umask has it: these are the user's files


def relative_to_one(path: str, folders: tuple[Path, ...]) -> tuple[Path, PurePath]:
    """Find which of `folders` (absolute) `path` lies in, and where; relative paths begin in the first.

    Raises BadInput for a path out of all of them.
    """
    whole = Path(os.path.normpath(folders[0] / path))
    for folder in folders:
        if whole.is_relative_to(folder):
            return folder, whole.relative_to(folder)
    raise BadInput(f"{path}: is outside of what you may use; stay in the current folder")


@contextmanager
def opened_folder(folder: Path, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """Open a descriptor of the folder at `parts` beneath `folder`; `make` creates what is missing.

    Raises OSError (ELOOP or ENOTDIR for a link on the way).
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            if make:
                _make(part, descriptor)
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def read_beneath(folder: Path, path: PurePath, *, most_bytes: int) -> bytes:
    """Read the content of a regular file, at most `most_bytes` of it. Raises OSError."""
    with opened_folder(folder, path.parts[:-1]) as parent:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path.name, flags, dir_fd=parent)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(most_bytes)


def write_beneath(folder: Path, path: PurePath, data: bytes) -> None:
    """Replace the file, or create it and the folders above it; atomic, mode kept. Raises OSError."""
    with opened_folder(folder, path.parts[:-1], make=True) as parent:
        temporary = f".{path.name[:200]}.tmp-{os.urandom(4).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, _mode_of(path.name, parent), dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                disk.fsync(file.fileno())
            os.rename(temporary, path.name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(temporary, dir_fd=parent)
            raise


def _mode_of(name: str, parent: int) -> int:
    """The mode a new version of `name` gets. Raises OSError for what is no regular file."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return _FILE_MODE
    if not stat.S_ISREG(found.st_mode):
        raise IsADirectoryError(name)
    return found.st_mode & 0o777


def _make(name: str, parent: int) -> None:
    try:
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
    except FileExistsError:
        return
