"""`diff`: what differs between two moments, of one orchestration or of two that were one."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import name_of, tree_at, tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.cuts import store
from maos_sup.cuts.difference import Side, differences, spec_differences
from maos_sup.cuts.take import cut_of_now
from maos_sup.views.undoing import difference_json, difference_lines
from state_layout.errors import LayoutError
from state_layout.paths import Tree

_PARTS = ("agents", "tasks", "mail", "state", "cost", "specs")


@click.command("diff")
@click.argument("left", metavar="A")
@click.argument("right", metavar="[B]", required=False)
@click.option(
    "--dir", "directory", metavar="DIR|ID", help="Whose checkpoints A and B are; default: the newest."
)
@click.option(
    "--only", "parts", type=options.Word(_PARTS), multiple=True, help="Only this part (may be repeated)."
)
@options.as_json
def command(
    left: str, right: str | None, *, directory: str | None, parts: tuple[str, ...], as_json: bool
) -> None:
    """Show what differs between A and B: checkpoints, orchestrations, or ORCHESTRATION@CHECKPOINT.

    Without B, between A and now. A number or a name that is a checkpoint is one of DIR.
    """
    mine = _side(left, directory)
    theirs = _side(right, directory) if right is not None else _now(mine.tree)
    found = differences(mine, theirs)
    specs = spec_differences(mine, theirs)
    shown = frozenset(parts or _PARTS)
    if as_json:
        say_json(difference_json(mine, theirs, found, specs, shown))
    else:
        say("\n".join(difference_lines(mine, theirs, found, specs, shown)))


def _side(text: str, directory: str | None) -> Side:
    """The moment that `text` names. Raises NotATree, BadInput."""
    name, at, number = text.rpartition("@")
    if at and name:
        return _at(tree_at(name), number)
    if directory is not None:
        return _at(tree_at(directory), text)
    try:
        return _at(tree_or_default(None), text)
    except LayoutError as no_checkpoint:
        try:
            return _now(tree_at(text))
        except LayoutError:
            raise no_checkpoint from None


def _at(tree: Tree, text: str) -> Side:
    cut = store.find(tree, text)
    return Side(tree=tree, cut=cut, label=f"{name_of(tree)}@{cut.name or cut.number}")


def _now(tree: Tree) -> Side:
    return Side(tree=tree, cut=cut_of_now(tree), label=name_of(tree))
