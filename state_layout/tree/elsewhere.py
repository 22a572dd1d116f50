"""Trees that were made outside of the home, remembered by a line each in `<home>/elsewhere.jsonl`.

A convenience for lists and names: a line that is lost or damaged hides a tree from them and harms nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from state_layout.errors import LayoutError, storage_error
from state_layout.files import atomic, codec
from state_layout.files.looking import exists
from state_layout.files.reading import read_record, real
from state_layout.files.spelling import path_of, spelled
from state_layout.migrations import check_version
from state_layout.paths import Tree

_NAME = "elsewhere.jsonl"
_LONGEST_BYTES = 1 << 20  # then those that are gone are left out


def remember(home: Path, root: Path) -> None:
    """Note that a tree lies at `root`, if it is not in `home`; not durable. Raises StorageError."""
    place = real(root)
    if place.parent == real(home) or place in {tree.root for tree in trees_elsewhere(home)}:
        return
    atomic.make_folder(home)
    path = home / _NAME
    line = codec.encode({"root": spelled(str(place))}) + b"\n"
    try:
        if exists(path) and path.stat().st_size > _LONGEST_BYTES:
            kept = [codec.encode({"root": spelled(str(tree.root))}) + b"\n" for tree in trees_elsewhere(home)]
            atomic.replace(path, b"".join([*kept, line]))
            return
        with atomic.opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as descriptor:
            atomic.write_all(descriptor, line)
    except OSError as cause:
        raise storage_error("append", path, cause) from cause


def trees_elsewhere(home: Path) -> list[Tree]:
    """List the remembered trees that are still there, in the order in which they were made."""
    try:
        lines = read_record(home / _NAME).splitlines()
    except OSError:
        return []
    roots = dict.fromkeys(root for line in lines if (root := _root_in(line)) is not None)
    return [tree for tree in map(Tree, roots) if _is_tree(tree)]


def id_of(tree: Tree) -> str:
    """Read the id in a tree's spec; its folder's name where that cannot be read."""
    try:
        return str(codec.decode_object(read_record(tree.orchestration_spec))["id"])
    except (OSError, ValueError, KeyError):
        return tree.root.name


def _root_in(line: bytes) -> Path | None:
    try:
        root = codec.decode_object(line)["root"]
        root = path_of(root) if isinstance(root, str) else ""
    except (ValueError, KeyError):
        return None
    return Path(root) if root.startswith("/") and "\0" not in root else None


def _is_tree(tree: Tree) -> bool:
    try:
        check_version(tree)
    except (OSError, LayoutError):
        return False
    return True
