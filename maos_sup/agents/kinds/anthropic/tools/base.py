"""What a tool is: how the model is told of it, what it does, and what of it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from maos_sup.agents.kinds.anthropic.desk import Desk


class Waits(Exception):
    """The call waits for a person; the question is on record. The work ends until there is an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a call came to. All of it is recorded in one line, and then its messages leave."""

    text: str
    is_error: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)
    effects: Mapping[str, Any] = field(default_factory=dict)  # keys of a journal line: state, received
    finished: dict[str, Any] | None = None  # the task is done, with this
    shell: dict[str, Any] | None = None  # what the shell was left with


class BadCall(ValueError):
    """An input that the tool cannot use; the text tells the model what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. `id` is the model's, `token` a random key that a repetition would have as well."""

    id: str
    token: str
    input: Mapping[str, Any]

    def text(self, name: str, *, default: str | None = None) -> str:
        """The text `name` of the input. Raises BadCall."""
        value = self.input.get(name, default)
        if not isinstance(value, str):
            raise BadCall(f"{name!r} must be text")
        return value

    def number(self, name: str, *, default: float) -> float:
        """The number `name` of the input. Raises BadCall."""
        value = self.input.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadCall(f"{name!r} must be a number")
        return value


class Tool(Protocol):
    """One tool. `name` is what the model calls."""

    name: str

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        """How the model is told; `plain` for servers that know no tools of Anthropic's own."""

    def may_repeat(self, call: Call) -> bool:
        """Whether running the call a second time does no harm."""

    def run(self, desk: Desk, call: Call) -> Result:
        """Do it. Raises BadCall, BadInput, Waits, Ended, StorageError."""


def schema(*required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an input."""
    return {"type": "object", "properties": properties, "required": list(required)}


def text_property(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}
