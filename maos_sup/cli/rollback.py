"""`rollback` and `redo`: take a whole team back to a checkpoint, and forward again."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_of_words, tree_or_default, word_of
from maos_sup.cli.says import say, say_json
from maos_sup.cuts import store
from maos_sup.cuts.going_back import Preview, preview_rollback
from maos_sup.cuts.take import take_cut, team_reader
from maos_sup.cuts.traces import TeamReader
from maos_sup.steering.resting import brought_to_rest
from maos_sup.supervisor.rewinding import finish_rewinding, last_rewinding, memory_at, rewind
from maos_sup.views.undoing import preview_json, preview_lines
from state_layout.errors import BadInput
from state_layout.paths import Tree

_USAGE = "say where to go: rollback [DIR|ID] CHECKPOINT (see: maos-sup checkpoints)"


@click.command("rollback")
@click.argument("words", metavar="[DIR|ID] CHECKPOINT", nargs=-1)
@click.option("--agent", "agents", metavar="A", multiple=True, help="Only this agent (may be repeated).")
@click.option("--dry-run", is_flag=True, help="Show what would go back; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.as_json
def rollback(
    words: tuple[str, ...], *, agents: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool
) -> int:
    """Take the team back to CHECKPOINT (a number, a name, or `latest`): conversations, mail, tasks, specs.

    Nothing is deleted: `redo` goes forward again. What was done outside of the tree is shown, not undone.
    """
    tree, rest = tree_of_words(words, 1, usage=_USAGE)
    if len(rest) != 1:
        raise click.UsageError(_USAGE)
    finish_rewinding(tree)
    cut = store.find(tree, rest[0])
    return _go(tree, cut.number, only=agents, dry_run=dry_run, yes=yes, as_json=as_json, word="rollback")


@click.command("redo")
@options.directory_or_default
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.as_json
def redo(directory: str | None, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Take back the last rollback: the team stands again where it stood before."""
    tree = tree_or_default(directory)
    finished = finish_rewinding(tree)
    last = last_rewinding(tree)
    is_again = last is not None and last.get("by") == "redo"
    if last is None or (is_again and finished is None):
        labels = ", ".join(cut.label for cut in store.all_cuts(tree)[0][-5:]) or "none"
        raise BadInput(
            "there is no rollback to take back; to go elsewhere: "
            f"maos-sup rollback {word_of(tree)} CHECKPOINT "
            f"(there is: {labels})"
        )
    number = int(last["cut" if is_again else "back"])  # a redo that was cut off is finished now
    return _go(tree, number, only=(), dry_run=dry_run, yes=yes, as_json=as_json, word="redo")


def _go(
    tree: Tree, number: int, *, only: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool, word: str
) -> int:
    cut = store.read(tree, number)
    reader = team_reader(tree)
    preview = preview_rollback(tree, cut, only=only, reader=reader)
    if not as_json:
        say("\n".join(preview_lines(preview)))
    if dry_run or preview.is_empty:
        if as_json:
            say_json(preview_json(preview))
        return edge.OK
    if not yes and not _agreed(word):
        say("nothing was changed")
        return edge.INTERRUPTED
    done = _carried_out(tree, number, reader, only=only, word=word)
    if as_json:
        say_json(preview_json(done))
    else:
        say(
            f"went to checkpoint {cut.label}; what was before is checkpoint {done.plan.back} "
            f"({'maos-sup redo ' + word_of(tree) if word == 'rollback' else 'rollback goes there'}). "
            f"Go on with: maos-sup resume {word_of(tree)}"
        )
    return edge.OK


def _carried_out(tree: Tree, number: int, reader: TeamReader, *, only: tuple[str, ...], word: str) -> Preview:
    """Bring the team to rest, keep where it stands, go; what was done."""
    with brought_to_rest(tree):
        cut = store.read(tree, number)
        why = f"before {word} to checkpoint {cut.label}"
        back = take_cut(tree, by=word, why=why, pinned=True, reader=reader)
        preview = preview_rollback(tree, cut, only=only, reader=reader)
        memory = None if only else memory_at(tree, cut.supervisor)
        plan = replace(preview.plan, back=back.number, memory=memory)
        rewind(tree, plan, by=word, why=f"asked for checkpoint {cut.label}")
        return replace(preview, plan=plan)


def _agreed(word: str) -> bool:
    if not sys.stdin.isatty():
        raise BadInput(f"nobody is there to agree to the {word}; say --yes, or look first with --dry-run")
    return click.confirm("go there?", default=False)
