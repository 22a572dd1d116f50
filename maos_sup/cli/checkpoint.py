"""`checkpoint`: what is saved. Everything always is; this shows it."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.views.resumption import resumption_lines, resumption_of


@click.command("checkpoint")
@options.directory_or_default
@options.as_json
def command(directory: str | None, *, as_json: bool) -> None:
    """Show what is saved and from where each agent would resume. All is saved always; this only looks."""
    tree = tree_or_default(directory)
    resumption = resumption_of(tree)
    if as_json:
        say_json(resumption)
    else:
        say("\n".join(resumption_lines(resumption)))
