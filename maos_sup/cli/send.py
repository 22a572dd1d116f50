"""`send DIR TO TEXT`: a person's message to an agent, or to all."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_at
from maos_sup.cli.says import say
from maos_sup.cli.wanted import known_agent, prompt
from maos_sup.views.sight import is_here, see_agent
from state_layout.errors import BadInput
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree
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
    if not text and body is None:
        raise BadInput("nothing to send; give TEXT, or --body with JSON")
    if to != "all":
        known_agent(tree, to)
    append_operator_message(tree, to, text=text, body=options.body_of(body), type=type_)
    prompt(tree, *([] if to == "all" else [to]))
    say(f"sent to {to}{_when(tree, to)}")


def _when(tree: Tree, to: str) -> str:
    if to == "all":
        return ""
    return (
        ""
        if see_agent(tree, to, here=is_here(tree)).pid is not None
        else "; it is not running and reads it when it runs next"
    )
