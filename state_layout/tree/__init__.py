"""Open, find and list trees. Making one is in `state_layout.tree.making`, naming in `tree.names`."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from state_layout.errors import BadInput, NotATree, StorageError, storage_error
from state_layout.files.reading import is_folder, is_there, real, refuse_unseen
from state_layout.migrations import check_version, migrate
from state_layout.paths import FORMAT_VERSION, FORMAT_WORD, Tree
from state_layout.tree.names import UNFINISHED

__all__ = [
    "TreeIdentity",
    "find_tree",
    "identity",
    "list_trees",
    "open_tree",
    "relative_project",
]


class TreeIdentity(Struct, frozen=True, kw_only=True):
    """The numbers name the directory of a tree on this host: others after a copy, the same after a rename."""

    device: int
    inode: int


def identity(tree: Tree) -> TreeIdentity:
    """Read the identity of the tree's directory. Raises NotATree if it is gone."""
    try:
        found = tree.root.stat()
    except OSError as cause:
        raise NotATree(f"{tree.root}: is gone: {cause.strerror}") from cause
    return TreeIdentity(device=found.st_dev, inode=found.st_ino)


def open_tree(path: Path) -> Tree:
    """Open the tree at `path`, of this format; an older one is migrated first.

    Raises NotATree: not there, no tree, half made, of a newer format. Raises Locked if a tree of an older
    one cannot be migrated because a process of it lives, StorageError where this user may not look.
    """
    tree = Tree(real(path))
    if not is_folder(tree.root):
        refuse_unseen(tree.root)
        what = "is a file, not a folder" if is_there(tree.root) else "is not there"
        raise NotATree(f"{path}: {what}; name the folder of an orchestration (see: maos-sup list)")
    try:
        migrate(tree)
    except FileNotFoundError as cause:
        raise NotATree(f"{path}: {_why_no_format(tree)}") from cause
    return tree


def find_tree(text: str, home: Path) -> Tree:
    """Find the tree that `text` names: a folder, an id below `home`, or a unique part of one.

    Raises NotATree if there is none, BadInput if several ids hold it. A beginning goes before a part.
    """
    if not text.strip():
        raise BadInput("the name of the orchestration is empty; give a folder, an id or its beginning")
    as_path = real(text)
    if os.sep in text or text in (".", "..", "~") or is_there(as_path / "FORMAT"):
        return open_tree(as_path)
    if is_folder(home / text):
        return open_tree(home / text)
    names = [tree.root.name for tree in list_trees(home)]
    matching = [name for name in names if name.startswith(text)] or [name for name in names if text in name]
    if len(matching) > 1:
        raise BadInput(f"{text!r} is part of {len(matching)} ids; use more of one: {_some(matching)}")
    if matching:
        return open_tree(home / matching[0])
    if is_there(as_path):
        return open_tree(as_path)
    known = f"there are: {_some(names)}" if names else "none is there yet"
    raise NotATree(f"{text!r} is no folder and no id of an orchestration in {home}; {known}")


def list_trees(home: Path) -> list[Tree]:
    """List the trees below `home` by name, so the oldest first; what is no tree of this format is left
    out.

    A home that is not there yet has none. Raises StorageError for one that cannot be read.
    """
    try:
        with os.scandir(home) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        os.stat(os.path.join(home, "."))  # noqa: PTH116, PTH118 - who reads the names may be kept out
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise storage_error("list", home, cause) from cause
    return [Tree(real(home / name)) for name in names if _has_format(home / name)]


def relative_project(root: Path, project: Path) -> dict[str, str]:
    """Make the entries of `spec/orchestration.json` for working on the folder `project`. Raises BadInput."""
    target = real(project)
    if not is_folder(target):
        refuse_unseen(target)
        why = "is no folder" if is_there(target) else "is not there"
        raise BadInput(f"{project}: the project {why}; name the folder to work on")
    try:
        str(target).encode()
    except UnicodeEncodeError as cause:
        raise BadInput(f"{project!r}: the project's path is not UTF-8; rename it or link to it") from cause
    return {"project": os.path.relpath(target, real(root)), "project_name": target.name}


def _some(names: list[str]) -> str:
    return ", ".join(names[-5:]) + (" (the newest five)" if len(names) > 5 else "")


def _has_format(root: Path) -> bool:
    try:
        check_version(Tree(root))
    except (FileNotFoundError, NotATree, StorageError):
        return False
    return True


def _why_no_format(tree: Tree) -> str:
    if is_there(tree.root / UNFINISHED):
        return (
            "the orchestration is being made, or its making was cut off; "
            "run the plan again into this folder, or remove it"
        )
    for parent in tree.root.parents[:3]:
        if _has_format(parent):
            return f"is a part of the orchestration {parent}; name that"
    if is_there(tree.orchestration_spec):
        return (
            "has no FORMAT file, so the copy of this orchestration is incomplete; copy it again, or if all "
            f"else is there: echo '{FORMAT_WORD} {FORMAT_VERSION}' > FORMAT"
        )
    return "is no orchestration: it has no FORMAT file; name another folder (see: maos-sup list)"
