"""`attach`: watch, and nothing else."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.follow import Manner, follow
from maos_sup.cli.places import tree_or_default


@click.command("attach")
@options.directory_or_default
def command(directory: str | None) -> int:
    """Watch an orchestration until it comes to rest. Ctrl+C ends the view only."""
    return follow(tree_or_default(directory), Manner(pauses=False))
