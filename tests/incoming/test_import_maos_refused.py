"""What is no sound database of MAOS, or is being written, gets one clear error; nothing is placed."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from importing_maos import helper, imported, refused, trees
from maos_databases import ask, empty, endless_views, full

from state_layout.check import Severity, check


def locked(path: Path) -> Iterator[None]:
    with helper(f"d = sqlite3.connect({str(path)!r}, isolation_level=None)", "d.execute('BEGIN EXCLUSIVE')"):
        yield


def text(path: Path) -> None:
    path.write_text("SQLite format 3? no\n" * 20)


def foreign(path: Path) -> None:
    ask(path, ("CREATE TABLE agents (name TEXT)", ()))


def other_columns(path: Path) -> None:
    full(path)
    ask(path, ("ALTER TABLE tasks RENAME COLUMN description TO words", ()))


def newer_number(path: Path) -> None:
    full(path)
    ask(path, ("PRAGMA user_version = 7", ()))


def newer_column(path: Path) -> None:
    full(path)
    ask(path, ("ALTER TABLE agents ADD COLUMN parent TEXT", ()))


def newer_table(path: Path) -> None:
    full(path)
    ask(path, ("CREATE TABLE teams (id TEXT)", ()))


def cut_short(path: Path) -> None:
    full(path)
    os.truncate(path, path.stat().st_size - 3 * 4096)


def overwritten(path: Path) -> None:
    full(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(1).randbytes(4096 * 5))


def nothing_in_it(path: Path) -> None:
    empty(path)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def absent(path: Path) -> None:
    """There is none."""


BAD: list[tuple[Callable[[Path], None], int, str]] = [
    (absent, 2, "is not there"),
    (text, 2, "no SQLite database"),
    (foreign, 2, "no table orchestrations, tasks, sessions or messages"),
    (other_columns, 2, "it has no tasks.description"),
    (newer_number, 2, "newer MAOS than 0.9.4 (it has user_version 7)"),
    (newer_column, 2, "agents.parent"),
    (newer_table, 2, "(it has teams)"),
    (cut_short, 12, "is broken"),
    (overwritten, 12, "is broken"),
    (nothing_in_it, 2, "holds no orchestration"),
    (endless_views, 2, "no table orchestrations, agents, tasks, sessions or messages"),
    (pipe, 2, "is no file"),
]


@pytest.mark.parametrize(("spoil", "code", "words"), BAD, ids=[each[0].__name__ for each in BAD])
def test_what_is_no_sound_database_of_maos_gets_one_clear_error(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    home: Path,
    *,
    spoil: Callable[[Path], None],
    code: int,
    words: str,
) -> None:
    database = tmp_path / "maos.db"
    spoil(database)
    error = refused(capsys, code, str(database))
    assert str(database) in error and words in error
    assert not home.exists() or not any(home.iterdir())


def test_one_that_is_being_written_is_refused_and_can_be_taken_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = full(tmp_path / "maos.db")
    with contextmanager(locked)(database):
        assert "another process writes to it" in refused(capsys, 11, str(database))
    assert len(trees(imported(capsys, database))) == 2


def test_of_a_newer_one_is_taken_what_is_known_and_the_rest_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "maos.db"
    newer_column(database)
    ask(database, ("CREATE TABLE teams (id TEXT)", ()))
    told = imported(capsys, database, "--newer")
    assert {"teams", "agents.parent"} <= {row["what"] for row in told["beside"] if row["fate"] == "left out"}


def test_values_that_json_or_a_spec_has_no_form_for_come_along_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = full(tmp_path / "maos.db")
    ask(
        database,
        ("UPDATE orchestrations SET request = 'count' || char(0) || 'files', total_cost = 9e999", ()),
        ("UPDATE agents SET last_active = -9e999, type = 'the' || char(0) || 'one'", ()),
        ("UPDATE tasks SET description = char(0) || description, progress = 9e999", ()),
        ("UPDATE messages SET acknowledged = 9e999", ()),
    )
    made = trees(imported(capsys, database))
    assert len(made) == 2
    for tree in made.values():
        assert [each for each in check(tree) if each.severity is Severity.PROBLEM] == []
        assert b'"-inf"' in (tree.files / "maos" / "agents.jsonl").read_bytes()
