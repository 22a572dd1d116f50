"""Says where a new orchestration is made: in a scratch folder beside its place, checked, then renamed into
it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from state_layout.check import Severity, check
from state_layout.errors import BadInput, Damaged, Locked, StorageError, storage_error
from state_layout.files import atomic
from state_layout.files.locks import take_life_lock
from state_layout.files.reading import is_there
from state_layout.paths import Tree

_LONGEST_NAME = 200
_JUST_MADE = "{}: another process made it just now; look, and import again"


def placed(root: Path, make: Callable[[Path], Tree], *, is_dry: bool = False) -> Tree:
    """The tree that `make` makes in the folder that it is given, at `root`, where nothing may be; durable.

    Whatever stops it, nothing is at `root`. With `is_dry` it is made and checked, and not placed. Raises
    BadInput if something is there, Damaged for a tree in which `check` finds a problem, Locked while another
    process makes it, StorageError.
    """
    _refuse_taken(root)
    try:
        atomic.make_folder(root.parent)
        with _scratch_beside(root) as scratch:
            tree = make(scratch / "tree")
            _refuse_problems(tree)
            if not is_dry:
                os.sync()
                _refuse_taken(root)
                tree.root.rename(root)
                atomic.fsync_folder(root.parent)
    except OSError as cause:
        raise storage_error("import", root, cause) from cause
    return Tree(root)


@contextmanager
def _scratch_beside(root: Path) -> Iterator[Path]:
    """Make an empty folder for making `root` in, this process's alone; what a killed one left in it goes
    first."""
    scratch = root.with_name(f".{root.name[:_LONGEST_NAME]}.tmp-import")
    try:
        lock = take_life_lock(scratch / "lock")
    except Locked as cause:
        raise Locked(f"{root}: another process is making it; wait for that one") from cause
    except StorageError as cause:
        if is_there(scratch):
            raise
        raise Locked(_JUST_MADE.format(root)) from cause
    try:
        if not is_there(scratch / "lock"):
            raise Locked(_JUST_MADE.format(root))
        if is_there(scratch / "tree"):
            shutil.rmtree(scratch / "tree")
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        lock.release()


def _refuse_taken(root: Path) -> None:
    if is_there(root):
        raise BadInput(f"{root}: is there already; name another place with -o, or remove it: maos-sup rm")


def _refuse_problems(tree: Tree) -> None:
    bad = [str(problem) for problem in check(tree) if problem.severity is Severity.PROBLEM]
    if bad:
        raise Damaged(f"what was imported is not in form: {bad[0]}; nothing was placed, please report it")
