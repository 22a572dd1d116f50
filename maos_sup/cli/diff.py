"""`diff`: what agents changed of their project; or what differs between two moments of orchestrations."""

from __future__ import annotations

import click

from maos_sup.cli import changed, options
from maos_sup.cli.places import name_of, tree_at, tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.cuts import store
from maos_sup.cuts.difference import Side, differences, shared_differences, spec_differences
from maos_sup.cuts.take import cut_of_now
from maos_sup.views.undoing import difference_json, difference_lines
from state_layout.errors import BadInput, LayoutError
from state_layout.paths import Tree

_PARTS = ("agents", "tasks", "mail", "state", "cost", "specs")


@click.command("diff")
@click.argument("words", metavar="A [B] | [DIR|ID] [AGENT]...", nargs=-1)
@click.option("--stat", "shows_stat", is_flag=True, help="Files and lines that each agent changed.")
@click.option("--patch", "shows_patch", is_flag=True, help="Those changes as a patch.")
@click.option("--since", metavar="CHECKPOINT", help="What they changed since this checkpoint of the team.")
@click.option(
    "--dir", "directory", metavar="DIR|ID", help="Whose checkpoints A and B are; default: the newest."
)
@click.option(
    "--only", "parts", type=options.Word(_PARTS), multiple=True, help="Only this part (may be repeated)."
)
@options.as_json
def command(
    words: tuple[str, ...],
    *,
    shows_stat: bool,
    shows_patch: bool,
    since: str | None,
    directory: str | None,
    parts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what each AGENT (or all) changed in a worktree of its own, and who changed the same files.

    Or what differs between A and B: checkpoints, orchestrations, or ORCHESTRATION@CHECKPOINT; without B,
    between A and now. A number or a name that is a checkpoint is one of DIR, which may come first: DIR A [B].
    """
    if (
        shows_stat
        or shows_patch
        or since is not None
        or (directory is None and not parts and changed.is_meant(words))
    ):
        changed.show(words, directory=directory, shows_patch=shows_patch, as_json=as_json, since=since)
        return
    if directory is None and len(words) > 1 and _names_owner(words[0], words[1:]):
        directory, words = words[0], words[1:]
    if len(words) not in (1, 2):
        raise BadInput("name one or two checkpoints or orchestrations: diff A [B], or diff DIR A [B]")
    left, right = words[0], words[1] if len(words) > 1 else None
    mine = _side(left, directory)
    theirs = _side(right, directory) if right is not None else _now(mine.tree)
    found = differences(mine, theirs)
    specs, shared = spec_differences(mine, theirs), shared_differences(mine, theirs)
    shown = frozenset(parts or _PARTS)
    if as_json:
        say_json(difference_json(mine, theirs, found, specs, shown, shared=shared))
    else:
        say("\n".join(difference_lines(mine, theirs, found, specs, shown, shared=shared)))


def _names_owner(word: str, checkpoints: tuple[str, ...]) -> bool:
    """The `word` is the orchestration whose `checkpoints` the others are, as with `rollback DIR`."""
    try:
        store.find(tree_or_default(None), word)
    except LayoutError:
        try:
            tree = tree_at(word)
            return all(store.find(tree, text) for text in checkpoints)
        except LayoutError:
            return False
    return False


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
