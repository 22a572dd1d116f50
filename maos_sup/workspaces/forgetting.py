"""Takes the worktrees of a tree that is deleted out of the repository they belong to; branches stay."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from state_layout.files.reading import read_foreign
from state_layout.paths import Tree

_MINE = "maos."


def linked_folders(tree: Tree) -> list[Path]:
    """List the folders in repositories that stand for worktrees of `tree`, and for no others."""
    found = []
    for entry in sorted(tree.agents.glob("*/worktree/.git")):
        try:
            told = os.fsdecode(read_foreign(entry)).removeprefix("gitdir:").strip()
            admin = Path(os.path.realpath(entry.parent / told))
            back = Path(os.fsdecode(read_foreign(admin / "gitdir")).strip())
        except OSError:
            continue
        is_back = os.path.realpath(back.parent) == os.path.realpath(entry.parent)
        if is_back and admin.parent.name == "worktrees" and admin.name.startswith(_MINE):
            found.append(admin)
    return found


def forget(folders: list[Path]) -> None:
    """Remove `folders`, as `git worktree prune` would; one that cannot be removed stays for it."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
