"""What the team's tools do, whoever calls them: a model in our own loop, or a program over the bus.

A verb decides and returns; who called it records the result with all its effects in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from maos_sup.agents.control import BadLine, discovery_of, message_of
from maos_sup.agents.ledger import Ledger
from maos_sup.agents.questions import answer_or_ask
from maos_sup.agents.redaction import Redactor
from state_layout.files import codec
from state_layout.mail.boxes import check_recipient
from state_layout.paths import Tree
from state_layout.records import AgentSpec, TaskSpec


class Waits(Exception):
    """The call waits for a person; the question is on record."""


class BadCall(ValueError):
    """An input that the tool cannot use; the text tells the model what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a call came to. All of it is recorded in one line, and then its messages leave."""

    text: str
    is_error: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)
    effects: Mapping[str, Any] = field(default_factory=dict)  # keys of a journal line: state, received
    finished: dict[str, Any] | None = None  # the task is done, with this
    shell: dict[str, Any] | None = None  # what the shell was left with


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Who calls, and what a verb may look at."""

    tree: Tree
    ledger: Ledger
    spec: AgentSpec
    task: TaskSpec
    redactor: Redactor
    max_spawned: int

    @property
    def agent(self) -> str:
        return self.spec.name


def send_message(scene: Scene, call: Call) -> Result:
    """Send to one agent or to all. Raises BadCall, BadInput."""
    try:
        message = message_of(dict(call.input))
    except BadLine as cause:
        raise BadCall(str(cause)) from cause
    check_recipient(scene.tree, message["to"])
    return Result(text=f"sent to {message['to']}", messages=[scene.redactor.value(message)])


def report_discovery(scene: Scene, call: Call) -> Result:
    """Tell all. Raises BadCall."""
    text = scene.redactor.text(call.text("text"))
    if not text.strip():
        raise BadCall("'text' is empty")
    return Result(text="reported", messages=[discovery_of(text, task=scene.task.id)])


def save_state(scene: Scene, call: Call) -> Result:
    """Keep a value under a key. Raises BadCall."""
    key, value = call.text("key"), scene.redactor.value(call.input.get("value"))
    return Result(text=f"saved {key!r}", effects={"state": {"set": {key: value}}})


def load_state(scene: Scene, call: Call) -> Result:
    """Give a kept value, or the keys. Raises BadCall."""
    state = scene.ledger.look(lambda history: dict(history.state))
    if call.input.get("key") is None:
        return Result(text=codec.encode(sorted(state)).decode())
    key = call.text("key")
    if key not in state:
        return Result(text=f"nothing is kept under {key!r}", is_error=True)
    return Result(text=codec.encode(state[key]).decode())


def report_progress(scene: Scene, call: Call) -> Result:
    """Tell people how far the work is. Raises BadCall."""
    value = call.number("value", default=0.0)
    note = scene.redactor.text(call.text("note", default=""))
    scene.ledger.note("progress", {"value": value} | ({"note": note} if note else {}))
    return Result(text="noted")


def ask_human(scene: Scene, call: Call) -> Result:
    """Ask a person. Raises BadCall, and Waits while there is no answer."""
    question = scene.redactor.text(call.text("question"))
    if not question.strip():
        raise BadCall("'question' is empty")
    answer = answer_or_ask(scene.tree, scene.agent, scene.task, ledger=scene.ledger, text=question)
    if answer is None:
        raise Waits
    word = "yes" if answer.is_yes else "no"
    return Result(text=f"{word}: {answer.text}" if answer.text else word)


Verb = Callable[[Scene, Call], Result]
VERBS: dict[str, Verb] = {
    "send_message": send_message,
    "report_discovery": report_discovery,
    "save_state": save_state,
    "load_state": load_state,
    "report_progress": report_progress,
    "ask_human": ask_human,
}
