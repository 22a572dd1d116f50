"""Says what was seen of a tree, kept outside it: the ends of its chained files and how its lives ended.

A chain shows that a file was edited, not that all of it was put back to an older state, nor that somebody
wrote everything anew with new hashes. Whoever can write the tree can write every head it keeps; so these are
kept in the folder that MAOS_SUP_WITNESS names: another disk, another user's, another machine's. Without it
there is no witness. Never lowers what it knows by itself: only a person does (`check --accept`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypedDict

from state_layout.errors import Damaged, storage_error
from state_layout.files import atomic, codec, disk, locks
from state_layout.files.chain import TAIL_BYTES, Position
from state_layout.files.journal import Journal, Reader
from state_layout.files.looking import is_link, is_regular
from state_layout.files.reading import read_record
from state_layout.files.spelling import spelled
from state_layout.mail.boxes import OPERATOR
from state_layout.paths import Tree

VARIABLE = "MAOS_SUP_WITNESS"
_CHUNK_BYTES = 1 << 12


class WitnessLine(TypedDict):
    """A line of a witness's file says what changed since the one before."""

    type: str  # seen, or accepted: all before is forgotten
    at: str
    id: str
    ends: dict[str, list[Any]]  # by path: seq, offset, h
    digests: dict[str, str]


@dataclass(slots=True)
class Seen:
    """The fold of a witness's file is this, for the orchestration it saw last."""

    id: str | None = None
    at: str = ""
    ends: dict[str, Position] = field(default_factory=dict)  # by path relative to the tree
    digests: dict[str, str] = field(default_factory=dict)  # of files that never change

    def take(self, fields: WitnessLine) -> None:
        """Fold one line of the file."""
        if fields["id"] != self.id or fields["type"] == "accepted":
            self.id, self.ends, self.digests = fields["id"], {}, {}
        self.at = fields["at"]
        self.ends |= {path: Position(*end) for path, end in fields["ends"].items()}
        self.digests |= fields["digests"]


class Witness:
    """Remembers `tree`, as it lies at its place, in a file of `folder`."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self._tree = tree
        name = sha256(str(tree.root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.path = folder / f"{name}.jsonl"
        self._sizes: dict[Path, int] = {}  # as noted last

    @classmethod
    def named(cls, tree: Tree) -> Witness | None:
        """Find the witness that the environment names, if it names one; a relative name begins at home."""
        folder = os.environ.get(VARIABLE)
        return cls(tree, Path.home() / Path(folder).expanduser()) if folder else None

    def seen(self) -> Seen:
        """Read what the witness remembers. Raises Damaged, StorageError."""
        seen, reader = Seen(), Reader(self.path)
        for line in reader:
            seen.take(line.fields())
        if reader.damage is not None and not reader.damage.is_partial:
            raise Damaged(f"{self.path}:{reader.damage.line}: the witness's own file was edited")
        return seen

    def note(self, *, is_accepted: bool = False) -> None:
        """Remember how far every file is now, durable first; what contradicts it stays as it was known.

        `is_accepted`: a person stands by the tree as it is, so all else is forgotten. Raises Damaged if the
        witness's own file is, Locked, StorageError.
        """
        changed = {path: size for path, size in self._now().items() if self._sizes.get(path) != size}
        if not changed and not is_accepted:
            return
        with locks.held(self.path.with_suffix(".lock")):
            seen = Seen() if is_accepted else self.seen()
            id_ = id_of(self._tree)
            told: dict[str, object] = {"id": id_, "root": spelled(str(self._tree.root))}
            is_known = seen.id == id_
            told["ends"] = self._ends(seen.ends if is_known else {})
            told["digests"] = self._digests(seen.digests if is_known else {})
            if told["ends"] or told["digests"] or is_accepted:
                journal = Journal.open(self.path)
                try:
                    journal.commit("accepted" if is_accepted else "seen", told)
                finally:
                    journal.close()
        self._sizes |= changed

    def _now(self) -> dict[Path, int]:
        found = {}
        for path in [*chained_files(self._tree), *self._tree.root.glob("agents/*/attempts/*/exit.json")]:
            with suppress(OSError):
                found[path] = path.lstat().st_size
        return found

    def _ends(self, known: dict[str, Position]) -> dict[str, Position]:
        found = {}
        for path in chained_files(self._tree):
            rel, before = self._tree.shown(path), known.get(self._tree.shown(path))
            with suppress(FileNotFoundError):
                if before is not None and path.lstat().st_size == before.offset:
                    continue
                end = end_of(path, is_synced=True)
                if end is not None and (before is None or (end.seq > before.seq and stands(path, before))):
                    found[rel] = end
        return found

    def _digests(self, known: dict[str, str]) -> dict[str, str]:
        found = {}
        for path in self._tree.root.glob("agents/*/attempts/*/exit.json"):
            rel = self._tree.shown(path)
            with suppress(OSError):
                if rel not in known:
                    found[rel] = sha256(read_record(path)).hexdigest()
        return found


def stands(path: Path, end: Position) -> bool:
    """A line with that hash ends there, or in what a rollback set aside of the file."""
    asides = path.parent.glob(f"{path.name}.void-*")
    return any(is_regular(each) and Reader(each, end).stands() for each in (path, *asides))


def has_digest(path: Path, digest: str) -> bool:
    try:
        return sha256(read_record(path)).hexdigest() == digest
    except OSError:
        return False


def id_of(tree: Tree) -> str:
    for path in (tree.orchestration_spec, tree.accepted_copy(tree.orchestration_spec)):
        with suppress(OSError, ValueError):
            return str(codec.decode_object(read_record(path)).get("id"))
    return ""


def chained_files(tree: Tree) -> Iterator[Path]:
    """Yield every chained file of the tree that is a regular file, but for what people accepted."""
    from state_layout.catalogue import Form, globs  # a supervisor without a witness needs none

    patterns = [pattern for pattern in globs(Form.CHAINED) if not pattern.startswith("spec/")]
    for path in sorted({path for pattern in patterns for path in tree.root.glob(pattern)}):
        if is_regular(path) and not is_link(path) and path.stem != OPERATOR:
            yield path


def end_of(path: Path, *, before: int | None = None, is_synced: bool = False) -> Position | None:
    """Find the end of the last line of `path` (of its first `before` bytes) with a hash; None without one.

    `is_synced`: make the file durable first. Raises FileNotFoundError, StorageError.
    """
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            size = os.fstat(descriptor).st_size if before is None else before
            if is_synced:
                disk.fdatasync(descriptor)
            return _last_line(descriptor, size)
    except FileNotFoundError:
        raise
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def _last_line(descriptor: int, size: int) -> Position | None:
    length = _CHUNK_BYTES
    while True:
        start = max(0, size - length)
        data = os.pread(descriptor, size - start, start)
        whole, feed, _ = data.rpartition(b"\n")
        line = whole.rpartition(b"\n")[2]
        if start == 0 or (feed and len(line) < len(whole)):
            break
        length *= 4
    digits = line[7 : line.find(b",", 7)]
    is_whole = line.startswith(b'{"seq":') and digits.isdigit() and line[1 - TAIL_BYTES : -14] == b',"h":"'
    if not feed or not is_whole:
        return None
    return Position(int(digits), start + len(whole) + 1, line[-14:-2].decode("ascii", "replace"))
