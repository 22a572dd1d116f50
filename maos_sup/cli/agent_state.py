"""`agent state ...`: what an agent's program keeps under keys, alone or shared; asked of its agent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from maos_sup.agents.calling import called
from maos_sup.cli.says import say_exactly
from state_layout.files import codec
from state_layout.scopes.names import scope_of
from state_layout.scopes.values import value_of_json

_scope = click.argument("scope", metavar="SCOPE")
_key = click.argument("key", metavar="KEY")
_if_version = click.option(
    "--if-version",
    "version",
    metavar="V",
    help="Only if its version is still V (none: only if it has no value); else exit code 4.",
)
_once = click.option(
    "--once", metavar="NAME", help="Names this change: done before in this run, it is not done again."
)


@click.group("state", no_args_is_help=True)
def commands() -> None:
    """Values under keys. SCOPE: agent, task, session, orchestration, custom:NAME, global."""


@commands.command("get")
@_scope
@_key
@click.option("--show-version", is_flag=True, help="Print the version before the value, a tab between.")
def get(scope: str, key: str, *, show_version: bool) -> None:
    """Print the value of KEY, as JSON."""
    answer = called(os.environ, "load_state", {"scope": scope, "key": key})
    told = codec.decode(str(answer["content"]))
    is_shared = scope_of(scope).is_shared
    text = codec.encode(told["value"] if is_shared else told).decode()
    say_exactly(f"{told['version']}\t{text}" if show_version and is_shared else text)


@commands.command("put")
@_scope
@_key
@click.argument("value")
@_if_version
@_once
def put(scope: str, key: str, value: str, *, version: str | None, once: str | None) -> None:
    """Keep VALUE (JSON, or else text) under KEY; prints the new version."""
    told: dict[str, object] = {"scope": scope, "key": key, "value": _json_or_text(value)}
    _say(called(os.environ, "save_state", told | _expected(version), id_=once))


@commands.command("delete")
@_scope
@_key
@_if_version
@_once
def delete(scope: str, key: str, *, version: str | None, once: str | None) -> None:
    """Leave KEY without a value."""
    told = {"scope": scope, "key": key} | _expected(version)
    _say(called(os.environ, "delete_state", told, id_=once))


@commands.command("list")
@_scope
@click.argument("prefix", required=False, default="")
def list_(scope: str, prefix: str) -> None:
    """Print the keys that begin with PREFIX, one a line."""
    answer = called(os.environ, "list_state", {"scope": scope, "prefix": prefix})
    for key in codec.decode(str(answer["content"])):
        say_exactly(key)


def _expected(version: str | None) -> dict[str, object]:
    if version is None:
        return {}
    return {"if_version": None if version == "none" else version}


def _say(answer: Mapping[str, Any]) -> None:
    if "version" in answer:
        say_exactly("/".join(map(str, answer["version"])))


def _json_or_text(text: str) -> Any:
    try:
        return value_of_json(text)
    except codec.NotJson:
        return text
