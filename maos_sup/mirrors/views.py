"""The views that every database offers over its lines, written once; a dialect says how it looks into JSON.

Each view has a twin, `live_*`, without the lines that a later life took back. What the views are built on are
`line` (a row for each line, with its file) and `content` (a row for each small file).
"""

from __future__ import annotations

from typing import Protocol


class SqlDialect(Protocol):
    """Says in a database's SQL how to look into a line. `key` is a path such as `value.text`."""

    def text(self, json: str, key: str) -> str:
        """Write the value of `key` as text; objects and lists as JSON."""

    def whole(self, json: str, key: str) -> str:
        """Write the value of `key` as a whole number."""

    def real(self, json: str, key: str) -> str:
        """Write the value of `key` as a number."""


NAMES = ("agents", "tasks", "attempts", "turns", "tools", "mail", "costs", "state", "checkpoints", "lines")
_WHOLE_LINE = "tree, path, what, agent, attempt, scope, seq, written_at, type, raw"
_LINE = "tree, agent, attempt, seq, written_at"


def views(dialect: SqlDialect) -> dict[str, str]:
    """Each view's `select` by its name, in an order in which they can be made."""
    found = {"lines": f"SELECT {_WHOLE_LINE}, is_void FROM line"}
    found["attempts"] = _attempts(dialect)
    for name, query in (
        ("turns", _turns(dialect)),
        ("tools", _tools(dialect)),
        ("mail", _mail(dialect)),
        ("costs", _costs(dialect)),
        ("tasks", _tasks(dialect)),
        ("state", _state(dialect)),
    ):
        found[name] = query.format(line="line", is_void=", is_void")
        found[f"live_{name}"] = query.format(
            line="(SELECT * FROM line WHERE NOT is_void) AS line", is_void=""
        )
    found["live_lines"] = f"SELECT {_WHOLE_LINE} FROM line WHERE NOT is_void"
    found["live_attempts"] = "SELECT * FROM attempts WHERE live_lines > 0"
    found["checkpoints"] = found["live_checkpoints"] = _checkpoints(dialect)
    found["agents"] = found["live_agents"] = _agents(dialect)
    return found


def _turns(d: SqlDialect) -> str:
    return (
        f"SELECT {_LINE}, {d.text('raw', 'task')} AS task, {d.whole('raw', 'run')} AS run, "
        f"{d.text('raw', 'role')} AS role, {d.text('raw', 'key')} AS key, "
        f"coalesce({d.text('raw', 'text')}, {d.text('raw', 'content')}) AS text, "
        f"{d.text('raw', 'model')} AS model, {d.real('raw', 'cost_usd')} AS cost_usd, "
        f"{d.whole('raw', 'tokens')} AS tokens{{is_void}} "
        "FROM {line} WHERE what = 'journal' AND type = 'turn'"
    )


def _tools(d: SqlDialect) -> str:
    return (
        f"SELECT {_LINE}, type, {d.text('raw', 'task')} AS task, {d.whole('raw', 'run')} AS run, "
        f"{d.text('raw', 'id')} AS id, {d.text('raw', 'name')} AS name, {d.text('raw', 'input')} AS input, "
        f"{d.text('raw', 'content')} AS content, {d.text('raw', 'is_error')} AS is_error, "
        f"{d.real('raw', 'elapsed_s')} AS elapsed_s{{is_void}} "
        "FROM {line} WHERE what = 'journal' AND type IN ('tool_call', 'tool_result', 'called')"
    )


def _mail(d: SqlDialect) -> str:
    return (
        f"SELECT tree, agent AS sender, scope AS recipient, seq, written_at, "
        f"{d.whole('raw', 'attempt')} AS attempt, "
        f"type, {d.text('raw', 'text')} AS text, {d.text('raw', 'body')} AS body, "
        f"{d.text('raw', 'reply_to')} AS reply_to{{is_void}} FROM {{line}} WHERE what = 'mail'"
    )


def _costs(d: SqlDialect) -> str:
    cost, tokens = d.real("raw", "cost_usd"), d.whole("raw", "tokens")
    return (
        f"SELECT {_LINE}, type, {d.text('raw', 'task')} AS task, {d.text('raw', 'model')} AS model, "
        f"{cost} AS cost_usd, {tokens} AS tokens{{is_void}} "
        f"FROM {{line}} WHERE what = 'journal' AND ({cost} IS NOT NULL OR {tokens} IS NOT NULL)"
    )


def _tasks(d: SqlDialect) -> str:
    task = d.text("raw", "task")
    newest = f"row_number() OVER (PARTITION BY tree, {task} ORDER BY attempt DESC, seq DESC) = 1"
    return (
        f"SELECT {_LINE}, {task} AS task, {d.whole('raw', 'run')} AS run, "
        f"{d.text('raw', 'phase')} AS phase, {d.text('raw', 'result')} AS result, "
        f"{d.text('raw', 'error')} AS error, {d.whole('raw', 'exit_code')} AS exit_code, "
        f"{d.real('raw', 'elapsed_s')} AS elapsed_s, {newest} AS is_newest{{is_void}} "
        "FROM {line} WHERE what = 'journal' AND type = 'task'"
    )


def _state(d: SqlDialect) -> str:
    n = d.whole("raw", "n")
    newest = "row_number() OVER (PARTITION BY tree, scope, {key} ORDER BY {n} DESC)"
    return (
        f"SELECT tree, scope, {d.text('raw', 'key')} AS key, {d.text('raw', 'value')} AS value, type, "
        f"agent AS writer, seq, {n} AS n, written_at, "
        f"{newest.format(key=d.text('raw', 'key'), n=n)} = 1 AS is_newest{{is_void}} "
        "FROM {line} WHERE what = 'state'"
    )


def _attempts(d: SqlDialect) -> str:
    ended = d.text("content.data", "reason")
    return (
        "SELECT line.tree, line.agent, line.attempt, min(line.written_at) AS began_at, "
        f"max(content.ended_at) AS ended_at, max(content.reason) AS reason, count(*) AS lines, "
        "sum(CASE WHEN line.is_void THEN 0 ELSE 1 END) AS live_lines FROM line LEFT JOIN "
        f"(SELECT tree, agent, attempt, {ended} AS reason, {d.text('content.data', 'at')} AS ended_at "
        "FROM content WHERE what = 'exit') AS content ON content.tree = line.tree "
        "AND content.agent = line.agent AND content.attempt = line.attempt "
        "WHERE line.what = 'journal' GROUP BY line.tree, line.agent, line.attempt"
    )


def _checkpoints(d: SqlDialect) -> str:
    data = "content.data"
    return (
        f"SELECT tree, {d.whole(data, 'number')} AS number, {d.text(data, 'name')} AS name, "
        f"{d.text(data, 'at')} AS written_at, {d.text(data, 'by')} AS made_by, {d.text(data, 'why')} AS why, "
        f"{d.real(data, 'cost_usd')} AS cost_usd, {d.whole(data, 'tokens')} AS tokens "
        "FROM content WHERE what = 'checkpoint'"
    )


def _agents(d: SqlDialect) -> str:
    data = "content.data"
    told = (
        f"SELECT tree, agent, {d.text(data, 'phase')} AS phase, {d.whole(data, 'attempt')} AS attempt, "
        f"{d.real(data, 'cost_usd')} AS cost_usd, {d.whole(data, 'tokens')} AS tokens, "
        f"{d.text(data, 'at')} AS written_at FROM content WHERE what = 'status'"
    )
    return (
        f"SELECT content.tree, content.agent, {d.text(data, 'kind')} AS kind, "
        f"{d.text(data, 'role')} AS role, {d.text(data, 'want')} AS want, "
        "told.phase, told.attempt, told.cost_usd, told.tokens, told.written_at "
        f"FROM content LEFT JOIN ({told}) AS told "
        "ON told.tree = content.tree AND told.agent = content.agent WHERE content.what = 'agent_spec'"
    )
