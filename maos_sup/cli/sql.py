"""`sql`: ask the files of one orchestration, or of all, in SQL. Nothing is set up, nothing is written."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maos_sup.cli import options
from maos_sup.cli.places import all_trees, tree_of_words
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.mirrors.views import NAMES
from maos_sup.views.render import one_line, table, terminal_width
from state_layout.errors import BadInput, LayoutError
from state_layout.paths import Tree

if TYPE_CHECKING:
    from maos_sup.mirrors.duck.asking import FileQueries, SqlAnswer

_USAGE = "say what: sql [DIR|ID] QUERY, sql --home QUERY, or sql --shell"
_LONGEST_CELL = 200
_MOST_SAID = 5


@click.command("sql")
@click.argument("words", metavar="[DIR|ID] [QUERY]", nargs=-1)
@click.option("--home", "of_home", is_flag=True, help="Over all orchestrations in the home.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--parquet",
    "parquet",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the answer to a Parquet file.",
)
@click.option("--shell", "is_shell", is_flag=True, help="Ask again and again; a query ends with ;")
@options.as_json
def command(
    words: tuple[str, ...],
    *,
    of_home: bool,
    as_csv: bool,
    parquet: Path | None,
    is_shell: bool,
    as_json: bool,
) -> None:
    """Answer QUERY, in SQL, from the files: views agents, attempts, tasks, turns, tools, mail, costs, state,
    checkpoints, lines; and live_* of each, without what a rollback or a crash took back.
    """
    trees, query = _meant(words, of_home=of_home, is_shell=is_shell)
    with _asking(trees) as asking:
        for note in asking.left_out[:_MOST_SAID]:
            say_aside(f"note: left out: {note}")
        if len(asking.left_out) > _MOST_SAID:
            say_aside(f"note: and {len(asking.left_out) - _MOST_SAID} more")
        if is_shell:
            _converse(asking)
        elif parquet is not None:
            asking.write_parquet(query, parquet)
            say(f"written: {parquet}")
        else:
            _print(asking.ask(query), as_csv=as_csv, as_json=as_json)


def _meant(words: tuple[str, ...], *, of_home: bool, is_shell: bool) -> tuple[list[Tree], str]:
    if of_home:
        if len(words) != (0 if is_shell else 1):
            raise click.UsageError(_USAGE)
        return all_trees(), "".join(words)
    if is_shell:
        if len(words) > 1:
            raise click.UsageError(_USAGE)
        tree, _ = tree_of_words((*words, "") if words else ("",), 1, usage=_USAGE)
        return [tree], ""
    tree, rest = tree_of_words(words, 1, usage=_USAGE)
    if len(rest) != 1:
        raise click.UsageError(_USAGE)
    return [tree], rest[0]


def _asking(trees: list[Tree]) -> FileQueries:
    try:
        from maos_sup.mirrors.duck.asking import FileQueries
    except ImportError as cause:
        raise BadInput(
            f"{cause.name or 'duckdb'} is not installed; in a checkout: pip install '.[sql]'"
        ) from cause
    return FileQueries(trees)


def _print(answer: SqlAnswer, *, as_csv: bool = False, as_json: bool = False) -> None:
    if as_json:
        rows = [dict(zip(answer.columns, map(_plain, row), strict=True)) for row in answer.rows]
        say_json({"rows": rows})
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
        sys.stdout.flush()
    elif answer.columns:
        rows_ = [tuple(_cell(value) for value in row) for row in answer.rows]
        say("\n".join(table(answer.columns, rows_, width=terminal_width(), by_worth=())))
        say_aside(f"{len(answer.rows)} row{'' if len(answer.rows) == 1 else 's'}")


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = one_line(str(value))
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _converse(asking: FileQueries) -> None:
    """Read queries from stdin until it ends, or .quit; a wrong one is said and not the end."""
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        import readline  # noqa: F401 - lines can be edited and repeated

        say_aside(f"views: {', '.join(NAMES)}, and live_* of each; a query ends with ; and .quit ends this")
    text = ""
    while True:
        prompt = ("...> " if text else "sql> ") if is_terminal else ""
        try:
            line = input(prompt)
        except EOFError:
            break
        if not text and line.strip() in (".quit", ".exit", "exit", "quit"):
            break
        text = f"{text}\n{line}" if text else line
        if text.rstrip().endswith(";"):
            _try(asking, text)
            text = ""
    if text.strip():
        _try(asking, text)


def _try(asking: FileQueries, query: str) -> None:
    try:
        _print(asking.ask(query))
    except LayoutError as error:
        say_aside(str(error))
