"""`checkpoint`: keep this moment of the whole team. `checkpoints`: list and show what was kept.

What agents do is saved always; a checkpoint names one moment of it, to which `rollback` goes.
"""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_or_default, word_of
from maos_sup.cli.says import say, say_json
from maos_sup.cuts import store
from maos_sup.cuts.take import take_cut
from maos_sup.views.resumption import resumption_lines, resumption_of
from maos_sup.views.undoing import cut_details, cut_lines
from state_layout.errors import BadInput

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
    cut = take_cut(tree, by="operator", why=name or "asked for", name=name, pinned=pinned)
    resumption = resumption_of(tree)
    if as_json:
        say_json({**resumption, "checkpoint": cut.to_json()})
        return
    say("\n".join(resumption_lines(resumption)))
    word = cut.name or cut.number
    say(f"checkpoint {cut.label}; go back to it with: maos-sup rollback {word_of(tree)} {word}")


@click.command("checkpoints")
@options.directory_or_default
@click.option(
    "--show", "which", metavar="CHECKPOINT", help="One of them, in full: a number, a name or latest."
)
@options.as_json
def listing(directory: str | None, *, which: str | None, as_json: bool) -> None:
    """List the checkpoints of a team, or show one."""
    tree = tree_or_default(directory)
    if which is not None:
        cut = store.find(tree, which)
        if as_json:
            say_json(cut.to_json())
        else:
            say("\n".join(cut_details(cut)))
        return
    cuts, problems = store.all_cuts(tree)
    if as_json:
        say_json({"checkpoints": [cut.to_json() for cut in cuts], "problems": problems})
    else:
        say("\n".join(cut_lines(cuts, problems)))


def _refuse_name(name: str | None) -> None:
    if name is None:
        return
    if name.isdigit() or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise BadInput(
            f"--name is {name[:80]!r}; use 1 to {_LONGEST_NAME} printable characters, not only digits "
            "(those are numbers of checkpoints)"
        )
