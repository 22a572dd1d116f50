"""Gives tests of the ready-made profiles what they look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import lines
from stage import Stage

from state_layout.ledger import spent_by
from state_layout.lives.attempts import all_lines

Make = Callable[..., Stage]
Actor = Callable[..., dict[str, Any]]


def journal(one: Stage, *types: str) -> list[dict[str, Any]]:
    """The journal lines of these types that count, of all lives."""
    found = (line.fields() for line in all_lines(one.tree, "ann"))
    return [fields for fields in found if fields["type"] in types]


def told(one: Stage) -> list[str]:
    """List what each process was told."""
    return [json.loads(line) for line in one.words("told")]


def warnings(one: Stage) -> str:
    return "\n".join(str(entry["text"]) for entry in journal(one, "warning"))


def whole(profile: str, said: str = "the answer") -> list[dict[str, Any]]:
    return [*lines.begin(profile), *lines.text(profile, said), *lines.end(profile)]


def spent(one: Stage) -> int:
    return spent_by(one.tree)["ann"].tokens
