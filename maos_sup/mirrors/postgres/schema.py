"""The tables of a mirror in PostgreSQL, in the schema `maos`, and the views over them.

Lines are kept as bytes. Looking into one that is no JSON text, or for a number that no column can hold,
gives nothing; it does not fail the query. The functions that see to it catch errors, which before PostgreSQL
17 fails in plans with several workers: so none of them is said to be safe there.
"""

from __future__ import annotations

from maos_sup.mirrors.views import views

SCHEMA = "maos"
VERSION = 1
_TABLES = (
    "CREATE SCHEMA maos",
    "CREATE TABLE maos.mirrored_version (version integer NOT NULL)",
    f"INSERT INTO maos.mirrored_version VALUES ({VERSION})",
    """CREATE TABLE maos.mirrored_tree (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tree text NOT NULL UNIQUE,
        follower text NOT NULL, at text NOT NULL)""",
    """CREATE TABLE maos.mirrored_file (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tree bigint NOT NULL REFERENCES maos.mirrored_tree (id), path text NOT NULL,
        sort text NOT NULL, what text NOT NULL, agent text, attempt bigint, scope text,
        seq bigint NOT NULL DEFAULT 0, "offset" bigint NOT NULL DEFAULT 0, h text NOT NULL DEFAULT '',
        counted bigint, is_gone boolean NOT NULL DEFAULT false, UNIQUE (tree, path))""",
    """CREATE TABLE maos.mirrored_line (
        file bigint NOT NULL, seq bigint NOT NULL, at text, type text, raw bytea NOT NULL,
        PRIMARY KEY (file, seq))""",
    """CREATE TABLE maos.mirrored_piece (
        file bigint NOT NULL, "offset" bigint NOT NULL, data bytea NOT NULL, PRIMARY KEY (file, "offset"))""",
    "CREATE TABLE maos.mirrored_content (file bigint PRIMARY KEY, data bytea NOT NULL)",
    r"""CREATE FUNCTION maos.as_json(bytea) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
        DECLARE
            found json;
        BEGIN
            found := replace(convert_from($1, 'UTF8'), '\u0000', '\ufffd');
            IF found::text ~ '\\u[dD][89abAB]' THEN  -- json takes halves of pairs, and fails when it is asked
                PERFORM found::jsonb;
            END IF;
            RETURN found;
        EXCEPTION WHEN others THEN
            RETURN NULL;
        END $$""",
    *(
        f"""CREATE FUNCTION maos.{name}(text) RETURNS {type_} LANGUAGE plpgsql IMMUTABLE STRICT AS $$
        BEGIN
            RETURN $1::{cast};
        EXCEPTION WHEN others THEN
            RETURN NULL;
        END $$"""
        for name, type_, cast in (
            ("as_whole", "bigint", "numeric::bigint"),
            ("as_real", "double precision", "double precision"),
        )
    ),
)
_BASES = {
    "line": """SELECT t.tree, f.path, f.what, f.agent, f.attempt, f.scope, l.seq, l.at AS written_at, l.type,
        maos.as_json(l.raw) AS raw, (f.counted IS NOT NULL AND l.seq > f.counted) AS is_void
        FROM maos.mirrored_line AS l JOIN maos.mirrored_file AS f ON f.id = l.file
        JOIN maos.mirrored_tree AS t ON t.id = f.tree""",
    "content": """SELECT t.tree, f.path, f.what, f.agent, f.attempt, maos.as_json(c.data) AS data
        FROM maos.mirrored_content AS c JOIN maos.mirrored_file AS f ON f.id = c.file
        JOIN maos.mirrored_tree AS t ON t.id = f.tree""",
}


class Postgres:
    """Says in PostgreSQL's SQL how to look into JSON."""

    def text(self, json: str, key: str) -> str:
        return f"({json} ->> '{key}')"

    def whole(self, json: str, key: str) -> str:
        return self._number(json, key, "as_whole")

    def real(self, json: str, key: str) -> str:
        return self._number(json, key, "as_real")

    def _number(self, json: str, key: str, function: str) -> str:
        is_number = f"json_typeof({json} -> '{key}') = 'number'"
        return f"CASE WHEN {is_number} THEN maos.{function}({json} ->> '{key}') END"


def statements() -> list[str]:
    """List the statements that make the schema, for one transaction whose search path begins with it."""
    named = _BASES | views(Postgres())
    return [*_TABLES, *(f"CREATE VIEW maos.{name} AS {query}" for name, query in named.items())]
