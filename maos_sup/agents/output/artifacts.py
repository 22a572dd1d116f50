"""Hands files over: what an agent names as its artifact is kept in its `artifacts/`, whole and durable.

The folder itself is reached without following links: a program may have put one in its place, and nothing is
written through links. Where the program is confined, what it names is opened beneath what it may read itself,
without a link on the way, for the agent's process may read more.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from maos_sup.agents.sandbox.beneath import opened_folder
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, disk
from state_layout.files.looking import is_dir, is_link, is_regular
from state_layout.paths import Tree

_CHUNK_BYTES = 1 << 23
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEVER = (Path("/proc"), Path("/sys"), Path("/dev"))  # what stands there is another file for each process


def _nothing() -> None:
    """Do nothing, for who need not know that it moves."""


def hand_over(
    path: str,
    *,
    tree: Tree,
    agent: str,
    near: Path,
    readable: Sequence[Path] | None = None,
    moved: Callable[[], object] = _nothing,
) -> str:
    """Keep the file `path` (relative: to `artifacts`, else to `near`); its name within `artifacts`.

    A file that lies elsewhere is copied; `moved` is called now and then meanwhile. With `readable` only what
    lies beneath one of these folders, reached without links. Raises BadInput for what is no such file,
    or where `artifacts` is no folder, StorageError.
    """
    artifacts = tree.agent(agent).artifacts
    source = _found(path, artifacts, near, is_bounded=readable is not None)
    with _opened(source, path, None if readable is None else [artifacts, *readable]) as reading:
        if source.is_relative_to(artifacts):
            return str(source.relative_to(artifacts))
        _copy(reading, source, artifacts, tree=tree, moved=moved)
    return source.name


def _copy(reading: int, source: Path, artifacts: Path, *, tree: Tree, moved: Callable[[], object]) -> None:
    target, temporary = artifacts / source.name, artifacts / f".{source.name}.tmp-{os.urandom(4).hex()}"
    with _opened_artifacts(tree, artifacts) as folder:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(disk.create_in(folder, temporary, flags, atomic.FILE_MODE), "wb") as writing:
                while chunk := os.read(reading, _CHUNK_BYTES):
                    writing.write(chunk)
                    moved()
                os.fchmod(writing.fileno(), stat.S_IMODE(os.fstat(reading).st_mode))
                writing.flush()
                disk.fsync(writing.fileno())
            disk.rename_in(folder, temporary, target)
            disk.fsync(folder)
        except OSError as cause:
            disk.unlink_in(folder, temporary)
            raise storage_error("copy to the artifacts", source, cause) from cause


@contextmanager
def _opened_artifacts(tree: Tree, artifacts: Path) -> Iterator[int]:
    """A descriptor of the folder, made if it is missing. Raises BadInput for a link, StorageError."""
    parts = artifacts.relative_to(tree.root).parts
    try:
        with opened_folder(tree.root, parts[:-1]) as above:
            disk.make_in(above, artifacts, atomic.FOLDER_MODE)
        with opened_folder(tree.root, parts) as folder:
            yield folder
    except NotADirectoryError as cause:
        raise _misplaced(artifacts, tree) from cause
    except OSError as cause:
        if cause.errno == errno.ELOOP:
            raise _misplaced(artifacts, tree) from cause
        raise storage_error("open", artifacts, cause) from cause


def _misplaced(artifacts: Path, tree: Tree) -> BadInput:
    return BadInput(
        f"{artifacts.relative_to(tree.root)}: is a link or no folder; put the folder itself there "
        "(nothing is written through links, they may lead out of the tree)"
    )


@contextmanager
def _opened(source: Path, told: str, readable: Sequence[Path] | None) -> Iterator[int]:
    """Open a descriptor of the regular file `source`. Raises BadInput."""
    try:
        descriptor = os.open(source, _OPEN) if readable is None else _open_beneath(source, told, readable)
    except OSError as cause:
        raise BadInput(f"artifact {told!r} cannot be read: {cause.strerror or cause}") from cause
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadInput(f"artifact {told!r} is no regular file; hand over the file itself")
        yield descriptor
    finally:
        os.close(descriptor)


def _open_beneath(source: Path, told: str, readable: Sequence[Path]) -> int:
    """Open `source` beneath the innermost of `readable`. Raises OSError for links, BadInput for elsewhere."""
    folders = [folder for folder in readable if source.is_relative_to(folder)]
    if not folders or any(source.is_relative_to(place) for place in _NEVER):
        raise BadInput(f"artifact {told!r} lies outside of what this agent's programs may read")
    folder = max(folders, key=lambda folder: len(folder.parts))
    if source == folder:
        return os.open(source, _OPEN | os.O_NOFOLLOW)
    parts = source.relative_to(folder).parts
    with opened_folder(folder, parts[:-1]) as parent:
        return os.open(parts[-1], _OPEN | os.O_NOFOLLOW, dir_fd=parent)


def _found(path: str, artifacts: Path, near: Path, *, is_bounded: bool) -> Path:
    if "\0" in path:
        raise BadInput("an artifact's path holds a zero character")
    for folder in (artifacts, near):
        candidate = Path(os.path.normpath(folder / path))
        if is_bounded and is_link(candidate):
            raise BadInput(f"artifact {path!r} is a link; hand over the file itself")
        if is_regular(candidate):
            return candidate
    what = "is a folder; name the files in it" if is_dir(near / path) else "is not there"
    raise BadInput(f"artifact {path!r} {what} (looked in artifacts/ and in {near.name}/)")
