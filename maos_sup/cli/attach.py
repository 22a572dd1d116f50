"""`attach`: watch, and nothing else."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.follow import Manner, follow
from maos_sup.cli.heads import remembered
from maos_sup.cli.places import tree_or_default


@click.command("attach")
@options.directory_or_default
@options.plain
def command(directory: str | None, *, is_plain: bool) -> int:
    """Watch an orchestration until it comes to rest. Ctrl+C ends the view only.

    In a terminal: a screen with keys (? shows them). Elsewhere, and with --plain: a line for each event.
    """
    tree = tree_or_default(directory)
    with remembered(tree):
        return follow(tree, Manner(pauses=False, is_plain=is_plain))
