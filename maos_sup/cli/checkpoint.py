"""`checkpoint`: keep this moment of the whole team. `checkpoints`: list and show what was kept.

What agents do is saved always; a checkpoint names one moment of it, to which `rollback` goes.
"""

from __future__ import annotations

import shlex

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_or_default, word_of
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.cuts import store
from maos_sup.cuts.take import take_cut
from maos_sup.cuts.thinning import thin, thinned
from maos_sup.views.resumption import resumption_lines, resumption_of
from maos_sup.views.undoing import cut_details, cut_lines
from state_layout.errors import BadInput
from state_layout.specs import read_specs

_LONGEST_NAME = 64


@click.command("checkpoint")
@options.directory_or_default
@click.option("--name", metavar="N", help="A name to find it by; named ones are kept for ever.")
@click.option("--pin", "pinned", is_flag=True, help="Keep it for ever.")
@options.as_json
def command(directory: str | None, *, name: str | None, pinned: bool, as_json: bool) -> None:
    """Keep this moment of the whole team; show what is saved and from where each agent would resume.

    Nobody is paused: the moment is found in the journals.
    """
    tree = tree_or_default(directory)
    _refuse_name(name)
    older = [cut.number for cut in store.all_cuts(tree)[0] if cut.name == name] if name else []
    cut = take_cut(tree, by="operator", why=name or "asked for", name=name, pinned=pinned)
    resumption = resumption_of(tree)
    if as_json:
        say_json({**resumption, "checkpoint": cut.to_json()})
        return
    say("\n".join(resumption_lines(resumption)))
    word = shlex.quote(cut.name or str(cut.number))
    if older:
        numbers = ", ".join(map(str, older))
        say_aside(f"note: {numbers} had the name {name!r} too; it means {cut.number} now, those go by number")
    say(f"checkpoint {cut.label}; go back to it with: maos-sup rollback {word_of(tree)} {word}")


@click.command("checkpoints")
@click.argument("words", metavar="[show|cleanup] [DIR|ID] [CHECKPOINT]", nargs=-1)
@click.option("--dry-run", is_flag=True, help="With cleanup: only say what would be removed.")
@options.as_json
def listing(words: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """List the checkpoints of a team, `show` one, or `cleanup`: thin them by `keep` in spec/.

    Named and pinned ones stay. No record goes with a checkpoint: it only names a moment.
    """
    verb, rest = (words[0], words[1:]) if words[:1] in (("show",), ("cleanup",)) else ("list", words)
    if verb == "show":
        _show(rest, as_json=as_json)
    elif len(rest) > 1:
        raise click.UsageError(f"unexpected {rest[1]!r}; to see one: checkpoints show [DIR|ID] CHECKPOINT")
    elif verb == "cleanup":
        _clean_up(rest[0] if rest else None, dry_run=dry_run, as_json=as_json)
    else:
        _list(rest[0] if rest else None, as_json=as_json)


def _show(words: tuple[str, ...], *, as_json: bool) -> None:
    if not 1 <= len(words) <= 2:
        raise click.UsageError("say which one: checkpoints show [DIR|ID] CHECKPOINT")
    cut = store.find(tree_or_default(words[0] if len(words) == 2 else None), words[-1])
    if as_json:
        say_json(cut.to_json())
    else:
        say("\n".join(cut_details(cut)))


def _list(directory: str | None, *, as_json: bool) -> None:
    cuts, problems = store.all_cuts(tree_or_default(directory))
    if as_json:
        say_json({"checkpoints": [cut.to_json() for cut in cuts], "problems": problems})
    else:
        say("\n".join(cut_lines(cuts, problems)))


def _clean_up(directory: str | None, *, dry_run: bool, as_json: bool) -> None:
    tree = tree_or_default(directory)
    rule = read_specs(tree).specs.orchestration.keep
    gone = thinned(tree, rule) if dry_run else thin(tree, rule)
    if as_json:
        say_json({"dry_run": dry_run, "removed": [cut.number for cut in gone]})
        return
    what = "would be removed" if dry_run else "removed"
    labels = ", ".join(cut.label for cut in gone)
    say(f"{what}: {labels}" if gone else "every checkpoint is kept by the rule in spec/orchestration.json")


def _refuse_name(name: str | None) -> None:
    if name is None:
        return
    if name in store.NEWEST:
        raise BadInput(f"--name is {name!r}, which always means the newest checkpoint; use another name")
    if name.isdigit() or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise BadInput(
            f"--name is {name[:80]!r}; use 1 to {_LONGEST_NAME} printable characters, not only digits "
            "(those are numbers of checkpoints)"
        )
