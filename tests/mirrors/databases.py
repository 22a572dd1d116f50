"""Real databases for tests of mirrors: each has a URL, opens mirrors, and is asked in its own language."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from maos_sup.mirrors.mirror import Mirror
from maos_sup.mirrors.registry import open_mirror


class Database(Protocol):
    """A database under test."""

    url: str

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows that `query` gives."""


class SqliteFile:
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:{path}"

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as database:
            return database.execute(query).fetchall()


@contextmanager
def sqlite_file(folder: Path) -> Iterator[SqliteFile]:
    """A SQLite file in `folder`."""
    yield SqliteFile(folder / "mirror.db")


@contextmanager
def opened(database: Database, tree: str) -> Iterator[Mirror]:
    """The mirror of `tree` in `database`, closed at the end."""
    mirror = open_mirror(database.url, tree, may_make=True)
    try:
        yield mirror
    finally:
        mirror.close()


SQL: dict[str, Callable[[Path], AbstractContextManager[Database]]] = {"sqlite": sqlite_file}
DATABASES = SQL
