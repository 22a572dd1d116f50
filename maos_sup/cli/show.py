"""`show`: what an agent said, did and was told, as a text to read."""

from __future__ import annotations

import time

import click

from maos_sup.cli import options
from maos_sup.cli.logs import meant
from maos_sup.cli.says import say, say_json
from maos_sup.views.files import printable
from maos_sup.views.status import Watcher
from maos_sup.views.transcript import TranscriptReading
from state_layout.errors import BadInput

_LOOK_S = 0.2


@click.command("show")
@options.directory_or_default
@click.argument("agents", metavar="[AGENT]", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on until nobody works any more.")
@click.option("--raw", "is_raw", is_flag=True, help="What its programs wrote, and no more.")
@options.as_json
def command(
    directory: str | None, agents: tuple[str, ...], *, follow: bool, is_raw: bool, as_json: bool
) -> None:
    """Print the transcript of an AGENT: prompts, answers, calls of tools and what they gave, questions.

    Times are UTC. What a program wrote stands below the number of its attempt.
    """
    tree, names = meant(directory, agents)
    if len(names) != 1:
        raise BadInput(f"show is about one agent; name one of {', '.join(names)}")
    reading = TranscriptReading(tree, names[0], is_raw=is_raw, kept=None)
    if as_json:
        say_json({"agent": names[0], "lines": [*reading.lines()]})
        return
    watcher = Watcher(tree)
    while True:
        status = watcher.status() if follow else None
        lines = [printable(line) for line in reading.news()]
        if lines:
            say("\n".join(lines))
        if status is None or not (status["counts"]["alive"] or status["supervisor"]["alive"]):
            return
        time.sleep(_LOOK_S)
