"""Mail boxes: who may be written to, and which files a box holds.

`mail/<to>/<from>.jsonl`: a file has one writer, so writers never wait for each other. Boxes are made with
the tree, so that people can append at once; that of an agent added later when it first lives, or by the first
message to it. Nothing else belongs there: other names and other things than files are passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from state_layout.errors import BadInput, LayoutError, storage_error
from state_layout.files.looking import exists, is_regular
from state_layout.paths import RESERVED, Tree, is_name

ALL, OPERATOR = "all", "operator"
_SUFFIX = ".jsonl"


class MailFile(NamedTuple):
    """A file of a box, with the size it had when it was seen."""

    box: str
    sender: str
    path: Path
    size: int


def check_recipient(tree: Tree, to: str) -> None:
    """Raise BadInput unless `to` is an agent of this tree, or `all`: nothing is sent into the void."""
    if to == ALL:
        return
    if is_name(to):
        spec = tree.agent_spec(to)
        if exists(spec) or exists(tree.accepted_copy(spec)):
            return
    known = ", ".join(_agents(tree)) or "none yet"
    raise BadInput(f"cannot send to {to[:80]!r}: no such agent; use all or one of: {known}")


def files_of(tree: Tree, box: str) -> Iterator[MailFile]:
    """Yield the mail files of `box`, in no order; a box that is not there has none. Raises StorageError."""
    folder = tree.mail_box(box)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                sender = entry.name.removesuffix(_SUFFIX)
                if sender == entry.name or sender.startswith("."):
                    continue
                try:  # of a link in people's place is told by who reads it; another one is no mail
                    found = entry.stat(follow_symlinks=sender == OPERATOR)
                except FileNotFoundError:
                    continue  # gone since it was listed, or a link that leads nowhere
                if stat.S_ISREG(found.st_mode):
                    yield MailFile(box, sender, folder / entry.name, found.st_size)
    except FileNotFoundError:
        return
    except OSError as cause:
        raise storage_error("read", folder, cause) from cause


def boxes(tree: Tree) -> list[str]:
    """List the names of all boxes that exist, sorted. Raises StorageError."""
    try:
        names = sorted(entry.name for entry in tree.mail.iterdir())
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise storage_error("read", tree.mail, cause) from cause
    return [name for name in names if is_name(name) or name == ALL]


def operator_files(tree: Tree) -> list[Path]:
    """List the files with what people wrote, of all boxes; none where boxes cannot be read. For views."""
    try:
        paths = [tree.mail_box(name) / f"{OPERATOR}{_SUFFIX}" for name in boxes(tree)]
    except LayoutError:
        return []
    return [path for path in paths if is_regular(path)]


def is_sender(name: str) -> bool:
    """The `name` may stand before `.jsonl` in a box."""
    return is_name(name) or name == OPERATOR


def _agents(tree: Tree) -> list[str]:
    folders = (tree.agent_specs, tree.accepted_copy(tree.agent_specs))
    names = {path.stem for folder in folders for path in folder.glob("*.json")}
    return sorted(name for name in names - RESERVED if is_name(name))
