"""Hands files over: what an agent names as its artifact is kept in its `artifacts/`, whole and durable."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, disk

_CHUNK_BYTES = 1 << 23


def _nothing() -> None:
    """For who need not know that it moves."""


def hand_over(path: str, *, artifacts: Path, near: Path, moved: Callable[[], object] = _nothing) -> str:
    """Keep the file `path` (relative: to `artifacts`, else to `near`); its name within `artifacts`.

    A file that lies elsewhere is copied; `moved` is called now and then meanwhile. Raises BadInput for what
    is no file, StorageError.
    """
    source = _found(path, artifacts, near)
    if source.is_relative_to(artifacts):
        return str(source.relative_to(artifacts))
    target = artifacts / source.name
    temporary = artifacts / f".{source.name}.tmp-{os.urandom(4).hex()}"
    try:
        atomic.make_folder(artifacts)
        with source.open("rb") as reading, temporary.open("xb") as writing:
            while chunk := reading.read(_CHUNK_BYTES):
                writing.write(chunk)
                moved()
        temporary.chmod(stat.S_IMODE(source.stat().st_mode))
        with atomic.opened(temporary, os.O_RDONLY) as descriptor:
            disk.fsync(descriptor)
        disk.rename(temporary, target)
    except OSError as cause:
        disk.unlink(temporary)
        raise storage_error("copy to the artifacts", source, cause) from cause
    atomic.fsync_folder(artifacts)
    return target.name


def _found(path: str, artifacts: Path, near: Path) -> Path:
    if "\0" in path:
        raise BadInput("an artifact's path holds a zero character")
    for folder in (artifacts, near):
        candidate = Path(os.path.normpath(folder / path))
        if candidate.is_file():
            return candidate
    what = "is a folder; name the files in it" if (near / path).is_dir() else "is not there"
    raise BadInput(f"artifact {path!r} {what} (looked in artifacts/ and in {near.name}/)")
