"""The durable loop: whatever the conversation says comes next, recorded before anything follows from it.

It may die between any two lines and in the middle of any: the next life folds what is recorded and makes the
same move again. Only a running tool call is not made again; the model is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from maos_sup.agents.bus.letters import told_messages
from maos_sup.agents.endings import Ended, Interrupt, WorkOutcome
from maos_sup.agents.kinds.anthropic import prompts
from maos_sup.agents.kinds.anthropic.asking import Asking
from maos_sup.agents.kinds.anthropic.conversation import Move, Purpose
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import Waits
from maos_sup.agents.kinds.anthropic.using import Using
from maos_sup.agents.kinds.shared.opening import first_prompt
from maos_sup.agents.kinds.shared.troubles import Broken, Cause, advice

if TYPE_CHECKING:
    from maos_sup.agents.kinds.anthropic.entries import TalkBlock, TalkEntry, TalkMessage

_MOST_MESSAGES = 20  # shown together
_MOST_NUDGES = 3


class TalkLoop:
    """Works on one task."""

    def __init__(self, desk: ConversationDesk, asking: Asking, using: Using) -> None:
        self._desk, self._asking, self._using = desk, asking, using
        self._talk, self._life = desk.talk, desk.work.life
        self._moves: dict[Move, Callable[[], WorkOutcome | None]] = {
            Move.BEGIN: self._begin,
            Move.ASK: self._ask,
            Move.TOOLS: self._use_tools,
            Move.REPLY: self._reply,
            Move.ENDED: self._end,
        }

    def run(self) -> WorkOutcome:
        """Make moves until the task is done or is to end. Raises StorageError, Damaged."""
        while True:
            ending = self._desk.work.act()
            if ending is not None:
                return WorkOutcome(ended=ending)
            try:
                outcome = self._moves[self._talk.move()]()
            except Ended as ended:
                return WorkOutcome(ended=ended.ending)
            except Waits:
                return WorkOutcome(ended=Interrupt.ASK)
            if outcome is not None:
                return outcome

    # -- moves

    def _begin(self) -> None:
        first = first_prompt(self._desk.work, sandbox=self._desk.sandbox.kind)
        self._prompt([{"type": "text", "text": first}])

    def _ask(self) -> WorkOutcome | None:
        settings = self._desk.settings
        if self._talk.answers >= settings.max_turns:
            return WorkOutcome(error=f"not done after {settings.max_turns} turns (max_turns)", is_final=True)
        if self._talk.input_tokens + self._talk.output_tokens > settings.compact_at * settings.context_tokens:
            return self._compact()
        try:
            answer = self._asking.ask(self._question(self._talk.messages), purpose=Purpose.TURN)
        except Broken as broken:
            if broken.trouble.cause is Cause.TOO_LONG and len(self._talk.messages) > 1:
                return self._compact()
            return WorkOutcome(error=advice(broken.trouble), is_final=True)
        self._commit("turn", {"role": "assistant", **answer})
        self._asking.settle(answer["key"])
        self._show_answer()
        return None

    def _use_tools(self) -> None:
        use = self._talk.open_uses()[0]
        self._using.use(use)

    def _reply(self) -> None:
        """Tell the results, in the order of the calls, and what came meanwhile."""
        self._prompt([{"type": "tool_result", "tool_use_id": use["id"]} for use in self._talk.uses])

    def _end(self) -> WorkOutcome | None:
        """The model ended its turn: is the task done?"""
        talk = self._talk
        if talk.finished is not None:
            return WorkOutcome(result=talk.finished["value"])
        if talk.stop_reason == "refusal":
            return WorkOutcome(error="the model refused to go on", result=talk.last_text(), is_final=True)
        nudge = self._nudge()
        if nudge is not None:
            if talk.nudges >= _MOST_NUDGES:
                return WorkOutcome(error=f"the model did not finish: {nudge[1]}", is_final=True)
            self._prompt([{"type": "text", "text": nudge[0]}], nudge=True)
            return None
        if self._has_mail():
            self._prompt([])
            return None
        return WorkOutcome(result=talk.last_text())

    def _compact(self) -> WorkOutcome | None:
        """Have the model sum up, and begin again with that."""
        *before, last = self._talk.messages
        asked: TalkMessage = {**last, "content": [*last["content"], {"type": "text", "text": prompts.SUM_UP}]}
        question = self._question([*before, asked])
        question["tool_choice"] = {"type": "none"}
        try:
            answer = self._asking.ask(question, purpose=Purpose.COMPACT)
        except Broken as broken:
            error = f"the conversation is too long and cannot be summed up: {broken}"
            return WorkOutcome(error=error, is_final=True)
        kept = self._talk.first_blocks
        self._commit("compacted", {**answer, "kept_blocks": kept, "lead": prompts.SUMMED_UP})
        self._asking.settle(answer["key"])
        return None

    # -- parts

    def _question(self, messages: list[TalkMessage]) -> dict[str, object]:
        settings = self._desk.settings
        question: dict[str, object] = {
            "model": settings.model,
            "max_tokens": settings.max_tokens,
            "system": prompts.system_prompt(self._desk.work.spec),
            "tools": self._using.definitions,
            "messages": messages,
            "cache_control": {"type": "ephemeral"},
        }
        if settings.thinking is not None:
            question["thinking"] = dict(settings.thinking)
        if settings.request:
            question["extra_body"] = dict(settings.request)
        return question

    def _prompt(self, content: list[TalkBlock], *, nudge: bool = False) -> None:
        """Record the next prompt, with the messages that came: shown and acknowledged in one line."""
        messages, marks = self._desk.news(limit=_MOST_MESSAGES)
        if messages:
            text = self._desk.redactor.text(told_messages(messages))
            content = [*content, {"type": "text", "text": text}]
        fields: TalkEntry = {"role": "user", "content": content}
        if nudge:
            fields["nudge"] = True
        if marks:
            fields["received"] = marks
        if content:
            self._commit("turn", fields)

    def _nudge(self) -> tuple[str, str] | None:
        """Find what to say to a model that stopped where it should not have, and why; None if it may end."""
        talk, settings = self._talk, self._desk.settings
        if talk.stop_reason in ("max_tokens", "model_context_window_exceeded"):
            return prompts.GO_ON, "its answers were cut off (max_tokens)"
        if talk.stop_reason == "tool_use":
            return prompts.NO_CALL, "it ended its turns to call a tool, and no call came"
        if talk.stop_reason == "pause_turn":
            return prompts.EMPTY, "it paused again and again"
        if settings.result_schema is not None:
            return prompts.CALL_FINISH, "it did not call finish, which 'result_schema' asks for"
        return None

    def _has_mail(self) -> bool:
        """A message to this agent itself waits: it is answered before the task is done."""
        inbox = self._desk.inbox
        marks = self._life.recorder.marks()
        messages, _ = inbox.fetch()
        inbox.rewind(marks)
        return any(message.to == self._life.agent for message in messages)

    def _commit(self, type_: str, fields: TalkEntry) -> None:
        task = self._desk.work.task
        entry: TalkEntry = {"task": task.id, "run": task.run, "n": self._talk.n, **fields}
        with self._life.bell.shielded():
            self._life.recorder.commit(type_, entry)
            self._talk.take({"type": type_, **entry})

    def _show_answer(self) -> None:
        """Put the answer into the agent's output, where people look and keywords are heard."""
        text = self._talk.last_text()
        if text and self._talk.messages[-1]["role"] == "assistant":
            self._using.show(text)
