"""Put a tree in its place: made in a scratch folder beside it, checked, renamed; nothing is ever replaced."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from state_layout.check import Severity, check
from state_layout.errors import BadInput, Damaged, StorageFull
from state_layout.files import atomic
from state_layout.files.reading import is_there
from state_layout.paths import Tree

_SPARE_BYTES = 1 << 24  # of the disk, left free


@contextmanager
def scratch_beside(root: Path, size_bytes: int) -> Iterator[Path]:
    """A folder on the disk of `root`, which has room for `size_bytes`; its name begins with a dot."""
    atomic.make_folder(root.parent)
    free = shutil.disk_usage(root.parent).free
    if size_bytes + _SPARE_BYTES > free:
        raise StorageFull(f"{root}: needs {size_bytes} bytes and {free} are free; free some space")
    folder = Path(tempfile.mkdtemp(prefix=f".{root.name[:64]}.tmp-", dir=root.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def checked(tree: Tree, holder: str, *, may_be_damaged: bool) -> tuple[str, ...]:
    """What `check` notes of `tree`, which came out of a `holder`. Raises Damaged for a problem."""
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
