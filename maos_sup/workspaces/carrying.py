"""Takes along what git does not know and agents need, and says what a new worktree lacks.

From the user's checkout, which is only read: links are copied as links, nothing outside of it is followed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from maos_sup.workspaces.repository import Repository
from state_layout.errors import BadInput
from state_layout.files.looking import is_dir, is_link, is_regular
from state_layout.files.reading import read_foreign

LINK = "link:"


def carry(repository: Repository, target: Path, wanted: Sequence[str]) -> list[str]:
    """Copy (or, with `link:` before it, link) what `wanted` names in the project; what was not there.

    What is there already stays. Raises BadInput for a path that leads out of the project, OSError.
    """
    source = repository.top / repository.inside
    notes = []
    for text in wanted:
        pattern = text.removeprefix(LINK)
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
            raise BadInput(f"carry {text!r} leads out of the project; use a path in it")
        found = [
            path for path in sorted(source.glob(pattern)) if ".git" not in path.relative_to(source).parts
        ]
        if not found:
            notes.append(f"carry: {pattern} is not in the project")
        for path in found:
            _take(path, target / repository.inside / path.relative_to(source), as_link=text.startswith(LINK))
    return notes


def _take(source: Path, target: Path, *, as_link: bool) -> None:
    if os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if as_link:
        target.symlink_to(source)
    elif is_dir(source) and not is_link(source):
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def cautions(repository: Repository, worktree: Path) -> Iterator[str]:
    """Yield what a person should know of a worktree that was just made."""
    if is_regular(worktree / ".gitmodules"):
        yield "submodules are empty in it; where they are needed: setup = ['git submodule update --init']"
    if _names_lfs(worktree):
        yield "files of Git LFS are pointers in it; where they are needed: setup = ['git lfs pull']"
    if repository.is_shallow:
        yield "the repository is shallow: its history ends early in the worktree as well"


def _names_lfs(worktree: Path) -> bool:
    attributes = worktree / ".gitattributes"
    try:
        return not is_link(attributes) and b"filter=lfs" in read_foreign(attributes)
    except OSError:
        return False
