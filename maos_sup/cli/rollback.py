"""`rollback` and `redo`: take a whole team back to a checkpoint, and forward again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial

import click

from maos_sup.cli import edge, files_back, options
from maos_sup.cli.places import tree_of_words, tree_or_default, word_of
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.cuts import store
from maos_sup.cuts.going_back import Preview, preview_rollback
from maos_sup.cuts.take import team_reader
from maos_sup.cuts.traces import TeamReader
from maos_sup.steering.resting import brought_to_rest
from maos_sup.supervisor.rewinding import finish_rewinding, last_rewinding
from maos_sup.supervisor.rolling_back import rolled_back
from maos_sup.system.followers import start_followers
from maos_sup.views.undoing import preview_json, preview_lines
from state_layout.errors import BadInput, Locked
from state_layout.files.locks import alone_in
from state_layout.paths import Tree

_USAGE = "say where to go: rollback [DIR|ID] CHECKPOINT (see: maos-sup checkpoints)"


@click.command("rollback")
@click.argument("words", metavar="[DIR|ID] CHECKPOINT", nargs=-1)
@click.option("--agent", "agents", metavar="A", multiple=True, help="Only this agent (may be repeated).")
@click.option("--files", "with_files", is_flag=True, help="Workspaces of agents go as well.")
@click.option("--dry-run", is_flag=True, help="Show what would go back; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.as_json
def rollback(
    words: tuple[str, ...],
    *,
    agents: tuple[str, ...],
    with_files: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Take the team back to CHECKPOINT (a number, a name, or `latest`): conversations, mail, tasks, specs.

    Nothing is deleted: `redo` goes forward again. What was done outside of the tree is shown, not undone.
    """
    tree, rest = tree_of_words(words, 1, usage=_USAGE)
    if len(rest) != 1:
        raise click.UsageError(_USAGE)
    finish_rewinding(tree)
    cut = store.find(tree, rest[0])
    manner = _Manner(word="rollback", only=agents, with_files=with_files)
    return _go(tree, cut.number, manner, dry_run=dry_run, yes=yes, as_json=as_json)


@click.command("redo")
@options.directory_or_default
@click.option("--files", "with_files", is_flag=True, help="Workspaces of agents go as well.")
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.as_json
def redo(directory: str | None, *, with_files: bool, dry_run: bool, yes: bool, as_json: bool) -> int:
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
    manner = _Manner(word="redo", only=(), with_files=with_files)
    return _go(tree, number, manner, dry_run=dry_run, yes=yes, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """The manner says what is asked: `word` is rollback or redo. `only`: agents, () for all. `with_files`:
    their workspaces go as well."""

    word: str
    only: tuple[str, ...]
    with_files: bool


def _go(tree: Tree, number: int, manner: _Manner, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    word, only = manner.word, manner.only
    known, cut = last_rewinding(tree), store.read(tree, number)
    reader = team_reader(tree)
    preview = preview_rollback(tree, cut, only=only, reader=reader)
    if not as_json:
        say("\n".join(preview_lines(preview)))
    if dry_run or (preview.is_empty and not manner.with_files):
        if as_json:
            say_json(preview_json(preview))
        return edge.OK
    if not yes and not _agreed(word):
        say("nothing was changed")
        return edge.INTERRUPTED
    busy = f"{tree.root}: another rollback is under way; look again then"
    with alone_in(tree.checkpoints, busy=busy):  # whoever else goes meanwhile: his way back would hide ours
        if last_rewinding(tree) != known:
            raise Locked(f"{tree.root}: another rollback came first; look where the team stands now")
        done, moved = _carried_out(tree, number, reader, manner)
    start_followers(tree)  # mirrors follow at once, not only when the team goes on
    for line in moved:
        say_aside(line)
    if as_json:
        say_json(preview_json(done))
    else:
        say(
            f"went to checkpoint {cut.label}; what was before is checkpoint {done.plan.back} "
            f"({'maos-sup redo ' + word_of(tree) if word == 'rollback' else 'rollback goes there'}). "
            f"Go on with: maos-sup resume {word_of(tree)}"
        )
    return edge.OK


def _carried_out(tree: Tree, number: int, reader: TeamReader, manner: _Manner) -> tuple[Preview, list[str]]:
    """Bring the team to rest, keep where it stands, go; what was done, and what became of files."""
    word, only = manner.word, manner.only
    with brought_to_rest(tree):
        keep = partial(files_back.keep, tree) if manner.with_files else None
        done = rolled_back(tree, number, by=word, word=word, only=only, reader=reader, keep=keep)
        moved = [*files_back.restore(tree, done.cut, only=only)] if manner.with_files else []
        return done, moved


def _agreed(word: str) -> bool:
    if not sys.stdin.isatty():
        raise BadInput(f"nobody is there to agree to the {word}; say --yes, or look first with --dry-run")
    return click.confirm("go there?", default=False)
