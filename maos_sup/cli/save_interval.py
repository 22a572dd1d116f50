"""`save-interval DIR SECONDS`."""

from __future__ import annotations

import click

from maos_sup.agents.kind import kind_shapes
from maos_sup.cli import options
from maos_sup.cli.places import tree_at
from maos_sup.cli.says import say
from maos_sup.steering.setting import set_key


@click.command("save-interval", context_settings=options.NUMBERS_MAY_BE_NEGATIVE)
@options.directory
@click.argument("seconds", metavar="SECONDS")
def command(directory: str, seconds: str) -> None:
    """Let raw output of programs stay unsaved for at most SECONDS (a power cut may take that much)."""
    say(str(set_key(tree_at(directory), "intervals.save_s", seconds, kinds=kind_shapes())))
