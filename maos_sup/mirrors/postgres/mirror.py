"""The part of a PostgreSQL database that mirrors one tree; the only place that imports psycopg.

Each transaction holds an advisory lock of the tree, so two followers never interleave, and the name of the
follower in the tree's row decides which of them may write: the one that came last. (A lock held for life
would keep everybody out for as long as the session of a host that is gone lingers.) NOTIFY `maos` tells news.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from maos_sup.mirrors.addresses import shown_url
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
from maos_sup.mirrors.postgres.schema import VERSION, statements
from maos_sup.mirrors.rows import cursor_of, rows_of
from maos_sup.mirrors.sources import source_of
from state_layout.errors import BadInput

_CONNECT_S = 10
_LOCK_S = 5  # longest wait for a lock of another session; its maker may be at rest for days
_OPTIONS = {
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 40_000,
}
_COPY = "COPY maos.mirrored_line (file, seq, at, type, raw) FROM STDIN (FORMAT BINARY)"
_INSERT = (
    "INSERT INTO maos.mirrored_line (file, seq, at, type, raw) SELECT %s, * FROM "
    "unnest(%s::bigint[], %s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING"
)
_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_ROWS_AT_ONCE = 200
_MAKING = 0x6D616F73  # one maker of the schema at a time


class PostgresMirror:
    """See `mirror.Mirror`. `tree` is the id of the orchestration."""

    def __init__(self, url: str, tree: str, *, may_make: bool) -> None:
        """Raises MirrorTrouble, and BadInput for a schema of a newer version."""
        self._url, self._name = url, tree
        self._follower = secrets.token_hex(8)
        self._files: dict[str, int] = {}
        self._tree = 0
        self._is_copying = False
        with self._translated():
            told = make_conninfo(url, connect_timeout=_CONNECT_S, application_name="maos-sup", **_OPTIONS)
            self._database = psycopg.connect(told, autocommit=True)
        try:
            with self._translated():
                self._run(f"SET lock_timeout = '{_LOCK_S}s'")
                self._prepare(may_make=may_make)
        except BaseException:
            self.close()
            raise

    def cursor(self) -> Cursor:
        """See `Mirror.cursor`."""
        with self._changing():
            self._take_over()
            return self._cursor()

    def look(self) -> Cursor:
        """See `Mirror.look`."""
        with self._translated():
            self._end_reading()
            self._run(_BEGIN_READING)
            row = self._row("SELECT id FROM maos.mirrored_tree WHERE tree = %s", self._name)
            self._tree = row[0] if row else 0
            return self._cursor()

    def apply(self, batch: MirrorBatch) -> None:
        """See `Mirror.apply`."""
        with self._changing():
            self._refuse_superseded()
            self._take(batch)
            self._run("SELECT pg_notify('maos', %s)", self._name)

    def rebuild(self, batches: Iterable[MirrorBatch]) -> None:
        """See `Mirror.rebuild`."""
        self._is_copying = True
        try:
            with self._changing():
                self._take_over()
                self._forget_files()
                for batch in batches:
                    self._take(batch)
                self._run("SELECT pg_notify('maos', %s)", self._name)
        finally:
            self._is_copying = False

    def keep_alive(self) -> None:
        """See `Mirror.keep_alive`: nothing in here expires."""

    def lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """See `Mirror.lines`."""
        query = "SELECT seq, raw FROM maos.mirrored_line WHERE file = %s ORDER BY seq"
        for seq, raw in self._streamed(query, self._file(path)):
            yield seq, bytes(raw)

    def data(self, path: str) -> Iterator[bytes]:
        """See `Mirror.data`."""
        query = 'SELECT data FROM maos.mirrored_piece WHERE file = %s ORDER BY "offset"'
        if (source := source_of(path)) and source.sort is Sort.CONTENT:
            query = "SELECT data FROM maos.mirrored_content WHERE file = %s"
        for (data,) in self._streamed(query, self._file(path)):
            yield bytes(data)

    def trees(self) -> list[str]:
        """See `Mirror.trees`."""
        with self._translated():
            rows = self._run("SELECT tree FROM maos.mirrored_tree ORDER BY tree").fetchall()
        return [name for (name,) in rows]

    def identity(self) -> str:
        """See `Mirror.identity`: the database of the server that was started at that microsecond.

        It is counted since 1970: as a time of day it would be another one in each session's own zone.
        """
        query = (
            "SELECT extract(epoch FROM pg_postmaster_start_time())::text, oid::text FROM pg_database "
            "WHERE datname = current_database()"
        )
        with self._translated():
            return f"database {self._row(query)}"

    def forget(self) -> None:
        """See `Mirror.forget`."""
        with self._changing():
            row = self._row("SELECT id FROM maos.mirrored_tree WHERE tree = %s", self._name)
            if row is not None:
                self._tree = row[0]
                self._forget_files()
                self._run("DELETE FROM maos.mirrored_tree WHERE id = %s", self._tree)

    def close(self) -> None:
        """See `Mirror.close`."""
        with suppress(psycopg.Error):
            self._database.close()

    # -- one transaction

    def _take(self, batch: MirrorBatch) -> None:
        for lines in batch.lines:
            self._take_lines(lines)
        for piece in batch.pieces:
            self._take_piece(piece)
        for content in batch.contents:
            self._take_content(content)
        for path, last in batch.counted.items():
            self._run("UPDATE maos.mirrored_file SET counted = %s WHERE id = %s", last, self._file_made(path))
        for path, is_gone in batch.gone.items():
            self._run(
                "UPDATE maos.mirrored_file SET is_gone = %s WHERE id = %s", is_gone, self._file_made(path)
            )
        self._run("UPDATE maos.mirrored_tree SET at = %s WHERE id = %s", batch.at, self._tree)

    def _take_lines(self, lines: Lines) -> None:
        file = self._file_made(lines.path)
        if lines.is_anew:
            self._run("DELETE FROM maos.mirrored_line WHERE file = %s", file)
        if self._is_copying:
            with self._database.cursor() as cursor, cursor.copy(_COPY) as copy:
                copy.set_types(("int8", "int8", "text", "text", "bytea"))
                for row in rows_of(lines):
                    copy.write_row((file, *row))
        else:
            self._run(_INSERT, file, *map(list, zip(*rows_of(lines), strict=True)))
        self._move(file, lines.end, is_anew=lines.is_anew)

    def _take_piece(self, piece: FilePiece) -> None:
        file = self._file_made(piece.path)
        if piece.is_anew:
            self._run("DELETE FROM maos.mirrored_piece WHERE file = %s", file)
        if piece.data:
            self._run(
                'INSERT INTO maos.mirrored_piece (file, "offset", data) VALUES (%s, %s, %s) '
                "ON CONFLICT DO NOTHING",
                file,
                piece.offset,
                piece.data,
            )
        self._move(file, (0, piece.offset + len(piece.data), piece.tail), is_anew=piece.is_anew)

    def _take_content(self, content: Content) -> None:
        file = self._file_made(content.path)
        if content.data is None:
            self._run("DELETE FROM maos.mirrored_content WHERE file = %s", file)
            self._run("DELETE FROM maos.mirrored_file WHERE id = %s", file)
            self._files.pop(content.path, None)
            return
        self._run(
            "INSERT INTO maos.mirrored_content (file, data) VALUES (%s, %s) "
            "ON CONFLICT (file) DO UPDATE SET data = excluded.data",
            file,
            content.data,
        )
        self._move(file, (0, len(content.data), content.sha256), is_anew=True)

    def _move(self, file: int, end: tuple[int, int, str], *, is_anew: bool) -> None:
        """Set the cursor of a file; never back, but where the file began anew."""
        self._run(
            'UPDATE maos.mirrored_file SET seq = %s, "offset" = %s, h = %s, is_gone = false '
            'WHERE id = %s AND (%s OR "offset" < %s)',
            *end,
            file,
            is_anew,
            end[1],
        )

    def _file_made(self, path: str) -> int:
        known = self._files.get(path)
        if known is not None:
            return known
        source = source_of(path)
        if source is None:
            raise BadInput(f"{path}: is not a file that is mirrored")
        self._run(
            "INSERT INTO maos.mirrored_file (tree, path, sort, what, agent, attempt, scope, counted) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            self._tree,
            path,
            source.sort.value,
            source.what,
            source.agent,
            source.attempt,
            source.scope,
            -1 if source.is_set_aside else None,
        )
        file = self._files[path] = self._file(path)
        return file

    def _file(self, path: str) -> int:
        """Find the number of a file; 0 for one that is not known."""
        with self._translated():
            row = self._row(
                "SELECT id FROM maos.mirrored_file WHERE tree = %s AND path = %s", self._tree, path
            )
        return row[0] if row else 0

    def _forget_files(self) -> None:
        for table in ("line", "piece", "content"):
            self._run(
                f"DELETE FROM maos.mirrored_{table} WHERE file IN "
                "(SELECT id FROM maos.mirrored_file WHERE tree = %s)",
                self._tree,
            )
        self._run("DELETE FROM maos.mirrored_file WHERE tree = %s", self._tree)
        self._files.clear()

    def _take_over(self) -> None:
        row = self._row(
            "INSERT INTO maos.mirrored_tree (tree, follower, at) VALUES (%s, %s, '') "
            "ON CONFLICT (tree) DO UPDATE SET follower = excluded.follower RETURNING id",
            self._name,
            self._follower,
        )
        self._tree = row[0] if row else 0
        self._files.clear()

    def _refuse_superseded(self) -> None:
        query = "SELECT 1 FROM maos.mirrored_tree WHERE id = %s AND follower = %s"
        if self._row(query, self._tree, self._follower) is None:
            raise Superseded(f"{self._shown}: another follower of {self._name} has taken this mirror over")

    def _cursor(self) -> Cursor:
        query = (
            'SELECT path, sort, seq, "offset", h, counted, is_gone FROM maos.mirrored_file WHERE tree = %s'
        )
        return cursor_of(self._run(query, self._tree))

    # -- the connection

    @property
    def _shown(self) -> str:
        return shown_url(self._url)

    def _prepare(self, *, may_make: bool) -> None:
        if self._version() is None:
            if not may_make:
                raise MirrorTrouble(f"{self._shown}: holds no mirror; maos-sup mirror rebuild makes it")
            self._run("SELECT pg_advisory_lock(%s)", _MAKING)
            if (
                self._version() is None
            ):  # in a transaction of its own, or it would not see what was made meanwhile
                self._make()
            self._run("SELECT pg_advisory_unlock(%s)", _MAKING)
        if (version := self._version() or 0) > VERSION:
            raise BadInput(f"{self._shown}: the schema maos is of version {version}; use a newer maos-sup")

    def _make(self) -> None:
        with self._database.transaction():
            self._run("SET LOCAL search_path TO maos, pg_catalog")
            for statement in statements():
                self._run(statement)

    def _version(self) -> int | None:
        if self._row("SELECT to_regclass('maos.mirrored_version')") in (None, (None,)):
            return None
        row = self._row("SELECT version FROM maos.mirrored_version")
        return row[0] if row else None

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Do in one transaction all that is done inside, or nothing."""
        with self._translated():
            self._end_reading()
            try:
                with self._database.transaction():
                    self._run("SELECT pg_advisory_xact_lock(hashtextextended('maos ' || %s, 0))", self._name)
                    yield
            except BaseException:
                self._files.clear()
                raise

    def _end_reading(self) -> None:
        if self._database.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._run("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, OSError) as cause:
            raise MirrorTrouble(f"{self._shown}: {_why(cause)}") from cause

    def _run(self, query: str, *values: Any) -> psycopg.Cursor[Any]:
        return self._database.execute(query, values or None)

    def _row(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._run(query, *values).fetchone()
        return row

    def _streamed(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows, never all in memory; who stops early leaves the transaction as it was."""
        with self._translated():
            if self._database.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                self._run(_BEGIN_READING)
            with self._database.cursor(name="maos", scrollable=False) as cursor:
                cursor.itersize = _ROWS_AT_ONCE
                yield from cursor.execute(query, values)


def _why(cause: Exception) -> str:
    text = " ".join(str(cause).split()) or type(cause).__name__
    if isinstance(cause, errors.LockNotAvailable):
        return (
            f"another session has held a lock that is needed for over {_LOCK_S} s; a follower tries "
            "again (who holds it: SELECT pid, query FROM pg_stat_activity WHERE state LIKE 'idle in%')"
        )
    if isinstance(cause, errors.InsufficientPrivilege):
        return f"{text}; grant CREATE on the database, or have its owner run it once"
    return text
