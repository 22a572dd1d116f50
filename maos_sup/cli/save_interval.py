"""`save-interval DIR SECONDS`."""

from __future__ import annotations

import click

from maos_sup.agents.registry import kind_shapes
from maos_sup.cli import options
from maos_sup.cli.places import tree_of_words
from maos_sup.cli.says import say
from maos_sup.steering.setting import set_key

_USAGE = "say how many seconds: save-interval [DIR|ID] SECONDS"


@click.command("save-interval", context_settings=options.NUMBERS_MAY_BE_NEGATIVE)
@click.argument("words", metavar="[DIR|ID] SECONDS", nargs=-1)
@click.option("--name", "name", metavar="NAME", hidden=True, help="As MAOS called DIR.")
def command(words: tuple[str, ...], *, name: str | None) -> None:
    """Let raw output of programs stay unsaved for at most SECONDS (a power cut may take that much)."""
    options.refuse_unknown(words)
    tree, rest = tree_of_words((name, *words) if name else words, 1, usage=_USAGE)
    if len(rest) != 1:
        raise click.UsageError(_USAGE)
    say(str(set_key(tree, "intervals.save_s", rest[0], kinds=kind_shapes())))
