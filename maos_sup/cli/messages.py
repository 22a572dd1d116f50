"""`messages`: what agents and people wrote to each other."""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.steering.wanting import known_agent
from maos_sup.views.mailbox import Mailbox
from maos_sup.views.render import message_lines
from maos_sup.views.status import Watcher
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.paths import Tree
from state_layout.records import MESSAGE_TYPES

if TYPE_CHECKING:
    from maos_sup.views.shapes import MessageShown

_LOOK_S = 0.15
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)")
_TIME_OF_DAY = re.compile(r"\d\d:\d\d:\d\dZ")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@click.command("messages")
@options.directory_or_default
@click.option("--from", "sender", metavar="A", help="Only what this agent (or operator) sent.")
@click.option("--to", metavar="A", help="Only what was sent to this agent (or all).")
@click.option("--type", "type_", type=options.Word(MESSAGE_TYPES), help="Only this type.")
@click.option(
    "--since",
    metavar="WHEN",
    help="Only later ones: 10m, 2h, 1d ago, or a time as printed (Z: UTC), else a local one.",
)
@click.option("--limit", metavar="N", type=options.count(), help="Only the newest N.")
@click.option("-f", "--follow", is_flag=True, help="Go on until nobody works any more.")
@options.as_json_or_lines
def command(
    directory: str | None,
    *,
    sender: str | None,
    to: str | None,
    type_: str | None,
    since: str | None,
    limit: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Print messages by the time they were sent."""
    tree = tree_or_default(directory)
    for name in {sender, to} - {None, "all", "operator"}:
        known_agent(tree, str(name))
    after = None if since is None else moment_of(since, now=datetime.now(UTC))
    mailbox = Mailbox(tree, sender=sender, to=to, type_=type_, since=after, newest=limit)
    found = mailbox.read()
    if as_json and not follow:
        say_json({"messages": found, "notes": mailbox.notes})
        return
    _print(found, as_json=as_json)
    watcher = Watcher(tree)
    while follow:
        status = watcher.status()
        _print(mailbox.read(), as_json=as_json)
        if not status["counts"]["alive"] and not status["supervisor"]["alive"]:
            return
        time.sleep(_LOOK_S)


def newest(tree: Tree, *, limit: int) -> list[MessageShown]:
    """Read the newest messages, oldest first."""
    return Mailbox(tree, newest=limit).read()


def moment_of(text: str, *, now: datetime, name: str = "--since") -> str:
    """Read a moment: `10m`, `2h`, `1d` before `now`, an ISO time, or a printed time of day. Raises
    BadInput."""
    try:
        then = _moment(text.strip(), now)
    except (ValueError, OverflowError) as cause:
        raise BadInput(
            f"{name} {text!r}: use an age like 10m, 2h, 1d, or a time like 2026-11-21T10:00"
        ) from cause
    return then.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment(text: str, now: datetime) -> datetime:
    """Raises ValueError, OverflowError."""
    if age := _AGE.fullmatch(text):
        return now - timedelta(seconds=float(age[1]) * _SECONDS[age[2]])
    if _TIME_OF_DAY.fullmatch(text):  # as lines of events begin: the last time that it was so late
        then = datetime.fromisoformat(f"{now.date()}T{text}")
        return then if then <= now else then - timedelta(days=1)
    return datetime.fromisoformat(text)


def _print(messages: list[MessageShown], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.writelines(codec.encode(message).decode() + "\n" for message in messages)
        sys.stdout.flush()
    elif messages:
        say("\n".join(message_lines(messages)))
