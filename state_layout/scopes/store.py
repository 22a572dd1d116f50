"""A shared scope: read at any time by anybody, written in turn under a short lock, by compare-and-set.

A write is one line in the writer's own chained file, durable before the lock is let go. So whoever holds the
lock knows every line there is, and what it compares with is what it replaces. The lock's file holds one
letter, `w` while a line may be written and not durable: if its holder died there, whoever sees the line makes
it durable before acting on it. Nothing is rewritten; a delete is a line as well.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from state_layout.errors import Damaged, Lost, StorageError, storage_error
from state_layout.files import atomic, disk
from state_layout.files.chain import Position, utc_now
from state_layout.files.journal import Journal, Reader, refuse_corruption
from state_layout.scopes.lines import DELETE, PUT, Fold, ScopeEntry, Version, changed_meanwhile
from state_layout.scopes.names import checked_key
from state_layout.scopes.scope_lock import DONE, WRITING, ScopeLock
from state_layout.scopes.values import checked_value
from state_layout.scopes.writer_file import WriterFile

SUFFIX = ".jsonl"
_CLOCK_TICK_NS = 50_000_000  # a folder that changed so recently may change again under the same time
_COARSE_TICK_NS = 3_000_000_000  # the same on file systems that keep whole seconds, or every second one


class _Any:
    """Any version will do: a put that does not compare."""


ANY_VERSION = _Any()
Expected = Version | None | _Any


class Written(NamedTuple):
    """The outcome of a write is the new entry and the one before. `is_repeated`: it was done before, under
    the same token."""

    entry: ScopeEntry
    before: ScopeEntry | None
    is_repeated: bool = False

    @property
    def version(self) -> Version:
        return self.entry.version


class _Wish(NamedTuple):
    """A wish says under which condition and name a change is wanted, and why."""

    over: Expected
    token: str | None
    why: Mapping[str, Any]


class ScopeStore:
    """A store is the scope in `folder` as `writer` sees it. Safe for threads; each process makes its own."""

    def __init__(self, folder: Path, writer: str, *, now: Callable[[], str] = utc_now) -> None:
        self.folder, self.writer, self._now = folder, writer, now
        self._name = os.fspath(folder)
        self._turn = threading.RLock()
        self._lock = ScopeLock(folder)
        self._files: dict[str, WriterFile] = {}
        self._fold = Fold()
        self._tokens: dict[str, Position] = {}  # of our own lines
        self._floors: dict[str, int] = {}  # by writer, up to where others know its lines
        self._begin_anew()

    # -- reading

    def get(self, key: str) -> ScopeEntry | None:
        """Get the version of `key` in force; None if it has no value. Durable. Raises Damaged,
        StorageError."""
        with self._turn:
            self._catch_up()
            return self._fold.get(key)

    def keys(self, prefix: str = "") -> list[str]:
        """List the keys that begin with `prefix`, sorted. Raises as `get` does."""
        with self._turn:
            self._catch_up()
            return list(self._fold.sorted_keys(prefix))

    def entries(self, prefix: str = "") -> list[tuple[str, ScopeEntry]]:
        """List the keys that begin with `prefix`, sorted, with their versions in force. Raises as `get`
        does."""
        with self._turn:
            self._catch_up()
            found = ((key, self._fold.get(key)) for key in self._fold.sorted_keys(prefix))
            return [(key, entry) for key, entry in found if entry is not None]

    def last_by_hand(self, key: str) -> str | None:
        """Find the SHA-256 of the file by which `key` was last put by hand. Raises as `get` does."""
        with self._turn:
            self._catch_up()
            return self._fold.last_by_hand(key)

    def was_done(self, token: str) -> bool:
        """The change `token` was made by us. Raises as `get` does."""
        with self._turn:
            self._catch_up()
            return token in self._tokens

    def foreseen(
        self, key: str, *, over: Expected = ANY_VERSION, token: str | None = None
    ) -> tuple[bool, ScopeEntry | None]:
        """Say whether the change `token` was made, and find the version in force. Raises Lost where `put`
        would."""
        with self._turn:
            self._catch_up()
            done, before = self._looked(key, _Wish(over, token, {}))
            return done is not None, before

    def ends(self) -> dict[str, Position]:
        """Tell by writer how far its file was read. Raises as `get` does."""
        with self._turn:
            self._catch_up()
            return {writer: file.reader.position for writer, file in self._files.items()}

    # -- writing

    def put(
        self,
        key: str,
        value: Any,
        *,
        over: Expected = ANY_VERSION,
        token: str | None = None,
        why: Mapping[str, Any] | None = None,
    ) -> Written:
        """Keep `value` under `key`, durably, if its version is still `over` (None: if it has no value).

        `token` names this change: done before under it, it is not done again, whatever `over` says. `why` is
        kept in the line: `task`, `run`, `step`, `by`. Raises Lost, BadInput for a key or value that cannot be
        kept, Locked, Damaged, StorageError (StorageFull leaves all as it was).
        """
        checked_value(value)
        checked_key(key)
        wish = _Wish(over, token, why or {})
        with self._turn, self._held():
            self._catch_up(is_locked=True)
            done, before = self._looked(key, wish)
            return done or self._written(PUT, key, {"value": value}, wish, before)

    def delete(
        self,
        key: str,
        *,
        over: Expected = ANY_VERSION,
        token: str | None = None,
        why: Mapping[str, Any] | None = None,
    ) -> Written | None:
        """Leave `key` without a value; None if it has none. Its versions stay. Raises as `put` does."""
        wish = _Wish(over, token, why or {})
        with self._turn, self._held():
            self._catch_up(is_locked=True)
            done, before = self._looked(checked_key(key), wish)
            if done is None and before is None:
                return None
            return done or self._written(DELETE, key, {}, wish, before)

    def put_all(self, values: Mapping[str, Any], *, why: Mapping[str, Any] | None = None) -> None:
        """Keep many values, whatever is there, with one sync for all; the lines of each are whole.

        Raises as `put` does, but for Lost; BadInput before anything is changed.
        """
        for key, value in values.items():
            checked_key(key)
            checked_value(value)
        with self._turn, self._held():
            self._catch_up(is_locked=True)
            wish = _Wish(ANY_VERSION, None, why or {})
            for number, (key, value) in enumerate(values.items(), start=1):
                before = self._fold.get(key)
                self._written(PUT, key, {"value": value}, wish, before, is_last=number == len(values))

    @contextmanager
    def locked(self) -> Iterator[Fold]:
        """Hold the lock: nobody else changes anything meanwhile. Raises as `put` does, but for Lost."""
        with self._turn, self._held():
            self._catch_up(is_locked=True)
            yield self._fold

    def _looked(self, key: str, wish: _Wish) -> tuple[Written | None, ScopeEntry | None]:
        """Find what was done before under the token of `wish`, and the version in force. Raises Lost."""
        if wish.token is not None and (done := self._done_before(wish.token)) is not None:
            return Written(done, None, is_repeated=True), None
        before = self._fold.get(key)
        if not isinstance(wish.over, _Any) and (before.version if before else None) != wish.over:
            raise Lost(changed_meanwhile(self.folder, key, before, self._fold.last(key)))
        return None, before

    def _written(
        self,
        type_: str,
        key: str,
        content: Mapping[str, Any],
        wish: _Wish,
        before: ScopeEntry | None,
        *,
        is_last: bool = True,
    ) -> Written:
        fields: dict[str, object] = {"n": self._fold.last_n + 1, "key": key, **content}
        if before is not None:
            fields["over"] = [before.writer, before.line.end.seq, before.line.end.h]
        fields.update(wish.why)
        if wish.token is not None:
            fields["token"] = wish.token
        return Written(self._append(type_, fields, is_last=is_last), before)

    def _append(self, type_: str, fields: dict[str, object], *, is_last: bool) -> ScopeEntry:
        """Write one line, durably if it is the last one of a change."""
        file = self._own_file()
        journal = self._journal(file)
        self._lock.say(WRITING)
        line, entry = journal.record_again(type_, fields)
        try:
            if is_last:
                journal.sync()
        except StorageError:
            with suppress(OSError):  # who has not read it yet shall not find it
                disk.truncate(file.descriptor, file.reader.position.offset)
            raise
        if is_last:
            self._lock.say(DONE)
        file.reader.position = line.end
        if "token" in fields:
            self._tokens[str(fields["token"])] = line.end
        return self._fold.take(self.writer, line, entry)

    def _own_file(self) -> WriterFile:
        file = self._files.get(self.writer)
        if file is None:
            path = self.folder / f"{self.writer}{SUFFIX}"
            Journal.create(path, now=self._now).close()
            file = self._files[self.writer] = WriterFile(path)
        return file

    def _journal(self, file: WriterFile) -> Journal:
        """Open the writer of our file, at its end; what a process of this name left torn is set aside
        first."""
        journal = file.journal
        if file.reader.damage is not None:
            floor = self._floors.get(self.writer, 0)
            Journal.open(file.path, floor=floor, known=file.reader.position).close()
            file.reader.damage, journal = None, None
        if journal is None or journal.position != file.reader.position:
            journal = Journal(file.path, file.descriptor, file.reader.position, now=self._now)
            if file.journal is None:
                atomic.fsync_folder(self.folder)  # who made it may have died before its name was durable
            file.journal = journal
        return journal

    def _done_before(self, token: str) -> ScopeEntry | None:
        """Find our line that was written under `token`."""
        end = self._tokens.get(token)
        if end is None:
            return None
        for line in Reader(self._files[self.writer].path):
            if line.end == end:
                return ScopeEntry(int(line.fields()["n"]), self.writer, line)
        return None

    def _held(self) -> ScopeLock:
        """Give the lock, to be taken; what is there was read before, since others would wait for that."""
        if not self._files or os.getpid() != self._pid:
            self._catch_up()
        return self._lock

    # -- catching up

    def _begin_anew(self) -> None:
        self._files, self._fold, self._tokens, self._floors = {}, Fold(), {}, {}
        self._settled_folder: tuple[int, int, int] | None = None
        self._pid = os.getpid()

    def _catch_up(self, *, is_locked: bool = False) -> None:
        """Fold what was added; all anew where a file was replaced. What is folded is durable."""
        if os.getpid() != self._pid:
            self._lock.close()
            self._begin_anew()
        self._look_for_files()
        grown = self._grown()
        if grown is None:
            self._begin_anew()
            self._look_for_files()
            grown = self._grown() or []
        doubtful = [file for writer, file in grown if self._read(writer, file)]
        for writer, file in self._files.items():
            if file.reader.damage is not None:
                refuse_corruption(file.reader.damage, self._floors.get(writer, 0))
        if doubtful and self._lock.is_letter_w(is_held=is_locked):
            for file in doubtful:
                try:
                    disk.fdatasync(file.descriptor)
                except OSError as cause:
                    raise storage_error("sync", file.path, cause) from cause

    def _grown(self) -> list[tuple[str, WriterFile]] | None:
        """The files with something to read; None if one was replaced or is gone."""
        grown = []
        for writer, file in self._files.items():
            has_grown = file.has_grown()
            if has_grown is None:
                return None
            if has_grown:
                grown.append((writer, file))
        return grown

    def _look_for_files(self) -> None:
        """Open the files that are new, all anew if one was replaced.

        None is new or replaced while the folder is the same, its time of change (which nobody can set) is
        the old one and that is settled.
        """
        try:
            found = os.stat(self._name)  # noqa: PTH116 - half the cost of Path.stat
        except FileNotFoundError:
            if self._files:
                self._begin_anew()
            return
        folder = (found.st_ctime_ns, found.st_ino, found.st_dev)
        if folder == self._settled_folder:
            return
        if not all(file.is_in_place() for file in self._files.values()):
            self._begin_anew()
        looked_ns = time.time_ns()
        for name in os.listdir(self._name):  # noqa: PTH208 - as above
            writer = name.removesuffix(SUFFIX)
            if name.endswith(SUFFIX) and not name.startswith(".") and writer not in self._files:
                with suppress(FileNotFoundError):
                    self._files[writer] = self._opened(self.folder / name)
        tick_ns = _CLOCK_TICK_NS if found.st_ctime_ns % 1_000_000_000 else _COARSE_TICK_NS
        self._settled_folder = folder if looked_ns - found.st_ctime_ns > tick_ns else None

    def _opened(self, path: Path) -> WriterFile:
        try:
            return WriterFile(path)
        except FileNotFoundError:
            raise
        except OSError as cause:
            raise storage_error("open", path, cause) from cause

    def _read(self, writer: str, file: WriterFile) -> bool:
        """Fold what is new in one file; whether anything was."""
        before = file.reader.position
        for line in file.reader.lines_from(file.descriptor):
            try:
                fields = line.fields()
                self._fold.take(writer, line, fields)
                if writer == self.writer and "token" in fields:
                    self._tokens[str(fields["token"])] = line.end
                if "over" in fields:  # it was durable, or it could not have been replaced
                    other, seq = fields["over"][0], int(fields["over"][1])
                    self._floors[other] = max(seq, self._floors.get(other, 0))
            except (ValueError, KeyError, TypeError) as cause:
                raise Damaged(
                    f"{file.path}: the line with seq {line.seq} is not as FORMAT.md says ({cause}); "
                    "restore the file from a copy"
                ) from cause
        return file.reader.position != before

    def close(self) -> None:
        """Close the files. Nothing is left to be synced."""
        with self._turn:
            self._lock.close()
            self._begin_anew()
