"""Tools for working together: messages, discoveries, progress, durable state."""

from __future__ import annotations

import time
from typing import Any

from maos_sup.agents.bus.letters import told_messages
from maos_sup.agents.control import BadLine, discovery_of, message_of
from maos_sup.agents.kind import SOFT
from maos_sup.agents.kinds.anthropic.desk import Desk
from maos_sup.agents.kinds.anthropic.tools.base import BadCall, Call, Result, schema, text_property
from state_layout.files import codec
from state_layout.mail import check_recipient
from state_layout.records import MESSAGE_TYPES

_MOST_MESSAGES = 50
_LONGEST_WAIT_S = 600.0
_LOOK_S = 1.0


class SendMessage:
    """Sends to one agent or to all."""

    name = "send_message"

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": "Send a message to another agent, or to all of them with to = 'all'.",
            "input_schema": schema(
                "to",
                "text",
                to=text_property("name of an agent, or all"),
                text=text_property("the message"),
                type={"type": "string", "enum": list(MESSAGE_TYPES)},
                reply_to=text_property("id of the message that this one answers"),
            ),
        }

    def may_repeat(self, call: Call) -> bool:
        return True  # it is recorded in one line with its result: without a result nothing was sent

    def run(self, desk: Desk, call: Call) -> Result:
        try:
            message = message_of(dict(call.input))
        except BadLine as cause:
            raise BadCall(str(cause)) from cause
        check_recipient(desk.work.life.tree, message["to"])
        return Result(text=f"sent to {message['to']}", messages=[desk.redactor.value(message)])


class ReadMessages:
    """Gives messages that came, waiting for them if asked."""

    name = "read_messages"

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": (
                "Read messages that came and were not shown to you. They are shown to you between your "
                "turns anyway; use this to wait for one."
            ),
            "input_schema": schema(
                wait_s={"type": "number", "description": "how long to wait for the first, at most 600"}
            ),
        }

    def may_repeat(self, call: Call) -> bool:
        return True  # marks are recorded with the result

    def run(self, desk: Desk, call: Call) -> Result:
        wait_s = min(max(0.0, call.number("wait_s", default=0.0)), _LONGEST_WAIT_S)
        work, deadline_s = desk.work, time.monotonic() + wait_s
        while True:
            messages, marks = desk.news(limit=_MOST_MESSAGES)
            left_s = deadline_s - time.monotonic()
            if messages or left_s <= 0 or work.life.bell.ending is not None:
                break
            work.life.beats.progress(left_s)
            work.wait([], min(left_s, _LOOK_S))
        ending = work.life.bell.ending
        if not messages and ending is not None and ending not in SOFT:
            return Result(text="interrupted: this work was told to end", is_error=True)
        effects = {"received": marks} if marks else {}
        return Result(text=told_messages(messages) or "no new messages", effects=effects)


class ReportDiscovery:
    """Tells all agents and people something that was found."""

    name = "report_discovery"

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": "Report something important that you found: all agents and the user get it.",
            "input_schema": schema("text", text=text_property("what you found, in a sentence or two")),
        }

    def may_repeat(self, call: Call) -> bool:
        return True

    def run(self, desk: Desk, call: Call) -> Result:
        text = desk.redactor.text(call.text("text"))
        if not text.strip():
            raise BadCall("'text' is empty")
        return Result(text="reported", messages=[discovery_of(text, task=desk.work.task.id)])


class SaveState:
    """Keeps a value under a key."""

    name = "save_state"

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": "Keep a value under a key. It survives crashes and is there in your later tasks.",
            "input_schema": schema("key", "value", key=text_property("the key"), value={}),
        }

    def may_repeat(self, call: Call) -> bool:
        return True

    def run(self, desk: Desk, call: Call) -> Result:
        key, value = call.text("key"), desk.redactor.value(call.input.get("value"))
        return Result(text=f"saved {key!r}", effects={"state": {"set": {key: value}}})


class LoadState:
    """Gives a kept value."""

    name = "load_state"

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": "Get the value kept under a key; without a key, the list of keys.",
            "input_schema": schema(key=text_property("the key")),
        }

    def may_repeat(self, call: Call) -> bool:
        return True

    def run(self, desk: Desk, call: Call) -> Result:
        state = desk.work.life.ledger.look(lambda history: dict(history.state))
        if "key" not in call.input:
            return Result(text=codec.encode(sorted(state)).decode())
        key = call.text("key")
        if key not in state:
            return Result(text=f"nothing is kept under {key!r}", is_error=True)
        return Result(text=codec.encode(state[key]).decode())


class ReportProgress:
    """Tells people how far the work is."""

    name = "report_progress"

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": "Tell how far you are with your task.",
            "input_schema": schema(
                "value",
                value={"type": "number", "description": "0 to 1"},
                note=text_property("what you are at, in a few words"),
            ),
        }

    def may_repeat(self, call: Call) -> bool:
        return True

    def run(self, desk: Desk, call: Call) -> Result:
        value, note = call.number("value", default=0.0), desk.redactor.text(call.text("note", default=""))
        desk.work.life.ledger.note("progress", {"value": value} | ({"note": note} if note else {}))
        return Result(text="noted")
