"""Copy a tree, living or not, file by file: what may vanish may vanish, what is bound to the host stays.

The copy is no snapshot; whoever uses it brings it to one moment first (`cuts.copies`, or a rewind in it).
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, disk
from state_layout.files.looking import is_dir, is_link, is_regular
from state_layout.files.reading import is_there
from state_layout.paths import Tree

HOST_BOUND = frozenset({"run"})
_LAST = "FORMAT"


def copy_tree(
    tree: Tree, root: Path, *, without: frozenset[str] = frozenset(), is_durable: bool = True
) -> Tree:
    """Copy `tree` to `root` but for what belongs to this host and the top folders in `without`.

    Without `FORMAT`, which whoever finishes the copy writes last of all: one that was cut off is no tree.
    Durable when it returns if `is_durable`. Raises BadInput if `root` is there and not empty, StorageError.
    """
    if is_there(root) and (not is_dir(root) or any(root.iterdir())):
        is_half = is_dir(root / "spec") and not is_there(root / _LAST)
        left = "holds a copy that was cut off; remove it (rm -r) and say it again, or" if is_half else None
        raise BadInput(f"{root}: {left or 'is not empty;'} name a new or empty folder")
    try:
        atomic.make_folder(root)
        disk.chmod(root, atomic.FOLDER_MODE)
        for entry in sorted(os.scandir(tree.root), key=lambda entry: entry.name):
            if entry.name not in HOST_BOUND | without and entry.name != _LAST:
                _copy(Path(entry.path), root / entry.name)
        for name in ("run", *sorted(without)):
            atomic.make_folder(root / name)
        if is_durable:
            os.sync()
    except OSError as cause:
        raise storage_error("copy to", root, cause) from cause
    return Tree(root)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, a link or a folder; pipes, sockets and devices are nobody's records."""
    if is_link(source):
        with suppress(FileNotFoundError):
            target.symlink_to(source.readlink())
    elif is_dir(source):
        target.mkdir(mode=atomic.FOLDER_MODE, exist_ok=True)
        with suppress(FileNotFoundError):
            for inner in sorted(source.iterdir()):
                if not atomic.is_temporary(inner.name):
                    _copy(inner, target / inner.name)
        with suppress(OSError):
            shutil.copystat(source, target)
    elif is_regular(source):
        with suppress(FileNotFoundError):
            shutil.copy2(source, target)
