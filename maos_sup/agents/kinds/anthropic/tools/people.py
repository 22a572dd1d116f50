"""Tool `ask_human`, and the yes that calls of some tools wait for: durable, answered by a file."""

from __future__ import annotations

from maos_sup.agents.bus.permits import question_text
from maos_sup.agents.bus.verbs import ask_human
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import Result, VerbCall, Waits, definition_of
from state_layout.files import codec


class AskHuman:
    """Asks a person and waits for the answer."""

    name = "ask_human"

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
        return definition_of(self.name)

    def may_repeat(self, call: VerbCall) -> bool:
        return True  # the same question has the same answer

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        try:
            return ask_human(desk.scene, call)
        except Waits:
            desk.work.life.publisher.publish()
            raise


def refusal(desk: ConversationDesk, name: str, call: VerbCall) -> str | None:
    """Say why a person does not allow the call, None if it is allowed. Raises Waits while there is no
    answer."""
    shown = desk.redactor.text(codec.encode(dict(call.input)).decode())
    answer = desk.work.ask(question_text(desk.work.life.agent, name, shown))
    if answer is None:
        raise Waits
    if answer.is_yes:
        return None
    return f"the user said no: {answer.text}" if answer.text else "the user said no"
