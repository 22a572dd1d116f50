"""A database of MAOS 0.8.8 to 0.9.4, opened so that nothing about it changes.

It has no mark of its version, so it is known by its tables and columns; 0.8.8 lacks some. SQLite itself would
write into the folder of a database with a journal or a write-ahead log beside it: of such a one a copy is
read, log included. Others are read in place, as files that nobody changes, and it is asked at the end.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from state_layout.errors import BadInput, Damaged, Locked, storage_error
from state_layout.files.looking import is_regular
from state_layout.files.reading import is_there
from state_layout.shapes.wording import listed

NEWEST = "0.9.4"
TABLES: Mapping[str, str] = {
    "orchestrations": "id request status agents batches total_cost total_duration_ms successful_agents "
    "total_agents created_at completed_at last_updated active_agents message_count summary metadata",
    "agents": "id name type session_id process_id status capabilities created_at last_active metadata",
    "tasks": "id parent_task_id description status assigned_agents subtasks progress result created_at "
    "started_at completed_at",
    "sessions": "session_id agent_id task conversation_history turn_count total_cost status created_at "
    "updated_at",
    "messages": "id from_agent to_agent message message_type timestamp acknowledged",
    "checkpoints": "id name description orchestrator_state agent_sessions task_states message_history "
    "created_at",
    "key_value_store": "key value updated_at",
}
_NEEDED: Mapping[str, str] = {
    "orchestrations": "id request",
    "agents": "id",
    "tasks": "id description",
    "sessions": "session_id agent_id",
    "messages": "from_agent message",
}
_ORDERS = {"messages": "id", "orchestrations": "created_at, rowid"}
_MAGIC = b"SQLite format 3\0"
_WAL_VERSION = 2
_ENDINGS = (".db", ".sqlite", ".sqlite3")
_PATIENCE_S = 2.0
_COPIES = 3
Row = Mapping[str, object]


class MaosDatabase:
    """The object reads the rows of an open database, as dictionaries by column."""

    def __init__(self, path: Path, connection: sqlite3.Connection, columns: Mapping[str, list[str]]) -> None:
        self.path, self._connection, self._columns = path, connection, columns

    def rows(self, table: str, where: str = "", *values: object) -> Iterator[Row]:
        """Yield the rows of `table`, none if it is not there. Raises BadInput, Damaged, Locked."""
        if table not in self._columns:
            return
        order = _ORDERS.get(table, "rowid")
        query = f"SELECT * FROM {table} {where} ORDER BY {order}"
        with _translated(self.path):
            cursor = self._connection.execute(query, values)
            names = [each[0] for each in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))

    @property
    def unknown(self) -> list[str]:
        """The tables and columns that MAOS up to 0.9.4 does not have."""
        found = [name for name in self._columns if name not in TABLES]
        for table, known in TABLES.items():
            extra = set(self._columns.get(table, ())) - set(known.split())
            found += [f"{table}.{column}" for column in sorted(extra)]
        return found


@contextmanager
def opened(path: Path, *, may_be_newer: bool = False) -> Iterator[MaosDatabase]:
    """Give the rows of the database `path`, which is only read.

    Raises BadInput for what is no database of MAOS, or of a newer one unless it `may_be_newer`; Damaged for a
    broken one; Locked for one that somebody writes; StorageError.
    """
    try:
        if is_there(path) and not is_regular(path):
            raise BadInput(f"{path}: is no file; name a database of MAOS, like ~/.maos/maos.db")
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError as cause:
        raise BadInput(f"{path}: is not there; name a database of MAOS, like ~/.maos/maos.db") from cause
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    if not head.startswith(_MAGIC):
        raise BadInput(f"{path}: is no SQLite database, so none of MAOS")
    if head[18:19] != bytes([_WAL_VERSION]):
        _refuse_locked(path)
    with tempfile.TemporaryDirectory(prefix="maos-sup-import-") as folder:
        before = _state(path)
        copy = _copied(path, Path(folder)) if any(_beside(path)) else None
        uri = f"{(copy or path.absolute()).as_uri()}{'' if copy else '?mode=ro&immutable=1'}"
        with _translated(path), closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            yield _examined(path, connection, may_be_newer=may_be_newer)
        if copy is None and _state(path) != before:
            raise Locked(_changing(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDatabase:
    """A database that looks like one of MAOS."""

    path: Path
    orchestrations: int
    agents: int


def databases_in(folders: Iterable[Path]) -> Iterator[FoundDatabase]:
    """Yield the databases of MAOS that lie in `folders`, by their tables. Never raises."""
    for folder in folders:
        for path in sorted(each for ending in _ENDINGS for each in folder.glob(f"*{ending}")):
            with suppress(sqlite3.Error, OSError, TypeError):
                if is_regular(path) and _begins_as_one(path):
                    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
                    with closing(sqlite3.connect(uri, uri=True)) as connection:
                        if not _NEEDED.keys() <= _tables(connection).keys():
                            continue
                        counts = [
                            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                            for table in _NEEDED
                        ]
                    yield FoundDatabase(path=path, orchestrations=counts[0], agents=counts[1])


def _begins_as_one(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _tables(connection: sqlite3.Connection) -> dict[str, None]:
    """The names of real tables, in order: what a view tells may never end."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    )
    return dict.fromkeys(name for (name,) in names)


def _examined(path: Path, connection: sqlite3.Connection, *, may_be_newer: bool) -> MaosDatabase:
    """The database, if it is sound and of MAOS."""
    columns = {
        name: [
            row[1] for row in connection.execute(f'PRAGMA table_info("{name.replace(chr(34), chr(34) * 2)}")')
        ]
        for name in _tables(connection)
    }
    missing = [table for table in _NEEDED if table not in columns]
    if missing:
        raise BadInput(f"{path}: is no database of MAOS: it has no table {listed(missing, last='or')}")
    lacking = [
        f"{table}.{column}"
        for table, needed in _NEEDED.items()
        for column in needed.split()
        if column not in columns[table]
    ]
    if lacking:
        raise BadInput(
            f"{path}: is no database of MAOS up to {NEWEST}: it has no {listed(lacking, last='or')}"
        )
    found = MaosDatabase(path, connection, columns)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (version or found.unknown) and not may_be_newer:
        signs = [*([f"user_version {version}"] if version else []), *found.unknown]
        raise BadInput(
            f"{path}: is of a newer MAOS than {NEWEST} (it has {listed(signs, last='and')}); "
            "use a newer maos-sup, or take what is known with --newer"
        )
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise Damaged(_broken(path, str(verdict)))
    return found


def _refuse_locked(path: Path) -> None:
    """Raise Locked while somebody holds it for writing. Takes a reader's lock for a moment."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE_S)) as connection:
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.DatabaseError as cause:
            if cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise Locked(_changing(path)) from cause
            # a journal that a crash left, which a reader may not roll back; damage shows later


def _beside(path: Path) -> list[Path]:
    """The journal and the log of `path` that are there and not empty."""
    found = [path.with_name(f"{path.name}{end}") for end in ("-journal", "-wal")]
    return [each for each in found if is_regular(each) and each.stat().st_size]


def _copied(path: Path, folder: Path) -> Path:
    """A copy of `path` and what lies beside it, of one moment. Raises Locked if there is none."""
    for number in range(_COPIES):
        before = _state(path)
        try:
            for each in (path, *_beside(path)):
                shutil.copyfile(each, folder / each.name)
        except OSError as cause:
            raise storage_error("copy", path, cause) from cause
        if _state(path) == before:
            return folder / path.name
        for left in folder.iterdir():
            left.unlink()
        time.sleep(0.2 * (number + 1))
    raise Locked(_changing(path))


def _state(path: Path) -> list[tuple[str, int, int, int]]:
    stats = [(each.name, each.stat()) for each in (path, *_beside(path))]
    return [(name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as cause:
        code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise BadInput(f"{path}: is no SQLite database, or an encrypted one") from cause
        if code == sqlite3.SQLITE_BUSY:
            raise Locked(_changing(path)) from cause
        raise Damaged(_broken(path, str(cause))) from cause


def _changing(path: Path) -> str:
    return f"{path}: another process writes to it; stop MAOS, then import again"


def _broken(path: Path, why: str) -> str:
    shown = " ".join(why.split())
    remedy = f"mend a copy first: sqlite3 {path} .recover | sqlite3 NEW.db"
    return f"{path}: the database is broken ({shown}); {remedy}"
