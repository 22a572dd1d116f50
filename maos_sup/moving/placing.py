"""Put a tree in its place: made in a scratch folder beside it, checked, renamed; nothing is ever replaced."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from state_layout.check import Severity, check
from state_layout.errors import BadInput, Damaged, Locked, StorageError, StorageFull
from state_layout.files import atomic
from state_layout.files.locks import alone_in
from state_layout.files.reading import is_there
from state_layout.paths import Tree

_SPARE_BYTES = 1 << 24  # of the disk, left free


@contextmanager
def scratch_beside(root: Path, size_bytes: int) -> Iterator[Path]:
    """A folder on the disk of `root`, which has room for `size_bytes`; its name begins with a dot.

    What was killed left one: it goes first. Folders above `root` that are made for it go again if `root` does
    not come to be.
    """
    made = [folder for folder in root.parents if not is_there(folder)]
    atomic.make_folder(root.parent)
    try:
        with _scratch(root, size_bytes) as folder:
            yield folder
    finally:
        for folder in made:
            with suppress(OSError):  # it holds something by now
                folder.rmdir()


@contextmanager
def _scratch(root: Path, size_bytes: int) -> Iterator[Path]:
    sweep(root)
    free = shutil.disk_usage(root.parent).free
    if size_bytes + _SPARE_BYTES > free:
        raise StorageFull(
            f"{root}: needs {size_bytes + _SPARE_BYTES} bytes and {free} are free; free some space"
        )
    with scratch_for(root) as folder:
        yield folder


@contextmanager
def scratch_for(target: Path) -> Iterator[Path]:
    """Make a folder beside `target`, for this process alone: locked, so that others know that it lives."""
    folder = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
    try:
        with ExitStack() as stack:
            with suppress(StorageError):  # a file system without locks: nobody sweeps there, either
                stack.enter_context(alone_in(folder, busy=f"{target}: another process swept it; repeat"))
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(target: Path) -> None:
    """Remove what processes that were killed left beside `target`: nobody holds it."""
    form = re.compile(re.escape(_prefix(target)) + r"[a-z0-9_]{8}")
    for entry in os.scandir(target.parent):
        if form.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            with suppress(Locked, StorageError), alone_in(Path(entry.path), busy="it lives"):
                shutil.rmtree(entry.path, ignore_errors=True)


def _prefix(target: Path) -> str:
    return f".{target.name[:64]}.tmp-"


def checked(tree: Tree, holder: str, *, may_be_damaged: bool) -> tuple[str, ...]:
    """List what `check` notes of `tree`, which came out of a `holder`. Raises Damaged for a problem."""
    problems = check(tree)
    bad = [str(problem) for problem in problems if problem.severity is Severity.PROBLEM]
    if bad and not may_be_damaged:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise Damaged(f"what the {holder} holds is damaged: {bad[0]}{more}; --damaged takes it all the same")
    return tuple(map(str, problems))


def place(scratch: Path, root: Path) -> None:
    """Rename `scratch` to `root`, durably. Raises BadInput if something is there."""
    if is_there(root):
        raise BadInput(f"{root}: is there already; name another place with -o")
    scratch.rename(root)
    atomic.fsync_folder(root.parent)
