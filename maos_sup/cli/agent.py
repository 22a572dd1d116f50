"""`agent ...`: what an agent's program may call from a shell. Thin: `agents.program` does it."""

from __future__ import annotations

import os
import time
from typing import Any

import click
from msgspec.structs import asdict

from maos_sup.agents import program
from maos_sup.cli import options
from maos_sup.cli.agent_state import commands as state
from maos_sup.cli.says import say_exactly, say_json
from state_layout.files import codec
from state_layout.records import MESSAGE_TYPES, Message
from state_layout.shapes.rules import Number

_LOOK_S = 0.1


@click.group("agent", no_args_is_help=True)
def commands() -> None:
    """Record, send and ask from a shell, as an agent's program. Each verb is durable when it returns."""


@commands.command("send")
@click.argument("to", metavar="TO")
@click.argument("text", required=False)
@click.option("--body", metavar="JSON", help="Structured content.")
@click.option(
    "--type", "type_", type=options.Word(MESSAGE_TYPES), default="info", help="What sort of message."
)
@click.option("--reply-to", metavar="ID", help="The message that this answers.")
def send(to: str, text: str | None, *, body: str | None, type_: str, reply_to: str | None) -> None:
    """Send TEXT to the agent TO, or to all."""
    content = options.body_of(body)
    program.send(os.environ, to, text=text, body=content, type=type_, reply_to=reply_to)


@commands.command("inbox")
@click.option("--ack", "is_ack", is_flag=True, help="Acknowledge them: they do not come again.")
@click.option("--limit", metavar="N", type=options.count(), help="At most N.")
@click.option("--wait", "wait_s", metavar="SECONDS", type=options.AmountType(), help="Wait for one so long.")
@options.as_json
def inbox(*, is_ack: bool, limit: int | None, wait_s: float | None, as_json: bool) -> None:
    """Print the messages that wait: id, type and text of each, tab-separated."""
    until_s = time.monotonic() + (wait_s or 0.0)
    while not (messages := program.inbox(os.environ, limit=limit, is_ack=is_ack)):
        if time.monotonic() >= until_s:
            break
        time.sleep(_LOOK_S)
    if as_json:
        say_json({"messages": [_plain(message) for message in messages]})
    elif messages:
        say_exactly("\n".join(f"{message.id}\t{message.type}\t{_said(message)}" for message in messages))


@commands.command("ack")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def ack(ids: tuple[str, ...]) -> None:
    """Acknowledge messages by id, and all before them of each sender."""
    program.ack(os.environ, list(ids))


@commands.command("discover")
@click.argument("text")
def discover(text: str) -> None:
    """Tell TEXT to all agents, as a discovery."""
    program.discover(os.environ, text)


@commands.command("progress", context_settings=options.NUMBERS_MAY_BE_NEGATIVE)
@click.argument("value", type=options.AmountType(Number(), wish="a number, 1 for all done"))
@click.argument("note", required=False)
def progress(value: float, note: str | None) -> None:
    """Say how far it is, from 0 to 1."""
    program.progress(os.environ, value, note=note)


@commands.command("checkpoint")
@click.argument("value", required=False)
def checkpoint(value: str | None) -> None:
    """Keep VALUE (JSON, or else text) for a later attempt; without VALUE print what was kept."""
    if value is None:
        say_exactly(codec.encode(program.saved(os.environ)).decode())
    else:
        program.checkpoint(os.environ, _json_or_text(value))


@commands.command("result")
@click.argument("value")
def result(value: str) -> None:
    """Say what the task came to: VALUE, JSON or else text. It counts when the program exits with 0."""
    program.result(os.environ, _json_or_text(value))


@commands.command("artifact")
@click.argument("path", type=click.Path())
def artifact(path: str) -> None:
    """Hand over the file PATH; prints where it is kept."""
    say_exactly(str(program.artifact(os.environ, path)))


@commands.command("ask")
@click.argument("question")
@click.option("--timeout", "timeout_s", metavar="SECONDS", type=options.AmountType(), help="Wait no longer.")
def ask(question: str, *, timeout_s: float | None) -> None:
    """Ask a person; prints yes or no, and what was said with it, or none in time."""
    answer = program.ask(os.environ, question, timeout_s=timeout_s)
    say_exactly("none" if answer is None else f"{'yes' if answer.is_yes else 'no'} {answer.text}".rstrip())


commands.add_command(state)


def _json_or_text(text: str) -> Any:
    try:
        return codec.decode(text)
    except codec.NotJson:
        return text


def _plain(message: Message) -> dict[str, object]:
    return {"id": message.id, **asdict(message)}


def _said(message: Message) -> str:
    said = message.body if message.text is None else message.text
    text = said if isinstance(said, str) else codec.encode(said).decode()
    return " ".join(text.split())
