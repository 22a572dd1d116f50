"""`version`."""

from __future__ import annotations

import platform

import click

from maos_sup import __version__
from maos_sup.cli import options
from maos_sup.cli.says import say, say_json
from state_layout.paths import FORMAT_VERSION, FORMAT_WORD


@click.command("version")
@options.as_json
def command(*, as_json: bool) -> None:
    """Print the version of the program and of the format of its trees."""
    if as_json:
        python = platform.python_version()
        say_json({"version": __version__, "format": f"{FORMAT_WORD} {FORMAT_VERSION}", "python": python})
    else:
        say(f"maos-sup {__version__} (trees: {FORMAT_WORD} {FORMAT_VERSION})")
