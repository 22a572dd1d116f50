"""A record as operations: what each changed, when it happened, and from when on it is durable.

An operation is durable at the end of the first sync of its file (or folder) that began after the operation
had ended. That is all that POSIX promises: a sync of a file says nothing of its name, a sync of a folder
nothing of the files in it, and what was not synced may reach the disk or not, in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .recorder import AFTER, BEFORE, TOLD, Record

NEVER, ALREADY = 1 << 62, -1


class NotRecorded(RuntimeError):
    """A record does not say what happened, because of the instant of a kill: run it again."""


Key = tuple[int, int]  # of an operation: its process, its number there
FOLDER = "folder"  # stands for a folder where a file could be


@dataclass(slots=True, eq=False)
class Operation:
    """One change. `begin` and `end` are places in the record; before `durable` a cut may take it back."""

    begin: int
    end: int
    durable: int = NEVER


@dataclass(slots=True, eq=False)
class Piece(Operation):
    """Bytes of a file written at an offset; `data` None: cut to that length."""

    offset: int = 0
    data: bytes | None = None


@dataclass(slots=True, eq=False)
class File:
    """A file, whatever it is called, with all that was done to its bytes."""

    number: int
    path: str  # its first name
    pieces: list[Piece] = field(default_factory=list)


Entry = File | str | None  # what a name leads to: a file, a folder, nothing


@dataclass(slots=True, eq=False)
class Naming(Operation):
    """Tells what one operation did to a folder's names; only the first part of it may have happened."""

    parts: tuple[tuple[str, Entry], ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """Something that an outsider knew from `at` on."""

    at: int
    what: str
    value: tuple[Any, ...]


@dataclass(slots=True)
class History:
    """Everything that happened below `root`. Paths are relative to it."""

    root: str
    length: int = 0
    files: list[File] = field(default_factory=list)
    folders: dict[str, list[Naming]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    unfinished: list[tuple[Key, str]] = field(default_factory=list)  # begun when their process was killed

    def cuts(self) -> list[int]:
        """The places after which the disk is another: every operation's beginning and end."""
        found = {op.begin + 1 for op in self.operations()} | {op.end + 1 for op in self.operations()}
        return sorted(found | {op.durable + 1 for op in self.operations() if op.durable < NEVER})

    def operations(self) -> Iterator[Operation]:
        for file in self.files:
            yield from file.pieces
        for names in self.folders.values():
            yield from names


@dataclass(slots=True)
class Base:
    """A tree as it is before its record begins; all of it is durable."""

    folders: list[str] = field(default_factory=list)
    files: list[tuple[str, int, bytes]] = field(default_factory=list)  # path, inode, bytes


def length_of(file: File) -> int:
    """Tell how many bytes the file has with everything that was done to it."""
    length = 0
    for piece in file.pieces:
        length = piece.offset if piece.data is None else max(length, piece.offset + len(piece.data))
    return length


def read_history(
    records: Iterable[Record], root: Path, *, happened: Collection[Key] = (), base: Base | None = None
) -> History:
    """The history of the tree at `root`, which began empty or as `base`; of unfinished ones `happened`."""
    reading = _Reading(str(root))
    reading.begin_with(base or Base())
    return reading.read([*records], happened)


class _Reading:
    def __init__(self, root: str) -> None:
        self._root = root
        self._history = History(root)
        self._by_inode: dict[int, File] = {}
        self._names: dict[str, Entry] = {"": FOLDER}  # as they are, by path

    def begin_with(self, base: Base) -> None:
        for path in base.folders:
            self._name(ALREADY, ALREADY, (path, FOLDER))
        for path, inode, data in base.files:
            file = File(len(self._history.files), path, [Piece(ALREADY, ALREADY, ALREADY, 0, data)])
            self._history.files.append(file)
            self._by_inode[inode] = file
            self._name(ALREADY, ALREADY, (path, file))
        for names in self._history.folders.values():
            for naming in names:
                naming.durable = ALREADY

    def read(self, records: list[Record], happened: Collection[Key]) -> History:
        history = self._history
        history.length = len(records)
        begun: dict[Key, tuple[int, str, Record]] = {}
        ended = {(record[1], record[2]) for record in records if record[0] == AFTER}
        for at, record in enumerate(records):
            if record[0] == TOLD:
                history.told.append(Told(at, record[3], tuple(record[4])))
            elif record[0] == BEFORE and (record[1], record[2]) in ended:
                begun[record[1], record[2]] = at, record[3], record[4]
            elif record[0] == BEFORE:
                self._take_unfinished(at, record, happened)
            elif record[3] is not None:
                begin, name, facts = begun.pop((record[1], record[2]))
                getattr(self, f"_{name}")(begin, at, facts, record[3])
        return history

    def _take_unfinished(self, at: int, record: Record, happened: Collection[Key]) -> None:
        """An operation without an end: it is there as soon as it began, or never."""
        key, name, facts = (record[1], record[2]), record[3], record[4]
        if name not in ("fsync", "fdatasync"):
            self._history.unfinished.append((key, f"{name} {facts}"))
        if key not in happened:
            return
        if name == "create":
            raise NotRecorded(f"killed while it made {facts[0]}: its inode is not known")
        if name == "write":
            file = self._by_inode.get(facts[0])
            self._write(at, at, facts, (0 if file is None else length_of(file), len(facts[3])))
        else:
            getattr(self, f"_{name}")(at, at, facts, (len(facts[3] or b""),) if name == "pwrite" else ())

    # -- files

    def _write(self, begin: int, end: int, facts: Record, result: Record) -> None:
        offset, length = result
        self._put(begin, end, facts, offset=offset, data=facts[3][:length])

    def _pwrite(self, begin: int, end: int, facts: Record, result: Record) -> None:
        self._put(begin, end, facts, offset=facts[2], data=facts[3][: result[0]])

    def _truncate(self, begin: int, end: int, facts: Record, result: Record) -> None:
        self._put(begin, end, facts, offset=facts[2], data=None)

    def _put(self, begin: int, end: int, facts: Record, *, offset: int, data: bytes | None) -> None:
        file = self._by_inode.get(facts[0])
        if file is not None:
            file.pieces.append(Piece(begin, end, offset=offset, data=data))

    def _fsync(self, begin: int, end: int, facts: Record, result: Record) -> None:
        if facts[1] is not None:
            self._make_durable(self._history.folders.get(self._below(facts[1]) or "", ()), begin, end)
        elif facts[0] in self._by_inode:
            self._make_durable(self._by_inode[facts[0]].pieces, begin, end)

    _fdatasync = _fsync

    def _make_durable(self, operations: Iterable[Operation], begin: int, end: int) -> None:
        for operation in operations:
            if operation.end < begin:
                operation.durable = min(operation.durable, end)

    # -- names

    def _create(self, begin: int, end: int, facts: Record, result: Record) -> None:
        path = self._below(facts[0])
        if path is None:
            return
        there = self._names.get(path)
        if isinstance(there, File) and self._by_inode.get(result[0]) is there:
            return
        file = File(len(self._history.files), path)
        self._history.files.append(file)
        self._by_inode[result[0]] = file
        self._name(begin, end, (path, file))

    def _mkdir(self, begin: int, end: int, facts: Record, result: Record) -> None:
        self._name(begin, end, (self._below(facts[0]), FOLDER))

    def _rmdir(self, begin: int, end: int, facts: Record, result: Record) -> None:
        self._name(begin, end, (self._below(facts[0]), None))

    def _unlink(self, begin: int, end: int, facts: Record, result: Record) -> None:
        path = self._below(facts[0])
        if path is not None and self._names.get(path) is not None:
            self._name(begin, end, (path, None))

    def _link(self, begin: int, end: int, facts: Record, result: Record) -> None:
        source, target = self._below(facts[0]), self._below(facts[1])
        if source is not None:
            self._name(begin, end, (target, self._names.get(source)))

    def _rename(self, begin: int, end: int, facts: Record, result: Record) -> None:
        source, target = self._below(facts[0]), self._below(facts[1])
        if source is not None:
            self._name(begin, end, (target, self._names.get(source)), (source, None))

    def _name(self, begin: int, end: int, *changes: tuple[str | None, Entry]) -> None:
        """Note changes of names, all of one folder."""
        parts = []
        folder = ""
        for path, entry in changes:
            if path is None or path == "":
                return
            self._names[path] = entry
            folder, _, name = path.rpartition("/")
            parts.append((name, entry))
        self._history.folders.setdefault(folder, []).append(Naming(begin, end, parts=tuple(parts)))

    def _below(self, path: str) -> str | None:
        """`path` relative to the tree; None if it is outside."""
        if path == self._root:
            return ""
        return path[len(self._root) + 1 :] if path.startswith(self._root + "/") else None
