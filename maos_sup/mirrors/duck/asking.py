"""SQL over the files themselves, by DuckDB, with the views that mirrors have; the only place that imports it.

Nothing is set up and nothing is written into a tree. A file that is being written is read up to its last
whole line, and what was left out is said: a torn line would fail the query, and ignoring errors hides damage.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor, Sort
from maos_sup.mirrors.sources import FollowedFile, source_of
from maos_sup.mirrors.views import views
from state_layout.errors import BadInput, Damaged, StorageError, storage_error
from state_layout.files import atomic
from state_layout.files.reading import Unreadable, read_regular
from state_layout.host.inhabited import is_inhabited
from state_layout.paths import Tree
from state_layout.witness import id_of

_TAIL_BYTES = 1 << 16
_LARGEST_LINE_BYTES = 1 << 28
_SETTINGS: dict[
    str, str | bool | int | float | list[str]
] = {  # a query fetches nothing from the network by the way, and sees no variables of ours
    "autoinstall_known_extensions": "false",
    "python_enable_replacements": "false",
}
_ASKED_FOR = frozenset({"exit", "status", "agent_spec", "checkpoint"})
_FILE = "filename VARCHAR, tree VARCHAR, path VARCHAR, what VARCHAR, agent VARCHAR, attempt BIGINT, " + (
    "scope VARCHAR, counted BIGINT"
)
_LINE = """SELECT f.tree, f.path, f.what, f.agent, f.attempt, f.scope,
    CAST(json_extract_string(r.json, '$.seq') AS BIGINT) AS seq,
    json_extract_string(r.json, '$.at') AS written_at, json_extract_string(r.json, '$.type') AS type,
    r.json AS raw,
    coalesce(CAST(json_extract_string(r.json, '$.seq') AS BIGINT) > f.counted, false) AS is_void
    FROM {lines} AS r JOIN file AS f ON f.filename = r.filename"""
_NO_LINES = "(SELECT NULL::JSON AS json, NULL::VARCHAR AS filename WHERE false)"


class _DuckDb:
    """Says in DuckDB's SQL how to look into JSON."""

    def text(self, json: str, key: str) -> str:
        return f"json_extract_string({json}, '$.{key}')"

    def whole(self, json: str, key: str) -> str:
        return f"TRY_CAST({self.text(json, key)} AS BIGINT)"

    def real(self, json: str, key: str) -> str:
        return f"TRY_CAST({self.text(json, key)} AS DOUBLE)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlAnswer:
    """A query gives these: names of columns, and rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass(slots=True)
class _Gathered:
    """The files that are read, as rows of the table `file`."""

    files: list[tuple[Any, ...]] = field(default_factory=list)
    contents: list[tuple[Any, ...]] = field(default_factory=list)


class FileQueries:
    """Answers SQL about `trees` as they are when it is made. A context manager; `left_out` is for people."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        """Raises StorageError."""
        self.left_out: list[str] = []
        self._cuts = Path(tempfile.mkdtemp(prefix="maos-sup-sql-"))
        self._paths: dict[str, str] = {}  # of what stands in messages of DuckDB, as people know it
        self._database = duckdb.connect(config=_SETTINGS)
        try:
            gathered = _Gathered()
            for tree in trees:
                self._gather(tree, gathered)
            self._make(gathered)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was made for it."""
        self._database.close()
        shutil.rmtree(self._cuts, ignore_errors=True)

    def ask(self, query: str) -> SqlAnswer:
        """Answer `query`. Raises BadInput if it is not right, Damaged for a line that is no JSON."""
        with _translated(self._paths):
            found = self._database.execute(query)
            if found is None:
                raise BadInput("the query is empty; try: select * from live_tasks")
            columns = tuple(column[0] for column in found.description or ())
            return SqlAnswer(columns=columns, rows=found.fetchall() if columns else [])

    def write_parquet(self, query: str, path: Path) -> None:
        """Write the answer to the Parquet file `path`. Raises as `ask` does."""
        with _translated(self._paths):
            relation = self._database.sql(query)
            if relation is None:
                raise BadInput("that query gives no rows to write; use a select")
            relation.write_parquet(str(path))

    # -- what is read

    def _gather(self, tree: Tree, gathered: _Gathered) -> None:
        looker, name = Looker(tree, Cursor()), id_of(tree)
        looker.judge_all()
        is_lively = is_inhabited(tree)
        for path, stamp in looker.scanner.files.items():
            source = source_of(path)
            if source is None:
                continue
            if source.sort is Sort.LINES and stamp.size:
                exit_ = f"{path.removesuffix('journal.jsonl')}exit.json"
                is_written = is_lively and exit_ not in looker.scanner.files
                place = self._whole_lines(tree, path, is_written=is_written)
                if place is not None:
                    counted = -1 if source.is_set_aside else looker.cursor.counted.get(path)
                    gathered.files.append((place, *_row(name, path, source), counted))
                    self._paths[place] = path
            elif source.what in _ASKED_FOR:
                with suppress(FileNotFoundError, Unreadable):
                    data, _ = read_regular(tree.root / path)
                    text = data.decode("utf-8", "replace")
                    gathered.contents.append((*_row(name, path, source), text))
        self.left_out += [f"{trouble}" for trouble in looker.troubles.values()]

    def _whole_lines(self, tree: Tree, path: str, *, is_written: bool) -> str | None:
        """Find the path to read a file's whole lines at: its own, or a copy's; None if it has none.

        A file that `is_written` may be in the middle of a line again when DuckDB reads it.
        """
        file = tree.root / path
        try:
            with atomic.opened(file, os.O_RDONLY) as descriptor:
                size = os.fstat(descriptor).st_size
                end = _end_of_lines(descriptor, size)
                if end < size:
                    self.left_out.append(f"{path}: {size - end} bytes after its last whole line")
                if not end:
                    return None
                if end == size and not is_written:
                    return str(file)
                return self._copied(descriptor, end)
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise storage_error("read", file, cause) from cause

    def _copied(self, descriptor: int, end: int) -> str:
        place = self._cuts / f"{len(self._paths)}.jsonl"
        with atomic.opened(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as target:
            offset = 0
            while offset < end:
                data = os.pread(descriptor, min(1 << 20, end - offset), offset)
                if not data:
                    break
                atomic.write_all(target, data)
                offset += len(data)
        return str(place)

    def _make(self, gathered: _Gathered) -> None:
        run = self._database.execute
        run(f"CREATE TABLE file ({_FILE})")
        run(
            "CREATE TABLE content (tree VARCHAR, path VARCHAR, what VARCHAR, agent VARCHAR, attempt BIGINT, "
            "scope VARCHAR, data VARCHAR)"
        )
        for table, rows in (("file", gathered.files), ("content", gathered.contents)):
            if rows:  # column by column: row by row takes a hundred times as long
                columns = [list(column) for column in zip(*rows, strict=True)]
                run(f"INSERT INTO {table} SELECT {', '.join(['unnest(?)'] * len(columns))}", columns)
        run("UPDATE content SET data = NULL WHERE NOT json_valid(data)")  # what people broke
        places = ", ".join(_quoted(row[0]) for row in gathered.files)
        lines = (
            f"read_ndjson_objects([{places}], filename = true, maximum_object_size = {_LARGEST_LINE_BYTES})"
            if places
            else _NO_LINES
        )
        for name, query in ({"line": _LINE.format(lines=lines)} | views(_DuckDb())).items():
            run(f"CREATE VIEW {name} AS {query}")


def _row(name: str, path: str, source: FollowedFile) -> tuple[Any, ...]:
    return name, path, source.what, source.agent, source.attempt, source.scope


def _end_of_lines(descriptor: int, size: int) -> int:
    """Find the offset at which the last whole line of a file of `size` bytes ends."""
    end = size
    while end:
        begin = max(0, end - _TAIL_BYTES)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _translated(paths: Mapping[str, str]) -> Iterator[None]:
    """Turn errors of DuckDB into ours, with the paths that people know."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error).strip()
        for place, path in paths.items():
            text = text.replace(place, path)
        if "Malformed JSON" in text:
            raise Damaged(f"{text.splitlines()[0]}; see maos-sup check") from error
        if isinstance(error, duckdb.IOException):
            raise StorageError(text) from error
        raise BadInput(text) from error
