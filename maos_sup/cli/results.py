"""`results`: what tasks came to, whole."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_at, tree_or_default
from maos_sup.cli.says import say, say_aside, say_exactly, say_json
from maos_sup.steering.wanting import known_task
from maos_sup.views.records import results_of
from state_layout.errors import NotATree
from state_layout.files import codec
from state_layout.files.looking import is_regular
from state_layout.paths import Tree, is_name

_USAGE = "give at most an orchestration and a task: results [DIR|ID] [TASK]"


@click.command("results")
@click.argument("words", metavar="[DIR|ID] [TASK]", nargs=-1)
@options.as_json
def command(words: tuple[str, ...], *, as_json: bool) -> None:
    """Print what tasks came to; of one TASK its result alone, for another program to read.

    A single word that names no orchestration is a task of the newest.
    """
    if len(words) > 2:
        raise click.UsageError(_USAGE)
    tree, task = _meant(words)
    results = results_of(tree)
    if task is not None:
        known_task(tree, task)
        results = {task: results[task]} if task in results else {}
    if as_json:
        say_json({"results": results})
    elif not results:
        say_aside("no result yet" if task is None else f"task {task} has no result yet")
    elif task is not None:
        say_exactly(_text(results[task]))
    else:
        say("\n".join(f"{name}:\n" + _indented(_text(result)) for name, result in results.items()))


def _meant(words: tuple[str, ...]) -> tuple[Tree, str | None]:
    """Find the tree and the task; a single word is a task of the default tree, where there is such a one."""
    if len(words) == 2:
        return tree_at(words[0]), words[1]
    if not words:
        return tree_or_default(None), None
    try:
        default = tree_or_default(None)
    except NotATree:
        return tree_at(words[0]), None
    if is_name(words[0]) and is_regular(default.task_spec(words[0])):
        return default, words[0]
    try:
        return tree_at(words[0]), None
    except NotATree:
        return default, words[0]


def _text(result: object) -> str:
    return result if isinstance(result, str) else codec.encode_pretty(result).decode().rstrip()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
