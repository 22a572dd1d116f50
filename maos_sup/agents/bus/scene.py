"""Says what a tool of the team is given and what it gives back, whoever calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maos_sup.agents.attempt.recorder import Recorder
from maos_sup.agents.secrets.redaction import Redactor
from state_layout.paths import Tree
from state_layout.records import AgentSpec, TaskSpec

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage


class Waits(Exception):
    """The call waits for a person; the question is on record."""


class BadCall(ValueError):
    """The tool cannot use its input; the text tells the model what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A result is what a call came to. All of it is recorded in one line, and then its messages leave."""

    text: str
    is_error: bool = False
    messages: list[SentMessage] = field(default_factory=list)
    effects: Mapping[str, Any] = field(default_factory=dict)  # keys of a journal line: state, received
    finished: dict[str, object] | None = None  # the task is done, with this
    shell: Mapping[str, object] | None = None  # what the shell was left with


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbCall:
    """The call is one use of a tool. `id` is the model's, `token` a random key that a repetition would
    have as well."""

    id: str
    token: str
    input: Mapping[str, Any]

    def text(self, name: str, *, default: str | None = None) -> str:
        """Take the text `name` of the input. Raises BadCall."""
        value = self.input.get(name, default)
        if not isinstance(value, str):
            raise BadCall(f"{name!r} must be text")
        return value

    def number(self, name: str, *, default: float) -> float:
        """Take the number `name` of the input. Raises BadCall."""
        value = self.input.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadCall(f"{name!r} must be a number")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScene:
    """The scene says who calls, and what a verb may look at."""

    tree: Tree
    recorder: Recorder
    spec: AgentSpec
    task: TaskSpec
    redactor: Redactor
    max_spawned: int

    @property
    def agent(self) -> str:
        return self.spec.name
