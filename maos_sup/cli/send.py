"""`send DIR TO TEXT`: a person's message to an agent, or to all."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_at
from maos_sup.cli.says import say
from maos_sup.steering.sending import send
from state_layout.records import MESSAGE_TYPES


@click.command("send")
@options.directory
@click.argument("to", metavar="TO")
@click.argument("text", required=False)
@click.option(
    "--type", "type_", type=options.Word(MESSAGE_TYPES), default="info", help="What sort of message."
)
@click.option("--body", metavar="JSON", help="Structured content, any JSON.")
def command(directory: str, to: str, text: str | None, *, type_: str, body: str | None) -> None:
    """Send TEXT to the agent TO, or to every agent (TO is "all"). Durable when the command returns."""
    tree = tree_at(directory)
    say(str(send(tree, to, text, body=options.body_of(body), type_=type_)))
