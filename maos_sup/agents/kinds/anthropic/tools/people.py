"""Tool `ask_human`, and the yes that calls of some tools wait for: durable, answered by a file."""

from __future__ import annotations

from typing import Any

from maos_sup.agents.kinds.anthropic.desk import Desk
from maos_sup.agents.kinds.anthropic.tools.base import Call, Result, Waits, schema, text_property
from maos_sup.agents.questions import ask
from state_layout.files import codec


class AskHuman:
    """Asks a person and waits for the answer."""

    name = "ask_human"

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": (
                "Ask the user a question and wait for the answer, which may take long. Ask only what you "
                "cannot find out and must not decide yourself."
            ),
            "input_schema": schema("question", question=text_property("the question, complete in itself")),
        }

    def may_repeat(self, call: Call) -> bool:
        return True  # the same question has the same answer

    def run(self, desk: Desk, call: Call) -> Result:
        answer = ask(desk.work, desk.redactor.text(call.text("question")))
        if answer is None:
            raise Waits
        word = "yes" if answer.is_yes else "no"
        return Result(text=f"{word}: {answer.text}" if answer.text else word)


def refusal(desk: Desk, name: str, call: Call) -> str | None:
    """Why a person does not allow the call, None if it is allowed. Raises Waits while there is no answer."""
    shown = desk.redactor.text(codec.encode(dict(call.input)).decode())
    answer = ask(desk.work, f"May {desk.work.life.agent} run {name} with {shown}?")
    if answer is None:
        raise Waits
    if answer.is_yes:
        return None
    return f"the user said no: {answer.text}" if answer.text else "the user said no"
