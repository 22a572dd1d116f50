"""`send DIR TO TEXT`: a person's message to an agent, or to all."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_of_words
from maos_sup.cli.says import say
from maos_sup.steering.sending import send
from state_layout.records import MESSAGE_TYPES

_USAGE = "say to whom, and what: send [DIR|ID] TO TEXT (quote a TEXT of several words)"


@click.command("send")
@click.argument("words", metavar="[DIR|ID] TO [TEXT]", nargs=-1)
@click.option(
    "--type", "type_", type=options.Word(MESSAGE_TYPES), default="info", help="What sort of message."
)
@click.option("--body", metavar="JSON", help="Structured content, any JSON.")
def command(words: tuple[str, ...], *, type_: str, body: str | None) -> None:
    """Send TEXT to the agent TO, or to every agent (TO is "all"). Durable when the command returns."""
    tree, rest = tree_of_words(words, 2 if body is None else 1, usage=_USAGE)
    if not 1 <= len(rest) <= 2:
        raise click.UsageError(_USAGE)
    text = rest[1] if len(rest) == 2 else None
    say(str(send(tree, rest[0], text, body=options.body_of(body), type_=type_)))
