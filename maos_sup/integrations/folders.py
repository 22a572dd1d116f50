"""Says where a framework's store lies, and names of folders for the ids it uses, which may be any text.

A store is a folder of its own, or `state/<what>` of an orchestration's tree. A folder's name is a readable
part of the id and a hash over all of it: two ids never share a folder, none leaves it, and file systems that
do not tell a from A do no harm. The id itself stands in the first line of the journal.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from state_layout.errors import BadInput, NotATree
from state_layout.files import atomic
from state_layout.files.looking import is_regular
from state_layout.files.reading import read_record
from state_layout.migrations import check_version
from state_layout.paths import Tree

VERSION = 1
_READABLE, _LONGEST = re.compile(r"[^a-z0-9]+"), 40


def store_folder(folder: Path, what: str) -> Path:
    """The store for `what` that `folder` is, or has if it is an orchestration's tree; made if need be.

    Raises NotATree for a store of something else or of a newer format, and for a folder with other files.
    """
    if is_regular(folder / "FORMAT"):
        check_version(Tree(folder))
        folder = folder / "state" / what
    marker, word = folder / "STORE", f"maos-sup {what} {VERSION}\n"
    atomic.make_folder(folder)
    if not is_regular(marker) and not _is_empty(folder):
        raise NotATree(f"{folder}: has files of others and no store; name a new or an empty folder")
    atomic.create_once(marker, word.encode())
    found = read_record(marker).decode("utf-8", "replace")
    if found != word:
        raise NotATree(f"{marker}: says {found.strip()[:80]!r}, not {word.strip()!r}; name another folder")
    return folder


def folder_name(id_: str) -> str:
    """Name the folder for the id `id_`: `my-thread-1f6b0a7c41d2e5b8`."""
    readable = _READABLE.sub("-", id_.lower())[:_LONGEST].strip("-")
    digest = sha256(id_.encode()).hexdigest()[:16]
    return f"{readable}-{digest}" if readable else digest


def checked_text(value: object, what: str) -> str:
    """`value` as the text that identifies `what`. Raises BadInput for what cannot stand in a file."""
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise BadInput(f"{what} {text!r}: is no valid text (a lone surrogate); use another") from cause
    return text


def _is_empty(folder: Path) -> bool:
    return all(atomic.is_temporary(path.name) for path in folder.iterdir())
