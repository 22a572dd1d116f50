"""Says what Claude Code asks us before and after each tool, over its hooks: the call waits until we answer.

Before a tool: the transcript has the call, the journal its intent, a person said yes where that is wanted.
After it: its result is on record; before the next question there is money for it, no limit of the provider
holds us off, and nobody wants us to pause. So what is wanted takes effect between two steps, never within.
A call that is not to begin any more gets no answer, for each would be one to the model: who asked is killed,
and its session goes on with the call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from maos_sup.agents.bus.permits import essence, question_text
from maos_sup.agents.endings import Ended, WorkOutcome
from maos_sup.agents.kinds.claude.servers import SERVER
from maos_sup.agents.kinds.claude.settings import PREFIX, ClaudeSettings
from maos_sup.agents.kinds.claude.stream_json import HookInput, HookRequest
from maos_sup.agents.kinds.claude.transcript import Transcript
from maos_sup.agents.kinds.shared.record import ProgramRecord
from maos_sup.agents.kinds.shared.spending import Spending
from maos_sup.agents.kinds.shared.waiting import ProviderWaits
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.agents.work import Work
from state_layout.files import codec

Reply = dict[str, object]
_LONGEST_HOOK_S = 2_000_000  # in milliseconds it must fit into 31 bits, or it is none at all
_PATIENCE_S = 3.0  # for the transcript to have a call
_POLL_S = 0.005
_STOP: Reply = {"continue": False, "stopReason": "told to stop here"}


def hooks() -> dict[str, object]:
    """List what Claude Code is to ask us about, as it wants to be told."""
    return {
        name: [{"matcher": None, "hookCallbackIds": [name], "timeout": _LONGEST_HOOK_S}]
        for name in ("PreToolUse", "PostToolUse", "PostToolUseFailure")
    }


class Gates:
    """Answers for one piece of work. `outcome` is how the work ends where a gate was closed."""

    def __init__(
        self,
        work: Work,
        settings: ClaudeSettings,
        *,
        record: ProgramRecord,
        spending: Spending,
        transcript: Transcript,
        redactor: Redactor,
        provider: str,
    ) -> None:
        self._work, self._settings, self._record = work, settings, record
        self._spending, self._transcript, self._redactor = spending, transcript, redactor
        self._provider, self._waiting = provider, ProviderWaits(work)
        self.outcome: WorkOutcome | None = None
        self.holds_a_call = (
            False  # a hook never answered: Claude Code must be killed, for to close its input is an answer
        )

    def reply(self, request: HookRequest, *, is_there: Callable[[], bool]) -> Reply | None:
        """Answer a hook, None for no answer; `is_there`: whether who asked lives. Raises StorageError."""
        hook: HookInput = request.get("input") or {}
        reply: Reply = {}
        try:
            if hook.get("hook_event_name") == "PreToolUse":
                reply = self._before(str(request.get("tool_use_id")), hook, is_there)
            else:
                self.before_question()
        except Ended as ended:
            self.outcome = WorkOutcome(ended=ended.ending)
        if self.outcome is None:
            return reply
        if hook.get("hook_event_name") == "PreToolUse":
            self.holds_a_call = True
            return None
        return _STOP

    def before_question(self, *, new_chars: int = 0) -> None:
        """Wait until the model may be asked. Raises kind.Ended, StorageError."""
        memory = self._record.memory
        if memory.turns >= self._settings.max_turns:
            error = f"not done after {self._settings.max_turns} turns (max_turns)"
            self.outcome = WorkOutcome(error=error, is_final=True)
            return
        ending = self._work.act()
        if ending is not None:
            raise Ended(ending)
        self._waiting.for_budget(lambda: self._spending.reserve(memory, new_chars=new_chars))
        self._waiting.for_provider(self._provider)

    def _before(self, id_: str, hook: HookInput, is_there: Callable[[], bool]) -> Reply:
        name, input_ = str(hook.get("tool_name")), hook.get("tool_input")
        if "agent_id" not in hook:  # those of sub-agents are not in the transcript
            self._wait_for_record(id_, is_there)
        self._transcript.sync()
        ending = self._work.act()
        if ending is not None:
            raise Ended(ending)
        if name in self._settings.approve or name.removeprefix(PREFIX) in self._settings.approve:
            refusal = self._refusal(name, input_)
            if refusal is not None:
                self.before_question()
                return _decision("deny", refusal)
        if not is_there():
            return {}  # who asked died without an answer, so the call never ran: nothing to tell of later
        self._record.call(id_, name, input_, by=hook.get("agent_id"))
        if self._settings.allowed_tools is None or name.startswith(f"mcp__{SERVER}__"):
            return _decision("allow", "")
        return {}  # its own rules decide

    def _wait_for_record(self, id_: str, is_there: Callable[[], bool]) -> None:
        """Until the transcript has the call: what runs must be known to have been asked for."""
        end_s = time.monotonic() + _PATIENCE_S
        self._transcript.refresh()
        while id_ not in self._transcript.talk.uses and is_there() and time.monotonic() < end_s:
            self._work.wait([], _POLL_S)
            self._transcript.refresh()

    def _refusal(self, name: str, input_: Any) -> str | None:
        """Say why a person does not allow the call, None if it is allowed. Raises kind.Ended."""
        shown = self._redactor.text(codec.encode(essence(name, input_)).decode())
        text = question_text(self._work.life.agent, name, shown)
        answer = self._work.ask(text)
        if answer is None:
            with self._waiting.shown("waits for an answer", phase="asking"):
                while (answer := self._work.ask(text)) is None:
                    self._waiting.look_up()
        if answer.is_yes:
            return None
        return f"the user said no: {answer.text}" if answer.text else "the user said no"


def _decision(word: str, reason: str) -> Reply:
    told = {"hookEventName": "PreToolUse", "permissionDecision": word}
    return {"hookSpecificOutput": told | ({"permissionDecisionReason": reason} if reason else {})}
