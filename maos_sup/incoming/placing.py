"""Where a new orchestration is made: in a scratch folder beside its place, checked, then renamed into it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from state_layout.check import Severity, check
from state_layout.errors import BadInput, Damaged, storage_error
from state_layout.files import atomic
from state_layout.files.reading import is_there
from state_layout.paths import Tree


def placed(root: Path, make: Callable[[Path], Tree], *, is_dry: bool = False) -> Tree:
    """The tree that `make` makes in the folder that it is given, at `root`, where nothing may be; durable.

    Whatever stops it, nothing is at `root`. With `is_dry` it is made and checked, and not placed. Raises
    BadInput if something is there, Damaged for a tree in which `check` finds a problem, StorageError.
    """
    _refuse_taken(root)
    try:
        atomic.make_folder(root.parent)
        scratch = Path(tempfile.mkdtemp(prefix=f".{root.name[:64]}.tmp-", dir=root.parent))
        try:
            tree = make(scratch / "tree")
            _refuse_problems(tree)
            if not is_dry:
                os.sync()
                _refuse_taken(root)
                tree.root.rename(root)
                atomic.fsync_folder(root.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as cause:
        raise storage_error("import", root, cause) from cause
    return Tree(root)


def _refuse_taken(root: Path) -> None:
    if is_there(root):
        raise BadInput(f"{root}: is there already; name another place with -o, or remove it: maos-sup rm")


def _refuse_problems(tree: Tree) -> None:
    bad = [str(problem) for problem in check(tree) if problem.severity is Severity.PROBLEM]
    if bad:
        raise Damaged(f"what was imported is not in form: {bad[0]}; nothing was placed, please report it")
