"""One chained journal that several processes read at any time and write in turn.

The journals of agents have one writer each. A framework's store has as many as somebody starts, so here the
right to append is a lock held for that moment; the file itself is as every chained file is. What was read is
folded into an index, so that a line is decoded once; nobody acts on a line that is not durable. A rewrite
or a removal puts another file, or none, in the place: whoever reads the old one reads it to its end.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from state_layout.check.first_bad_line import examine
from state_layout.errors import Damaged, storage_error
from state_layout.files import atomic, codec, disk, locks
from state_layout.files.chain import ORIGIN, Line, Position, chained, utc_now, verified
from state_layout.files.journal import Damage, Journal, Reader, refuse_corruption
from state_layout.files.looking import is_dir, is_link

JOURNAL, LOCK, GONE = "journal.jsonl", "lock", ".removed-"
Fields = Mapping[str, Any]


class JournalPlace(NamedTuple):
    """Says where a line lies in its file, without its line feed, and the hash of the line before it."""

    offset: int
    length: int
    previous: str


class Index(Protocol):
    """An index is the fold of a journal; it keeps places of lines, not the lines."""

    def take(self, fields: Fields, place: JournalPlace) -> None:
        """Fold one line. Lines come in order, each once."""


IndexT = TypeVar("IndexT", bound=Index)


class JournalShelf(Generic[IndexT]):
    """One version of the file, open, and the index of what was read of it; closed with its last user."""

    def __init__(self, path: Path, index: IndexT) -> None:
        """Opens `path`. Raises FileNotFoundError, StorageError."""
        self.index = index
        try:
            self.descriptor = disk.create(path, os.O_RDWR | os.O_APPEND, atomic.FILE_MODE)
        except FileNotFoundError:
            raise
        except OSError as cause:
            raise storage_error("open", path, cause) from cause
        weakref.finalize(self, os.close, self.descriptor)
        self._path, self._reader = path, Reader(path)
        self._journal: Journal | None = None

    @property
    def position(self) -> Position:
        """The end of what was read."""
        return self._reader.position

    @property
    def is_begun(self) -> bool:
        """The file has its first line."""
        return self._reader.position.seq > 0

    def is_in_place(self) -> bool:
        """The path still leads to this file."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self.descriptor))
        except FileNotFoundError:
            return False

    def line(self, place: JournalPlace) -> dict[str, object]:
        """Read and decode the line at `place`. Raises Damaged if it was edited since it was folded."""
        raw = os.pread(self.descriptor, place.length, place.offset)
        if verified(Position(0, place.offset, place.previous), raw) is None:
            raise Damaged(
                f"{self._path}: the line at byte {place.offset} was edited by hand: undo that, or restore "
                "the file from a copy"
            )
        return codec.decode_object(raw)

    def lines(self) -> Iterable[Mapping[str, Any]]:
        """All lines that were read, decoded, in order."""
        end = self._reader.position.offset
        for line in Reader(self._path).lines_from(self.descriptor):
            if line.end.offset > end:
                return
            yield line.fields()

    def catch_up(self) -> None:
        """Fold what others appended, and make it durable. Raises Damaged, StorageError."""
        before = self._reader.position
        previous = before.h
        for line in self._reader.lines_from(self.descriptor):
            self._fold(line, line.fields(), previous)
            previous = line.end.h
        if self._reader.is_displaced:
            raise Damaged(
                f"{self._path}: what was read of it up to seq {before.seq} is there no more; it was edited "
                "or cut by hand: restore it from a copy"
            )
        if self._reader.damage is not None:
            self._refuse(self._reader.damage)
        if self._reader.position != before:
            self._sync_others()

    def append(self, type_: str, fields: Mapping[str, object]) -> None:
        """Write one line, not yet durable; the caller holds the lock and has caught up."""
        line = self._writer().record(type_, fields)
        self._fold(line, {**fields, "type": type_}, self._reader.position.h)
        self._reader.position = line.end

    def sync(self) -> None:
        """Make what was appended here durable; several threads share one sync. Raises StorageError."""
        if self._journal is not None:
            self._journal.sync()

    def _fold(self, line: Line, fields: Fields, previous: str) -> None:
        self.index.take(fields, JournalPlace(line.end.offset - len(line.raw) - 1, len(line.raw), previous))

    def _writer(self) -> Journal:
        """The journal at the end of what was read; a torn tail is set aside first."""
        journal, position = self._journal, self._reader.position
        if journal is not None:
            journal.prepare("probe", {})  # raises if it was given up
        if self._reader.damage is not None:
            Journal.open(self._path, known=position).close()
            self._reader.damage = None
        if journal is None or journal.position != position:
            self._journal = journal = Journal(self._path, self.descriptor, position)
            atomic.fsync_folder(self._path.parent)  # who made it may have died before its name was durable
        return journal

    def _refuse(self, damage: Damage) -> None:
        """Raise Damaged unless `damage` is what a crash leaves of a line that was never acknowledged."""
        refuse_corruption(damage)
        if not damage.is_partial and (wound := examine(self._path, damage.position)).by_hand:
            raise Damaged(f"{self._path}:{damage.line}: {wound.what}; undo that, or restore it from a copy")

    def _sync_others(self) -> None:
        try:
            disk.fdatasync(self.descriptor)
        except OSError as cause:
            raise storage_error("sync", self._path, cause) from cause


class SharedJournal(Generic[IndexT]):
    """The journal in `folder`, which it may share with other things. Safe for threads and processes.

    `head` (type and fields) is the first line of a new file.
    """

    def __init__(
        self, folder: Path, new_index: Callable[[], IndexT], *, head: tuple[str, Mapping[str, object]]
    ) -> None:
        self.folder, self._new_index, self._head = folder, new_index, head
        self._path = folder / JOURNAL
        self._turn = threading.Lock()
        self._shelf: JournalShelf[IndexT] | None = None

    def read(self) -> JournalShelf[IndexT] | None:
        """The file, all that was acknowledged in its index; None if there is none. Raises Damaged."""
        with self._turn:
            shelf = self._caught_up()
        if shelf is not None:
            shelf.sync()  # what another thread has just appended
        return shelf

    def append(self, type_: str, make: Callable[[IndexT], dict[str, object] | None]) -> None:
        """Append the line that `make` makes of the index, durably; nothing if it makes None.

        Raises Damaged, StorageFull with the file as before, StorageError with it given up, Locked.
        """
        with self._turn, locks.held(self.folder / LOCK):
            shelf = self._caught_up() or self._created()
            if not shelf.is_begun:
                shelf.append(*self._head)
            fields = make(shelf.index)
            if fields is not None:
                shelf.append(type_, fields)
        shelf.sync()

    def rewrite(self, make: Callable[[JournalShelf[IndexT] | None], Iterable[Fields]]) -> None:
        """Replace all lines by those that `make` makes of them, at once and durably; by none: `remove`.

        Each keeps its `at`, if it has one. Raises as `append` does.
        """
        with self._turn, locks.held(self.folder / LOCK):
            parts, end = list[bytes](), ORIGIN
            for fields in make(self._caught_up()):
                kept = {
                    key: value for key, value in fields.items() if key not in ("seq", "at", "synced", "h")
                }
                line = chained(end, {"seq": end.seq + 1, "at": fields.get("at") or utc_now(), **kept})
                parts.append(line.raw + b"\n")
                end = line.end
            if parts:
                atomic.replace(self._path, b"".join(parts))
                self._shelf = None
            else:
                self._remove()

    def remove(self) -> None:
        """Remove the folder with all that is in it, durably. No error if it is not there."""
        if is_dir(self.folder):
            with self._turn, locks.held(self.folder / LOCK):
                self._remove()

    def _remove(self) -> None:
        gone = self.folder.with_name(f"{GONE}{os.urandom(8).hex()}")
        try:
            disk.rename(self.folder, gone)
        except OSError as cause:
            raise storage_error("remove", self.folder, cause) from cause
        atomic.fsync_folder(self.folder.parent)
        self._shelf = None
        remove_tree(gone)

    def _caught_up(self) -> JournalShelf[IndexT] | None:
        if self._shelf is None or not self._shelf.is_in_place():
            try:
                self._shelf = JournalShelf(self._path, self._new_index())
            except FileNotFoundError:
                self._shelf = None
                return None
        self._shelf.catch_up()
        return self._shelf

    def _created(self) -> JournalShelf[IndexT]:
        Journal.create(self._path).close()
        self._shelf = shelf = JournalShelf(self._path, self._new_index())
        return shelf


def remove_tree(folder: Path) -> None:
    """Remove `folder` and all in it; links are removed, not followed. What cannot be removed stays."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if is_dir(path) and not is_link(path):
                remove_tree(path)
            else:
                disk.unlink(path)
        disk.rmdir(folder)


def sweep(folder: Path) -> None:
    """Finish the removals in `folder` whose process died in the middle."""
    for path in list(folder.glob(f"{GONE}*")):
        remove_tree(path)
