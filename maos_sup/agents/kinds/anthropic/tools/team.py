"""Tools for working together: messages, discoveries, progress, durable state.

What they do is in `maos_sup.agents.bus.verbs`, for all kinds; here is how our own loop offers it.
"""

from __future__ import annotations

import time

from maos_sup.agents.bus.letters import told_messages
from maos_sup.agents.bus.offers import LONGEST_WAIT_S
from maos_sup.agents.bus.verbs import VERBS
from maos_sup.agents.endings import SOFT
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import (
    Result,
    VerbCall,
    definition_of,
    schema,
)

_MOST_MESSAGES = 50
_LOOK_S = 1.0


class TeamTool:
    """The verb is done at once. It may be repeated: it is recorded in one line with its result."""

    def __init__(self, name: str) -> None:
        self.name = name

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
        return definition_of(self.name)

    def may_repeat(self, call: VerbCall) -> bool:
        return True

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        return VERBS[self.name](desk.scene, call)


class ReadMessages:
    """Gives messages that came, waiting for them if asked."""

    name = "read_messages"

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
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

    def may_repeat(self, call: VerbCall) -> bool:
        return True  # marks are recorded with the result

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        wait_s = min(max(0.0, call.number("wait_s", default=0.0)), LONGEST_WAIT_S)
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
