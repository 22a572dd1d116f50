"""Every file and folder of a tree against the catalogue: what it is, and for whose eyes.

Folders that belong to programs and people (`workspace`, `spec/files`, ...) are not entered.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from state_layout.catalogue import file_pattern, folder_pattern, free_pattern
from state_layout.check.problem import Finding
from state_layout.check.scene import Scene
from state_layout.files.atomic import is_temporary
from state_layout.paths import Tree

_OLD_S = 60.0  # a temporary this old belongs to no replace under way


class ListedPath(NamedTuple):
    """The path is something in a tree that FORMAT.md knows of, relative to the tree."""

    path: Path
    mode: int


def check_walk(scene: Scene) -> None:
    """Report what does not belong into the tree, is no file where one belongs, or is open to others."""
    wide = 0
    first: ListedPath | None = None
    is_closed = not scene.tree.root.stat().st_mode & 0o077
    for found in walk(scene):
        if found.mode & 0o077 and not (is_closed and _is_written_by_hand(scene.tree, found.path)):
            wide += 1
            first = first or found
    if first is not None:
        others = f", and {wide - 1} more" if wide > 1 else ""
        what = f"may be used by other users (mode {stat.S_IMODE(first.mode):04o}{others})"
        scene.report(Finding.READABLE_BY_OTHERS, first.path, what=what)


def _is_written_by_hand(tree: Tree, path: Path) -> bool:
    """People write the file with their own tools, and so with the mode that these give it."""
    return path.is_relative_to(tree.spec) or path.name == "operator.jsonl"


def walk(scene: Scene) -> Iterator[ListedPath]:
    """Yield the tree itself and every listed file and folder in it; report everything else on the way."""
    root = scene.tree.root
    yield ListedPath(root, root.stat().st_mode)
    stack = [""]
    while stack:
        folder = stack.pop()
        for entry, mode in _entries(scene, root / folder):
            rel = f"{folder}/{entry.name}" if folder else entry.name
            if free_pattern().fullmatch(rel):
                _check_free(scene, root / rel, mode)
                continue
            if _is_listed(scene, entry, rel, mode):
                yield ListedPath(root / rel, mode)
                if stat.S_ISDIR(mode):
                    stack.append(rel)


def _check_free(scene: Scene, path: Path, mode: int) -> None:
    """Report a link in the place of a folder that agents write to themselves: they refuse to."""
    if path.name in ("session", "artifacts", "worktree") and not stat.S_ISDIR(mode):
        scene.report(Finding.NOT_A_FILE, path, what=f"is {_sort(mode)} where a folder belongs")


def _entries(scene: Scene, folder: Path) -> list[tuple[os.DirEntry[str], int]]:
    found = []
    with scene.reading(folder), os.scandir(folder) as entries:
        for entry in entries:
            try:
                found.append((entry, entry.stat(follow_symlinks=False).st_mode))
            except FileNotFoundError:
                continue  # it has gone meanwhile
    return sorted(found, key=lambda pair: pair[0].name)


def _is_listed(scene: Scene, entry: os.DirEntry[str], rel: str, mode: int) -> bool:
    """FORMAT.md lists this entry; it is reported otherwise."""
    path = scene.tree.root / rel
    is_file = file_pattern().fullmatch(rel) is not None
    wanted = "folder" if folder_pattern().fullmatch(rel) else "file" if is_file else None
    if wanted is None:
        _report_unlisted(scene, entry, path, mode)
        return False
    if not (stat.S_ISDIR(mode) if wanted == "folder" else stat.S_ISREG(mode)):
        scene.report(Finding.NOT_A_FILE, path, what=f"is {_sort(mode)} where a {wanted} belongs")
        return False
    return True


def _report_unlisted(scene: Scene, entry: os.DirEntry[str], path: Path, mode: int) -> None:
    if is_temporary(entry.name) and stat.S_ISREG(mode):
        if not _is_under_way(scene, path):
            scene.report(Finding.TEMPORARY, path, what="was left by a replace that did not happen")
    elif path.parent not in (scene.tree.agent_specs, scene.tree.task_specs) or path.suffix != ".json":
        scene.report(Finding.UNLISTED, path, what=f"is {_sort(mode)} that FORMAT.md does not know")


def _is_under_way(scene: Scene, path: Path) -> bool:
    """A living process may be about to rename this temporary."""
    try:
        age_s = time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return True
    return age_s < _OLD_S and scene.anyone_lives()


def _sort(mode: int) -> str:
    for test, word in (
        (stat.S_ISREG, "a file"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return word
    return "a device"
