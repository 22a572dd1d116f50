"""The tables of a mirror in SQLite, and the views over them."""

from __future__ import annotations

from maos_sup.mirrors.views import views

VERSION = 1
_TABLES = (
    """CREATE TABLE IF NOT EXISTS mirrored_tree (
        id INTEGER PRIMARY KEY, tree TEXT NOT NULL UNIQUE, follower TEXT NOT NULL, at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS mirrored_file (
        id INTEGER PRIMARY KEY, tree INTEGER NOT NULL REFERENCES mirrored_tree (id), path TEXT NOT NULL,
        sort TEXT NOT NULL, what TEXT NOT NULL, agent TEXT, attempt INTEGER, scope TEXT,
        seq INTEGER NOT NULL DEFAULT 0, offset INTEGER NOT NULL DEFAULT 0, h TEXT NOT NULL DEFAULT '',
        counted INTEGER, is_gone INTEGER NOT NULL DEFAULT 0, UNIQUE (tree, path))""",
    """CREATE TABLE IF NOT EXISTS mirrored_line (
        file INTEGER NOT NULL, seq INTEGER NOT NULL, at TEXT, type TEXT, raw TEXT NOT NULL,
        PRIMARY KEY (file, seq)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS mirrored_piece (
        file INTEGER NOT NULL, offset INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (file, offset)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS mirrored_content (file INTEGER PRIMARY KEY, data BLOB NOT NULL)",
)
_BASES = {
    "line": """SELECT t.tree AS tree, f.path, f.what, f.agent, f.attempt, f.scope, l.seq, l.at AS written_at,
        l.type, l.raw,
        (f.counted IS NOT NULL AND l.seq > f.counted) AS is_void
        FROM mirrored_line AS l JOIN mirrored_file AS f ON f.id = l.file
        JOIN mirrored_tree AS t ON t.id = f.tree""",
    "content": """SELECT t.tree AS tree, f.path, f.what, f.agent, f.attempt, CAST(c.data AS TEXT) AS data
        FROM mirrored_content AS c JOIN mirrored_file AS f ON f.id = c.file
        JOIN mirrored_tree AS t ON t.id = f.tree""",
}


class Sqlite:
    """Says in SQLite's SQL how to look into JSON; in broken files of people it finds nothing."""

    def text(self, json: str, key: str) -> str:
        return f"CASE WHEN json_valid({json}) THEN json_extract({json}, '$.{key}') END"

    def whole(self, json: str, key: str) -> str:
        return f"CAST({self.text(json, key)} AS INTEGER)"

    def real(self, json: str, key: str) -> str:
        return f"CAST({self.text(json, key)} AS REAL)"


def statements() -> list[str]:
    """List the statements that make tables and views, each where it is not there."""
    return [
        *_TABLES,
        *(
            f"CREATE VIEW IF NOT EXISTS {name} AS {query}"
            for name, query in (_BASES | views(Sqlite())).items()
        ),
        f"PRAGMA user_version = {VERSION}",
    ]
