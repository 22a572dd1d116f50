"""Carries out the team's tools, whoever calls them: a model in our own loop, or a program over the bus.

A verb decides and returns; who called it records the result with all its effects in one line.
"""

from __future__ import annotations

from collections.abc import Callable

from maos_sup.agents.attempt.questions import answer_or_ask
from maos_sup.agents.bus.keeping import delete_state, list_state, load_state, save_state
from maos_sup.agents.bus.scene import BadCall as BadCall
from maos_sup.agents.bus.scene import CallScene as CallScene
from maos_sup.agents.bus.scene import Result as Result
from maos_sup.agents.bus.scene import VerbCall as VerbCall
from maos_sup.agents.bus.scene import Waits as Waits
from maos_sup.agents.control.control_lines import BadLine, discovery_of, message_of
from state_layout.mail.boxes import check_recipient


def send_message(scene: CallScene, call: VerbCall) -> Result:
    """Send to one agent or to all. Raises BadCall, BadInput."""
    try:
        message = message_of(dict(call.input))
    except BadLine as cause:
        raise BadCall(str(cause)) from cause
    check_recipient(scene.tree, message["to"])
    return Result(text=f"sent to {message['to']}", messages=[scene.redactor.value(message)])


def report_discovery(scene: CallScene, call: VerbCall) -> Result:
    """Tell all. Raises BadCall."""
    text = scene.redactor.text(call.text("text"))
    if not text.strip():
        raise BadCall("'text' is empty")
    return Result(text="reported", messages=[discovery_of(text, task=scene.task.id)])


def report_progress(scene: CallScene, call: VerbCall) -> Result:
    """Tell people how far the work is. Raises BadCall."""
    value = call.number("value", default=0.0)
    note = scene.redactor.text(call.text("note", default=""))
    scene.recorder.record_later("progress", {"value": value} | ({"note": note} if note else {}))
    return Result(text="noted")


def ask_human(scene: CallScene, call: VerbCall) -> Result:
    """Ask a person. Raises BadCall, and Waits while there is no answer."""
    question = scene.redactor.text(call.text("question"))
    if not question.strip():
        raise BadCall("'question' is empty")
    answer = answer_or_ask(scene.tree, scene.agent, scene.task, recorder=scene.recorder, text=question)
    if answer is None:
        raise Waits
    word = "yes" if answer.is_yes else "no"
    return Result(text=f"{word}: {answer.text}" if answer.text else word)


Verb = Callable[[CallScene, VerbCall], Result]
VERBS: dict[str, Verb] = {
    "send_message": send_message,
    "report_discovery": report_discovery,
    "save_state": save_state,
    "load_state": load_state,
    "list_state": list_state,
    "delete_state": delete_state,
    "report_progress": report_progress,
    "ask_human": ask_human,
}
