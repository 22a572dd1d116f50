"""The ways in which people are told: programs that are run for an event, and the command that it hints at."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maos_sup.core.hints import answer_command, budget_command
from state_layout.records import Channels

_PROGRAM = str(Path(__file__).with_name("telling.py"))  # not imported: an import costs what nobody may want


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way is a program that tells an event, which is on its standard input. `name` is the key in the
    spec."""

    name: str
    argv: tuple[str, ...]


def ways_of(channels: Channels) -> Iterator[Way]:
    """Yield the ways that are wanted, none for none."""
    if channels.command:
        yield Way(name="command", argv=channels.command)
    for name, url in (("ntfy", channels.ntfy), ("webhook", channels.webhook)):
        if url:
            yield _ready(name, url)
    for name, is_wanted in (("desktop", channels.desktop), ("bell", channels.bell)):
        if is_wanted:
            yield _ready(name)


def _ready(name: str, *arguments: str) -> Way:
    return Way(name=name, argv=(sys.executable, "-I", "-S", _PROGRAM, name, *arguments))


def hint_of(told: Mapping[str, Any]) -> str:
    """Make the command to type after an event (an object as `notify.command` gets it)."""
    name = shlex.quote(str(told["id"]))
    match told["event"]:
        case "question":
            return answer_command(str(told["question"]), str(told["text"]), name=name)
        case "budget":
            return budget_command(str(told["text"]), agent=str(told["agent"]), name=name)
        case "task_failed":
            return f"maos-sup retry {name} --task {shlex.quote(str(told['task']))}"
        case "done":
            return f"maos-sup results {name}"
        case _:
            return f"maos-sup status {name}"
