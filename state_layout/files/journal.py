"""Append-only chained files: the writer, the reader, and the rules of damage.

One process writes a file; any number read it while it grows. A line is one `write`; it is acknowledged when a
sync that began after it has ended. Threads of the writer share syncs (group commit): whoever comes first
syncs for all. After etcd's wal: repair mends a torn tail only and keeps the broken piece.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from state_layout.errors import Damaged, StorageError, StorageFull, storage_error
from state_layout.files import atomic, codec, disk
from state_layout.files.batches import Batch, batches
from state_layout.files.chain import (
    ORIGIN,
    TAIL_BYTES,
    Line,
    Position,
    Run,
    anchor,
    chained,
    run_of,
    synced_claim,
    utc_now,
    verified,
)
from state_layout.files.looking import exists

_Fields = Mapping[str, object]  # of a line, to be encoded
_NEW = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL


class Damage(Struct, frozen=True, kw_only=True):
    """Damage is the first line of a file that is not valid; it says whether it may be set aside."""

    path: Path
    line: int  # counts from 1, from where the reader began
    position: Position  # the end of the last valid line
    is_tail: bool  # never acknowledged: set it aside and go on
    is_partial: bool  # no line feed: being written, or torn


class Reader:
    """Reads the whole lines of a file that may be growing; remembers where it is.

    `damage` is None or tells why no more lines come. A line in the middle of being written is no damage to a
    reader of a living file: it is offered again at the next `read`. `is_displaced`: no line with its hash
    ends at `position`, so this is another file or a shorter one; nothing is read then.
    """

    def __init__(self, path: Path, position: Position = ORIGIN) -> None:
        self.path, self.position = path, position
        self.damage: Damage | None = None
        self.is_displaced = False
        self._lines_read = 0

    def read(self) -> list[Line]:
        """Read all whole valid lines after `position`; move it. No file has none. Raises StorageError."""
        return list(self)

    def __iter__(self) -> Iterator[Line]:
        try:
            descriptor = disk.create(self.path, os.O_RDONLY, 0)
        except FileNotFoundError:
            self.damage, self.is_displaced = None, False
            return
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause
        try:
            yield from self.lines_from(descriptor)
        finally:
            os.close(descriptor)

    def lines_from(self, descriptor: int) -> Iterator[Line]:
        """Yield the same lines from `descriptor`, which the caller opened and closes. Raises StorageError."""
        self.damage, self.is_displaced = None, False
        try:
            self.is_displaced = not self._stands(descriptor)
            if not self.is_displaced:
                yield from self._lines(descriptor)
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause

    def runs(self) -> Iterator[Run]:
        """Yield the same lines as by iterating, many at once: for those who look at few of them closely.

        `position` is the end of the run that came last. Raises StorageError.
        """
        try:
            with atomic.opened(self.path, os.O_RDONLY) as descriptor:
                self.damage, self.is_displaced = None, not self._stands(descriptor)
                if not self.is_displaced:
                    yield from self._runs(descriptor)
        except FileNotFoundError:
            self.damage, self.is_displaced = None, False
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause

    def stands(self) -> bool:
        """The `position` is still the end of the line it was: false for another or a shorter file."""
        try:
            with atomic.opened(self.path, os.O_RDONLY) as descriptor:
                return self._stands(descriptor)
        except OSError:
            return self.position.offset == 0

    def _stands(self, descriptor: int) -> bool:
        offset = self.position.offset
        if offset == 0:
            return True
        return os.pread(descriptor, TAIL_BYTES, max(0, offset - TAIL_BYTES)) == anchor(self.position.h)

    def _lines(self, descriptor: int) -> Iterator[Line]:
        batch = Batch([], False)
        for batch in batches(descriptor, self.position.offset):
            for raw in batch.lines:
                line = verified(self.position, raw)
                if line is None:
                    self.damage = self._judge(descriptor)
                    return
                self.position = line.end
                self._lines_read += 1
                yield line
        if batch.is_open:
            self.damage = self._found(is_tail=True, is_partial=True)

    def _runs(self, descriptor: int) -> Iterator[Run]:
        batch = Batch([], False)
        for batch in batches(descriptor, self.position.offset):
            start = 0
            while start < len(batch.lines):
                run = run_of(self.position, batch.lines, start)
                if run is None:
                    self.damage = self._judge(descriptor)
                    return
                self.position = run.end
                start += len(run.raws)
                self._lines_read += len(run.raws)
                yield run
        if batch.is_open:
            self.damage = self._found(is_tail=True, is_partial=True)

    def _judge(self, descriptor: int) -> Damage:
        """Tail, unless a later line says that this one had been synced."""
        lines = chain.from_iterable(batch.lines for batch in batches(descriptor, self.position.offset))
        claim = max(map(synced_claim, islice(lines, 1, None)), default=0)
        return self._found(is_tail=claim <= self.position.seq, is_partial=False)

    def _found(self, *, is_tail: bool, is_partial: bool) -> Damage:
        number = self._lines_read + 1
        return Damage(
            path=self.path, line=number, position=self.position, is_tail=is_tail, is_partial=is_partial
        )


def last_position(path: Path, *, floor: int = 0, known: Position = ORIGIN) -> Position:
    """Find the end of the last valid line of `path`, read from `known` if that stands, else from the start.

    Raises Damaged where a line that was synced, or is not above `floor`, is not valid, StorageError.
    """
    reader = Reader(path, known)
    for _ in reader:
        pass
    if reader.is_displaced:
        return last_position(path, floor=floor)
    if reader.damage is not None:
        refuse_corruption(reader.damage, floor)
    return reader.position


def refuse_corruption(damage: Damage, floor: int = 0) -> None:
    """Raise Damaged unless `damage` is tail damage above `floor`, a `seq` others know to be durable.

    A file that only ends within a line is none: a copy of a growing file looks so, and what is missing shows.
    """
    if damage.is_partial or (damage.is_tail and damage.position.seq >= floor):
        return
    raise Damaged(
        f"{damage.path}:{damage.line}: corrupt after seq {damage.position.seq}, which was durable once; "
        "restore the file from a copy, or see what is left with 'maos-sup check'"
    )


class Prepared(NamedTuple):
    """A line made but not written: it fits only after `after`, and tells that `synced` was durable."""

    after: Position
    line: Line
    synced: int


class Journal:
    """A journal writes one chained file. Safe to use from several threads of its process.

    After a failed sync or write (but for want of space, cut back) every further use raises StorageError: a
    second sync would report success over lost pages.
    """

    def __init__(
        self, path: Path, descriptor: int, position: Position, *, now: Callable[[], str] = utc_now
    ) -> None:
        self.path = path
        self.stamp: dict[str, object] = {}  # stands in every line, after `at`
        opened = os.fstat(descriptor)
        self._name, self._file = os.fspath(path), (opened.st_dev, opened.st_ino)
        self._descriptor, self._position, self._now = descriptor, position, now
        self._synced_seq, self._synced_offset = position.seq, position.offset
        self._told_synced = -1
        self._poison: StorageError | None = None
        self._appending, self._syncing = threading.Lock(), threading.Lock()

    @classmethod
    def create(cls, path: Path, *, first_seq: int = 1, now: Callable[[], str] = utc_now) -> Journal:
        """Begin a new file, its name durable. Raises StorageError, also if `path` exists."""
        try:
            descriptor = disk.create(path, _NEW, atomic.FILE_MODE)
        except OSError as cause:
            raise storage_error("create", path, cause) from cause
        atomic.fsync_folder(path.parent)
        return cls(path, descriptor, Position(first_seq - 1), now=now)

    @classmethod
    def open(
        cls, path: Path, *, floor: int = 0, known: Position = ORIGIN, now: Callable[[], str] = utc_now
    ) -> Journal:
        """Go on with `path`, or begin it. A torn tail is set aside first; what is there is made durable.

        `known` is a position that was durable: what is before it is not read again if it still stands.
        Raises Damaged for corruption at or below `floor` or a synced line, StorageError.
        """
        if not exists(path):
            atomic.make_folder(path.parent)
            atomic.fsync_folder(path.parent.parent)  # several writers make one mail box
            return cls.create(path, now=now)
        position = last_position(path, floor=floor, known=known)
        try:
            descriptor = disk.create(path, os.O_RDWR | os.O_APPEND, atomic.FILE_MODE)
        except OSError as cause:
            raise storage_error("open", path, cause) from cause
        try:
            disk.look()  # it may be a successor's file by now
            atomic.set_tail_aside(path, descriptor, position.offset)
            disk.fdatasync(descriptor)
            if position != known:  # its maker may have died before the name was durable
                atomic.fsync_folder(path.parent)
        except (OSError, StorageError) as cause:
            os.close(descriptor)
            if isinstance(cause, StorageError):
                raise
            raise storage_error("open", path, cause) from cause
        return cls(path, descriptor, position, now=now)

    @property
    def position(self) -> Position:
        """The last line written, synced or not, ends here."""
        return self._position

    @property
    def synced_seq(self) -> int:
        """This is the highest `seq` known to be durable."""
        return self._synced_seq

    def append(self, type_: str, fields: _Fields, *, seq: int | None = None) -> Position:
        """Do as `record` does, for those who need only the end of the line."""
        return self.record(type_, fields, seq=seq).end

    def record(self, type_: str, fields: _Fields, *, seq: int | None = None) -> Line:
        """Write one line, not yet durable, and return it; `seq` is the next one, or a higher one given.

        Raises StorageFull with the file as before, StorageError with the file given up, TypeError for values
        JSON has no form for, ValueError for a `seq` that is not higher or a key that every line has.
        """
        with self._appending:
            entry, synced = self._entry(type_, fields, seq, self._position, self._told_synced)
            line = chained(self._position, entry)
            self._put(line, synced)
            return line

    def record_again(self, type_: str, fields: _Fields) -> tuple[Line, dict[str, object]]:
        """Do as `record` does with values that were encoded before; give the line and what it was made of."""
        with self._appending:
            entry, synced = self._entry(type_, fields, None, self._position, self._told_synced)
            line = chained(self._position, entry, codec.encode_again)
            self._put(line, synced)
            return line, entry

    def prepare(
        self, type_: str, fields: _Fields, *, seq: int | None = None, after: Prepared | None = None
    ) -> Prepared:
        """Make the line that `record` would write next, or next after `after`, for `put`. Writes nothing.

        Its values were encoded before. Raises as `record` does.
        """
        position, told = (after.line.end, after.synced) if after else (self._position, self._told_synced)
        entry, synced = self._entry(type_, fields, seq, position, told)
        return Prepared(position, chained(position, entry, codec.encode_again), synced)

    def put(self, prepared: Prepared) -> bool:
        """Write a prepared line, not yet durable; false if other lines came between. Raises StorageError."""
        with self._appending:
            if self._poison is not None:
                self._refuse_poisoned()
            if prepared.after != self._position:
                return False
            self._put(prepared.line, prepared.synced)
            return True

    def begin_sync(self) -> None:
        """Let the disk begin on what was recorded: a `sync` soon after waits less. Nothing is durable yet."""
        synced = self._synced_offset
        disk.begin_write(self._descriptor, synced, self._position.offset - synced)

    def sync(self, seq: int | None = None) -> None:
        """Make all up to `seq` (by default all) durable; threads share one sync. Raises StorageError."""
        wanted = self._position.seq if seq is None else seq
        if self._synced_seq >= wanted:
            return
        with self._syncing:
            if self._synced_seq >= wanted:
                return
            if self._poison is not None:
                self._refuse_poisoned()
            covered = self._position
            try:
                disk.fdatasync(self._descriptor)
            except OSError as cause:
                self._poison = storage_error("sync", self.path, cause)
                raise self._poison from cause
            self._synced_seq, self._synced_offset = covered.seq, covered.offset

    def commit(self, type_: str, fields: _Fields) -> Position:
        """Append one line and make it durable. Raises as `record` and `sync` do."""
        line = self.record(type_, fields)
        self.sync(line.end.seq)
        return line.end

    def is_in_place(self) -> bool:
        """The path still is that of the file that is open here: a link to it is not."""
        try:
            found = os.lstat(self._name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (found.st_dev, found.st_ino) == self._file

    def is_linked(self) -> bool:
        """Some path leads to the file: a third of the cost of `is_in_place`, blind to a move."""
        return os.fstat(self._descriptor).st_nlink > 0

    def close(self) -> None:
        """Close without syncing."""
        os.close(self._descriptor)

    def _refuse_poisoned(self) -> None:
        if self._poison is not None:
            raise StorageError(str(self._poison)) from self._poison

    def _entry(
        self, type_: str, fields: _Fields, seq: int | None, after: Position, told: int
    ) -> tuple[dict[str, object], int]:
        """Make the line that follows `after`, and say what was durable unless that is what was `told`."""
        if self._poison is not None:
            self._refuse_poisoned()
        if seq is not None and seq <= after.seq:
            raise ValueError(f"{self.path}: seq {seq} cannot follow {after.seq}")
        synced = self._synced_seq
        entry: dict[str, object] = {"seq": seq or after.seq + 1, "at": self._now(), **self.stamp}
        if told != synced:
            entry["synced"] = synced
        entry["type"] = type_
        keys = len(entry) + len(fields)
        entry.update(fields)
        if len(entry) < keys or "h" in fields:
            raise ValueError(f"{self.path}: seq, at, synced, type and h are not for fields")
        return entry, synced

    def _put(self, line: Line, synced: int) -> None:
        data = line.raw + b"\n"
        try:
            written = disk.write(self._descriptor, data)
            if written < len(data):
                atomic.write_all(self._descriptor, data[written:])
        except OSError as cause:
            error = storage_error("append", self.path, cause)
            if not isinstance(error, StorageFull):
                self._poison = error
            try:
                disk.truncate(self._descriptor, self._position.offset)
            except OSError:
                self._poison = error
            raise error from cause
        self._told_synced, self._position = synced, line.end
