"""Make a tree again from a mirror: every line is held against its hash before it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from maos_sup.mirrors.mirror import Cursor, Mirror, MirrorTrouble, Sort
from maos_sup.mirrors.sources import source_of
from state_layout.errors import BadInput, Damaged, storage_error
from state_layout.files import atomic
from state_layout.files.chain import ORIGIN, Position, verified
from state_layout.files.looking import is_dir
from state_layout.files.reading import is_there
from state_layout.paths import FORMAT_LINE, Tree

_FORMAT = "FORMAT"
_EXECUTABLE = 0o700
_FOLDERS = ("spec/agents", "spec/tasks", "spec/approvals", "supervisor", "agents", "mail", "budget", "run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Tells which tree was written, and how many files and lines."""

    tree: Tree
    files: int
    lines: int


def restore(mirror: Mirror, root: Path) -> Restored:
    """Make `root`, a new or empty folder, hold the tree that `mirror` has. Durable when it returns.

    `FORMAT` is written last: what was cut off is no tree. Raises BadInput if `root` is there and not empty or
    the mirror has no such tree, Damaged for a line that does not follow from the one before, StorageError.
    """
    if is_there(root) and (not is_dir(root) or any(root.iterdir())):
        raise BadInput(f"{root}: is not empty; name a new or empty folder")
    cursor = mirror.look()
    if _FORMAT not in cursor.contents:
        raise BadInput("the mirror has no whole copy of this orchestration yet; nothing was restored")
    files = lines = 0
    try:
        for folder in _FOLDERS:
            atomic.make_folder(root / folder)
        for path in sorted({*cursor.lines, *cursor.pieces, *cursor.contents} - {_FORMAT}):
            if _lies_aside(path, cursor):
                continue
            lines += _put(mirror, root, path, cursor.contents.get(path, ""))
            files += 1
        _make_mail_boxes(root)
        os.sync()
    except OSError as cause:
        raise storage_error("restore to", root, cause) from cause
    atomic.create_once(root / _FORMAT, FORMAT_LINE)
    return Restored(tree=Tree(root), files=files + 1, lines=lines)


def _lies_aside(path: str, cursor: Cursor) -> bool:
    """A rollback took the file away whole: its lines are in the one set aside."""
    return path in cursor.gone and any(other.startswith(f"{path}.void-") for other in cursor.lines)


def _put(mirror: Mirror, root: Path, path: str, digest: str) -> int:
    """Write one file; how many lines it has."""
    source = source_of(path)
    target = root / path
    if source is None or ".." in Path(path).parts or Path(path).is_absolute():
        raise Damaged(f"{path!r}: is no file of a tree; the mirror was changed by others")
    count = 0

    def counted() -> Iterator[bytes]:
        nonlocal count
        for raw in _lines(mirror, path):
            count += 1
            yield raw + b"\n"

    parts = counted() if source.sort is Sort.LINES else mirror.data(path)
    atomic.make_folder(target.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    hashed = sha256()
    with atomic.opened(target, flags) as descriptor:
        for part in parts:
            atomic.write_all(descriptor, part)
            hashed.update(part)
    if source.sort is Sort.CONTENT:
        if hashed.hexdigest() != digest.removesuffix("+"):
            raise Damaged(f"{path}: its contents do not have the hash that the mirror noted")
        if digest.endswith("+"):
            target.chmod(_EXECUTABLE)
    return count


def _lines(mirror: Mirror, path: str) -> Iterator[bytes]:
    position: Position = ORIGIN
    for seq, raw in mirror.lines(path):
        line = verified(position, raw)
        if line is None or line.seq != seq:
            raise Damaged(
                f"{path}: seq {seq} does not follow from the line before; others changed the mirror"
            )
        position = line.end
        yield raw


def _make_mail_boxes(root: Path) -> None:
    """People append to boxes that are there."""
    for spec in (root / "spec" / "agents").glob("*.json"):
        atomic.make_folder(root / "mail" / spec.stem)
    atomic.make_folder(root / "mail" / "all")


def chosen(mirror: Mirror, wanted: str | None) -> str:
    """Choose the id of the orchestration to restore: `wanted`, a part of one, the only one. Raises
    BadInput."""
    ids = mirror.trees()
    matching = [id_ for id_ in ids if wanted is None or wanted in id_]
    if len(matching) == 1:
        return matching[0]
    if not ids:
        raise MirrorTrouble("the mirror holds no orchestration")
    shown = ", ".join(ids[-8:])
    raise BadInput(f"say which with --id: the mirror holds {shown}")
