"""The part of a SQLite file that mirrors one tree. Several trees, each with its follower, may share a file.

Write-ahead log, so readers never wait and never hinder; a power cut may take the last transactions back, rows
and cursor together, and they are taken from the tree again.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from maos_sup.mirrors.mirror import (
    Content,
    Cursor,
    FilePiece,
    Lines,
    MirrorBatch,
    MirrorTrouble,
    Sort,
    Superseded,
)
from maos_sup.mirrors.rows import cursor_of, rows_of
from maos_sup.mirrors.sources import source_of
from maos_sup.mirrors.sqlite.schema import VERSION, statements
from state_layout.errors import BadInput
from state_layout.files.looking import is_regular

_BUSY_S = 10.0
_MINE = "(SELECT id FROM mirrored_file WHERE tree = ?)"
_OWNERS_ONLY = 0o600


class SqliteMirror:
    """See `mirror.Mirror`. `tree` is the id of the orchestration."""

    def __init__(self, path: Path, tree: str, *, may_make: bool) -> None:
        """Raises MirrorTrouble, and BadInput for a file that is no mirror."""
        self._path, self._name = path, tree
        self._follower = secrets.token_hex(8)
        self._files: dict[str, int] = {}
        self._database = self._opened(may_make=may_make)
        self._tree = 0
        self._inode = _inode(path)

    def cursor(self) -> Cursor:
        """See `Mirror.cursor`."""
        with self._changing():
            self._take_over()
            return self._cursor()

    def look(self) -> Cursor:
        """See `Mirror.look`."""
        with self._translated():
            self._end_reading()
            self._database.execute("BEGIN")
            row = self._row("SELECT id FROM mirrored_tree WHERE tree = ?", self._name)
            self._tree = row[0] if row else 0
            return self._cursor()

    def apply(self, batch: MirrorBatch) -> None:
        """See `Mirror.apply`."""
        self._refuse_removed()
        with self._changing():
            self._refuse_superseded()
            self._take(batch)

    def rebuild(self, batches: Iterable[MirrorBatch]) -> None:
        """See `Mirror.rebuild`."""
        with self._changing():
            self._take_over()
            self._forget_files()
            for batch in batches:
                self._take(batch)

    def keep_alive(self) -> None:
        """See `Mirror.keep_alive`: nothing in here expires, but the file may be removed."""
        self._refuse_removed()

    def lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """See `Mirror.lines`."""
        yield from self._rows(
            "SELECT seq, CAST(raw AS BLOB) FROM mirrored_line WHERE file = ? ORDER BY seq", self._file(path)
        )

    def data(self, path: str) -> Iterator[bytes]:
        """See `Mirror.data`."""
        table = "content" if (source := source_of(path)) and source.sort is Sort.CONTENT else "piece"
        order = " ORDER BY offset" if table == "piece" else ""
        for (data,) in self._rows(
            f"SELECT data FROM mirrored_{table} WHERE file = ?{order}", self._file(path)
        ):
            yield data

    def trees(self) -> list[str]:
        """See `Mirror.trees`."""
        return [name for (name,) in self._rows("SELECT tree FROM mirrored_tree ORDER BY tree")]

    def identity(self) -> str:
        """See `Mirror.identity`: the file itself, whatever links and folders lead to it."""
        return f"file {self._inode}"

    def forget(self) -> None:
        """See `Mirror.forget`."""
        with self._changing():
            row = self._row("SELECT id FROM mirrored_tree WHERE tree = ?", self._name)
            if row is not None:
                self._tree = row[0]
                self._forget_files()
                self._database.execute("DELETE FROM mirrored_tree WHERE id = ?", (self._tree,))

    def close(self) -> None:
        """See `Mirror.close`."""
        with suppress(sqlite3.Error):
            self._database.close()

    # -- one transaction

    def _take(self, batch: MirrorBatch) -> None:
        run = self._database.execute
        for lines in batch.lines:
            self._take_lines(lines)
        for piece in batch.pieces:
            self._take_piece(piece)
        for content in batch.contents:
            self._take_content(content)
        for path, last in batch.counted.items():
            run("UPDATE mirrored_file SET counted = ? WHERE id = ?", (last, self._file_made(path)))
        for path, is_gone in batch.gone.items():
            run("UPDATE mirrored_file SET is_gone = ? WHERE id = ?", (is_gone, self._file_made(path)))
        run("UPDATE mirrored_tree SET at = ? WHERE id = ?", (batch.at, self._tree))

    def _take_lines(self, lines: Lines) -> None:
        file = self._file_made(lines.path)
        if lines.is_anew:
            self._database.execute("DELETE FROM mirrored_line WHERE file = ?", (file,))
        self._database.executemany(
            "INSERT OR IGNORE INTO mirrored_line (file, seq, at, type, raw) "
            f"VALUES ({file}, ?, ?, ?, CAST(? AS TEXT))",
            rows_of(lines),
        )
        self._move(file, lines.end, is_anew=lines.is_anew)

    def _take_piece(self, piece: FilePiece) -> None:
        file = self._file_made(piece.path)
        if piece.is_anew:
            self._database.execute("DELETE FROM mirrored_piece WHERE file = ?", (file,))
        if piece.data:
            self._database.execute(
                "INSERT OR IGNORE INTO mirrored_piece (file, offset, data) VALUES (?, ?, ?)",
                (file, piece.offset, piece.data),
            )
        self._move(file, (0, piece.offset + len(piece.data), piece.tail), is_anew=piece.is_anew)

    def _take_content(self, content: Content) -> None:
        file = self._file_made(content.path)
        if content.data is None:
            self._database.execute("DELETE FROM mirrored_content WHERE file = ?", (file,))
            self._database.execute("DELETE FROM mirrored_file WHERE id = ?", (file,))
            self._files.pop(content.path, None)
            return
        self._database.execute(
            "INSERT INTO mirrored_content (file, data) VALUES (?, ?) "
            "ON CONFLICT (file) DO UPDATE SET data = excluded.data",
            (file, content.data),
        )
        self._move(file, (0, len(content.data), content.sha256), is_anew=True)

    def _move(self, file: int, end: tuple[int, int, str], *, is_anew: bool) -> None:
        """Set the cursor of a file; never back, but where the file began anew."""
        self._database.execute(
            "UPDATE mirrored_file SET seq = ?, offset = ?, h = ?, is_gone = 0 "
            "WHERE id = ? AND (? OR offset < ?)",
            (*end, file, is_anew, end[1]),
        )

    def _file_made(self, path: str) -> int:
        known = self._files.get(path)
        if known is not None:
            return known
        source = source_of(path)
        if source is None:
            raise BadInput(f"{path}: is not a file that is mirrored")
        self._database.execute(
            "INSERT OR IGNORE INTO mirrored_file (tree, path, sort, what, agent, attempt, scope, counted) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._tree,
                path,
                source.sort.value,
                source.what,
                source.agent,
                source.attempt,
                source.scope,
                -1 if source.is_set_aside else None,
            ),
        )
        file = self._files[path] = self._file(path)
        return file

    def _file(self, path: str) -> int:
        """Find the number of a file; 0 for one that is not known."""
        row = self._row("SELECT id FROM mirrored_file WHERE tree = ? AND path = ?", self._tree, path)
        return row[0] if row else 0

    def _forget_files(self) -> None:
        for table in ("line", "piece", "content"):
            self._database.execute(f"DELETE FROM mirrored_{table} WHERE file IN {_MINE}", (self._tree,))
        self._database.execute("DELETE FROM mirrored_file WHERE tree = ?", (self._tree,))
        self._files.clear()

    def _take_over(self) -> None:
        self._database.execute(
            "INSERT INTO mirrored_tree (tree, follower, at) VALUES (?, ?, '') "
            "ON CONFLICT (tree) DO UPDATE SET follower = excluded.follower",
            (self._name, self._follower),
        )
        row = self._row("SELECT id FROM mirrored_tree WHERE tree = ?", self._name)
        self._tree = row[0] if row else 0
        self._files.clear()

    def _refuse_superseded(self) -> None:
        if self._row("SELECT 1 FROM mirrored_tree WHERE id = ? AND follower = ?", self._tree, self._follower):
            return
        raise Superseded(f"{self._path}: another follower of {self._name} has taken this mirror over")

    def _refuse_removed(self) -> None:
        """Whoever removed the file would wait for ever for what is written to one without a name."""
        if _inode(self._path) != self._inode:
            raise MirrorTrouble(f"{self._path}: was removed or replaced; it is filled again")

    def _cursor(self) -> Cursor:
        query = "SELECT path, sort, seq, offset, h, counted, is_gone FROM mirrored_file WHERE tree = ?"
        return cursor_of(self._database.execute(query, (self._tree,)))

    # -- the connection

    def _opened(self, *, may_make: bool) -> sqlite3.Connection:
        if not may_make and not is_regular(self._path):
            raise MirrorTrouble(f"{self._path}: is not there; maos-sup mirror rebuild makes it again")
        with self._translated():
            if may_make:
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNERS_ONLY))
            database = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            try:
                self._prepare(database, may_make=may_make)
            except BaseException:
                database.close()
                raise
            return database

    def _prepare(self, database: sqlite3.Connection, *, may_make: bool) -> None:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if version > VERSION or (tables and "mirrored_tree" not in tables):
            what = f"of version {version}" if version > VERSION else "a database of something else"
            raise BadInput(f"{self._path}: is {what}; name another file for the mirror")
        if not tables and not may_make:
            raise MirrorTrouble(f"{self._path}: is empty; maos-sup mirror rebuild fills it")
        if not tables:
            database.execute("PRAGMA page_size = 8192")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        if not tables:
            database.execute("BEGIN IMMEDIATE")
            for statement in statements():
                database.execute(statement)
            database.execute("COMMIT")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Do in one transaction all that is done inside, or nothing."""
        with self._translated():
            self._end_reading()
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                self._files.clear()
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    def _end_reading(self) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as cause:
            raise MirrorTrouble(f"{self._path}: {_why(cause)}") from cause

    def _row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return row

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with self._translated():
            yield from self._database.execute(query, values)


def _inode(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _why(cause: Exception) -> str:
    if isinstance(cause, OSError):
        return f"cannot be opened: {cause.strerror}; see that its folder is there and may be written to"
    text = str(cause)
    remedies: Mapping[str, str] = {
        "locked": "another process writes to it for long; a follower tries again",
        "malformed": "the file is damaged; remove it and say maos-sup mirror rebuild",
        "not a database": "name another file for the mirror",
        "full": "free some space",
        "unable to open": "see that its folder is there and may be written to",
    }
    remedy = next((remedy for word, remedy in remedies.items() if word in text), None)
    return f"{text}; {remedy}" if remedy else text
