"""Runs the tool calls of an answer, one after the other: intent, effect, result, each recorded in its turn.

A call whose intent is recorded and whose result is not was running when a life ended. It is never run again,
unless its tool says that a repetition does no harm: the model is told that its outcome is unknown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from maos_sup.agents.kinds.anthropic import prompts
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import BadCall, Result, Tool, VerbCall
from maos_sup.agents.kinds.anthropic.tools.offered import offered
from maos_sup.agents.kinds.anthropic.tools.people import refusal
from state_layout.errors import BadInput
from state_layout.files import codec

if TYPE_CHECKING:
    from maos_sup.agents.kinds.anthropic.entries import TalkBlock, TalkEntry
    from state_layout.records.attempt_lines import SentMessage

_WRITING = frozenset({"bash", "edit"})
_MOST_SHOWN = 200  # characters of an input, in the output


class Using:
    """Runs tools for one piece of work."""

    def __init__(self, desk: ConversationDesk, *, plain: bool) -> None:
        self._desk, self._talk, self._life = desk, desk.talk, desk.work.life
        self._tools = offered(desk.settings)
        self.definitions: list[dict[str, object]] = [
            tool.definition(desk, plain=plain) for _, tool in self._tools.values()
        ]

    def use(self, use: TalkBlock) -> None:
        """Bring one call to its result. Raises Waits, kind.Ended, StorageError."""
        begun = self._talk.begun.get(use["id"])
        token = begun["token"] if begun else token_hex(8)
        call = VerbCall(
            id=use["id"], token=token, input=use["input"] if isinstance(use["input"], dict) else {}
        )
        name, tool = self._tools.get(use["name"], ("", None))
        refused = self._refused(use, name, tool, call)
        if refused is not None or tool is None:
            self._record(use, Result(text=refused or "", is_error=True), 0.0)
            return
        if begun is not None and not tool.may_repeat(call):
            self._record(use, Result(text=prompts.INTERRUPTED, is_error=True), 0.0)
            return
        if begun is None:
            self._begin(use, token)
        began_s = time.monotonic()
        result = self._run(tool, call)
        self._record(use, result, time.monotonic() - began_s)
        if name in _WRITING and self._life.snap is not None:
            self._life.snap(f"after {use['name']}", call=use["id"])

    def show(self, text: str) -> None:
        """Put text into the agent's output."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _refused(self, use: TalkBlock, name: str, tool: Tool | None, call: VerbCall) -> str | None:
        """Say why the call is not run, None if it may be. Raises Waits."""
        settings = self._desk.settings
        if tool is None:
            return f"there is no tool {use['name']!r}; use one of {', '.join(self._tools)}"
        if use["id"] in self._talk.bad_inputs:
            return prompts.unusable_input(self._talk.bad_inputs[use["id"]], self._talk.stop_reason)
        if settings.allowed_tools is not None and name not in settings.allowed_tools and name != "finish":
            return f"{use['name']} is not allowed to this agent"
        if name in settings.approve and use["id"] not in self._talk.begun:
            return refusal(self._desk, use["name"], call)
        return None

    def _begin(self, use: TalkBlock, token: str) -> None:
        fields: TalkEntry = {"id": use["id"], "name": use["name"], "token": token}
        self._commit("tool_call", fields, [])
        shown = codec.encode(use["input"]).decode()
        self.show(f"> {use['name']} {shown[:_MOST_SHOWN]}{'...' if len(shown) > _MOST_SHOWN else ''}")

    def _run(self, tool: Tool, call: VerbCall) -> Result:
        try:
            return tool.run(self._desk, call)
        except (BadCall, BadInput) as error:
            return Result(text=str(error), is_error=True)

    def _record(self, use: TalkBlock, result: Result, elapsed_s: float) -> None:
        """Commit the result with all its effects."""
        redact, most = self._desk.redactor, self._desk.settings.tool_output_chars
        text = redact.text(result.text)
        text = text if len(text) <= 2 * most else f"{text[: 2 * most]}\n[... the rest is left out ...]"
        fields: dict[str, object] = {
            "id": use["id"],
            "name": use["name"],
            "content": text,
            "elapsed_s": round(elapsed_s, 3),
            **result.effects,
        }
        if result.is_error:
            fields["is_error"] = True
        if result.shell is not None:
            fields["shell"] = redact.value(result.shell)
        if result.finished is not None:
            fields["finished"] = result.finished
        self._commit("tool_result", fields, result.messages)

    def _commit(self, type_: str, fields: Mapping[str, object], messages: list[SentMessage]) -> None:
        task = self._desk.work.task
        entry: Any = {"task": task.id, "run": task.run, "n": self._talk.n, **fields}
        with self._life.bell.shielded():
            self._life.recorder.commit(type_, entry, messages=messages)
            line: Any = {"type": type_, **entry}
            self._talk.take(line)
