"""Says how a linked worktree and its folder in the repository name each other. Only reads.

A worktree's `.git` file names the folder, and the folder's `gitdir` that file. Only where both agree does the
worktree whole: that of a copy of a tree names the folder of the original, which does not name it.
"""

from __future__ import annotations

import os
from pathlib import Path

from state_layout.files.reading import read_foreign
from state_layout.paths import AgentPaths


def entry_of(paths: AgentPaths) -> Path:
    """Name the `.git` file of the agent's worktree, without links on the way."""
    return Path(os.path.realpath(paths.worktree)) / ".git"


def named_by(admin: Path) -> Path | None:
    """The `.git` file that the folder `admin` in the repository is for, None if there is no such folder."""
    try:
        told = Path(os.fsdecode(read_foreign(admin / "gitdir")).strip())
    except OSError:
        return None
    return Path(os.path.realpath(admin / told.parent)) / told.name


def is_at(entry: Path, admin: Path) -> bool:
    """The `.git` file `entry` is there and names `admin`."""
    try:
        told = os.fsdecode(read_foreign(entry)).removeprefix("gitdir:").strip()
    except OSError:
        return False
    return os.path.realpath(entry.parent / told) == os.path.realpath(admin)


def is_linked(paths: AgentPaths, admin: Path) -> bool:
    """The folder `admin` is that of the agent's worktree, whatever lies there in place of its `.git`."""
    return named_by(admin) == entry_of(paths)
