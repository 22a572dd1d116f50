"""One process of Claude Code, from its start to its end: what it is told, what it asks, what it writes.

It ends with a whole `result` and nothing left to tell (the task is done), because we are told to end, or with
a trouble: then the caller waits and begins another one on the same session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maos_sup.agents.endings import SOFT, Interrupt, WorkOutcome
from maos_sup.agents.kinds.claude.gates import Gates
from maos_sup.agents.kinds.claude.post import Post
from maos_sup.agents.kinds.claude.settings import ClaudeSettings
from maos_sup.agents.kinds.claude.startup import Startup
from maos_sup.agents.kinds.claude.stream import Stream, is_done
from maos_sup.agents.kinds.claude.stream_json import ClaudeEvent, ControlResponse, RateLimit
from maos_sup.agents.kinds.claude.transcript import Transcript
from maos_sup.agents.kinds.shared.holds import Hold, write_hold
from maos_sup.agents.kinds.shared.running import POLL_S, Running
from maos_sup.agents.kinds.shared.troubles import Cause, Trouble, of_status
from maos_sup.agents.kinds.shared.waiting import until_text
from maos_sup.agents.work import Work
from state_layout.files import codec

_LONGEST_POLL_S = 0.05
_START_S = 90.0  # for it to come up with all its servers
_MOST_WORDS = 1000  # characters of what a hook says
_LEAVING_S = 10.0  # for it to leave when it is done
_NOT_LOGGED_IN = (
    "Claude Code is not logged in: it was given neither ANTHROPIC_API_KEY nor CLAUDE_CODE_OAUTH_TOKEN (what "
    "'claude setup-token' prints), and does not read the login of your home"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkScene:
    """A process needs these parts."""

    work: Work
    settings: ClaudeSettings
    stream: Stream
    gates: Gates
    post: Post
    transcript: Transcript
    provider: str
    initialize: Mapping[str, object]  # the first request
    warn: Callable[[str], None]  # once for each text


class Talk:
    """Watches one process. `opening`: what it is told first, texts and their uuids."""

    def __init__(self, scene: TalkScene, running: Running, *, opening: list[tuple[str, str]]) -> None:
        self._scene, self._running, self._opening = scene, running, opening
        self._work = scene.work
        self._moved_s = time.monotonic()
        self._quiet_until_s = 0.0  # it said that it waits
        self._is_leaving = self._is_paused = False
        self._end_s: float | None = None  # until when it may take to come to a stop
        self._startup = Startup(scene.work, scene.settings, self._request, scene.warn)
        self._limit: RateLimit = {}  # what it was told last of the limits of a subscription
        self._refusal: WorkOutcome | None = None  # a hook of the project's
        self.trouble: Trouble | None = None

    def run(self) -> WorkOutcome | None:
        """Watch until it ends; None where `trouble` says why there must be another. Raises StorageError."""
        self._startup.begin(self._scene.initialize)
        poll_s = POLL_S
        while True:
            moved = self._look(is_final=False)
            outcome = self._judge()
            if outcome is not None or self.trouble is not None:
                return outcome
            if self._running.code is not None:
                return self._after_end()
            poll_s = POLL_S if moved else min(_LONGEST_POLL_S, poll_s * 1.2)
            self._running.wait(poll_s)

    # -- looking

    def _look(self, *, is_final: bool) -> bool:
        """Take in what it wrote; whether there was any."""
        scene = self._scene
        moved = scene.transcript.refresh()
        scene.post.acknowledge(scene.transcript)
        for event, offset in scene.stream.events(is_final=is_final):
            moved = True
            self._take(event, offset)
        if moved:
            self._moved_s = time.monotonic()
            self._work.life.beats.progress(max(scene.settings.stall_s, self._work.limits.timeout_s))
        return moved

    def _take(self, event: ClaudeEvent, offset: int) -> None:
        self._scene.stream.take(event, offset)
        kind = event.get("type")
        if kind == "control_request":
            self._answer(event)
        elif kind == "control_response":
            self._status(event.get("response") or {})
        elif kind == "system" and event.get("subtype") == "api_retry":
            self._retries(event)
        elif kind == "system" and event.get("subtype") == "init":
            self._startup.take_init(event)
        elif kind == "rate_limit_event":
            self._limit = event.get("rate_limit_info") or {}
        elif kind == "result":
            self._turn_ended(event)
        if self._is_paused and kind in ("stream_event", "result"):
            self._show_running()

    def _answer(self, event: ClaudeEvent) -> None:
        """Answer a hook when what it waits for is there, and not to nobody."""
        if not self._is_there():
            return
        reply = self._scene.gates.reply(event.get("request") or {}, is_there=self._is_there)
        if reply is None:
            return
        response = {"subtype": "success", "request_id": event.get("request_id"), "response": reply}
        self._tell({"type": "control_response", "response": response})
        self._moved_s = time.monotonic()

    def _is_there(self) -> bool:
        return self._running.code is None

    # -- its start

    def _status(self, response: ControlResponse) -> None:
        """Take an answer to a request of ours: once Claude Code is up, tell it what there is to tell."""
        was_ready = self._startup.is_ready
        self._startup.take(response)
        if self._startup.is_ready and not was_ready:
            for text, uuid in self._opening:
                self._tell_user(text, uuid)

    # -- its turns

    def _turn_ended(self, event: ClaudeEvent) -> None:
        gates, post = self._scene.gates, self._scene.post
        if gates.outcome is not None:
            self._running.hang_up()
            return
        self._scene.transcript.refresh()
        if not is_done(event):
            self._turn_failed(event)
            return
        post.acknowledge(self._scene.transcript)
        if not post.is_under_way and not post.send(self._scene.transcript, self._tell_user):
            self._is_leaving = True

    def _turn_failed(self, event: ClaudeEvent) -> None:
        self._refusal = self._refusal or refusal_of(event, words=self._scene.transcript.talk.stopped)
        if self._refusal is None:
            self.trouble = self.trouble or trouble_of(event, limit=self._limit, now=time.time())

    def _is_opened(self) -> bool:
        """The process was told what comes first: before that, messages could be taken for a part of it."""
        seen = self._scene.transcript.talk.seen
        return self._startup.is_ready and all(uuid in seen for _, uuid in self._opening)

    def _retries(self, event: ClaudeEvent) -> None:
        """It waits for its provider: so do all who use it, if it was told to."""
        delay_s = float(event.get("retry_delay_ms") or 0) / 1000
        status = event.get("error_status")
        until_s = time.monotonic() + delay_s
        self._quiet_until_s = max(self._quiet_until_s, until_s)
        reason = f"{event.get('error') or 'error'} ({status})"
        if status == 429:
            hold = Hold(provider=self._scene.provider, until_s=until_s, reason=reason)
            write_hold(self._work.life.tree, self._work.life.agent, hold)
        self._is_paused = True
        self._work.life.publisher.reason = until_text(reason, delay_s)
        self._work.show("paused")

    def _show_running(self) -> None:
        self._is_paused = False
        self._work.life.publisher.reason = None
        self._work.show("running")

    # -- judging

    def _judge(self) -> WorkOutcome | None:
        """Judge whether it is time to end, and how."""
        gates, now_s = self._scene.gates, time.monotonic()
        ending = self._work.life.bell.ending
        refusal = self._startup.outcome or self._refusal
        if refusal is not None:
            return refusal
        if self._is_leaving:
            return self._leave()
        if gates.holds_a_call and ending in SOFT and self._scene.stream.is_in_call:
            return None  # another call of the same answer is still running
        if gates.outcome is not None:
            return self._stop(gates.outcome, now_s, is_hard=gates.holds_a_call)
        if ending is not None and (ending not in SOFT or not self._startup.is_ready):
            return self._stop(WorkOutcome(ended=self._work.act() or ending), now_s, is_hard=True)
        if self._is_opened():
            self._scene.post.send(self._scene.transcript, self._tell_user)
        else:
            self._startup.look_again(now_s)
        self._look_for_stall(now_s)
        return None

    def _leave(self) -> WorkOutcome:
        """It is done: let it go, and end what does not."""
        self._running.hang_up()
        end_s = time.monotonic() + _LEAVING_S
        while self._running.code is None and time.monotonic() < end_s:
            self._running.wait(0.05)
            ending = self._work.life.bell.ending
            if ending is Interrupt.TROUBLE:
                break
        self._running.end(0.0)
        self._look(is_final=True)
        return WorkOutcome(result=self._scene.stream.value)

    def _stop(self, outcome: WorkOutcome, now_s: float, *, is_hard: bool = False) -> WorkOutcome | None:
        """Bring it to a stop: where a gate is closed it ends its turn by itself, and is answered until then.

        It takes the end of its input for an answer and runs what its own rules allow, so that comes last.
        On a TERM it would tell its model of a call that lacked memory; so in a call it is mute.
        """
        if self._end_s is None:
            self._end_s = now_s + self._work.limits.stop_grace_s / 2
        is_over = self._running.code is not None
        if not is_over and not is_hard and now_s < self._end_s:
            return None
        self._running.end(
            0.0 if is_over or self._scene.gates.holds_a_call else self._work.limits.stop_grace_s / 2,
            is_mute=self._scene.stream.is_in_call,
        )
        self._look_at_rest()
        return outcome

    def _look_for_stall(self, now_s: float) -> None:
        scene = self._scene
        is_idle = not scene.stream.is_asking and not scene.stream.is_in_call
        stall_s = _START_S if not self._startup.is_ready or is_idle else scene.settings.stall_s
        since_s = max(self._moved_s, self._quiet_until_s)
        if not scene.stream.is_in_call and now_s > since_s + stall_s:
            self._running.end(self._work.limits.stop_grace_s / 2)
            self._look_at_rest()
            self.trouble = Trouble(cause=Cause.STALL, text=f"Claude Code was silent for {stall_s:g} s")

    def _after_end(self) -> WorkOutcome | None:
        """It ended by itself."""
        self._look_at_rest()
        outcome = self._scene.gates.outcome or self._refusal
        if self.trouble is not None or outcome is not None:
            return outcome
        if self._is_leaving:
            return self._leave()
        code, told = self._running.code, self._running.ending_text()
        words = self._running.last_words() or "it said nothing on stderr"
        return WorkOutcome(
            error=f"Claude Code {told} without a result; {words}",
            exit_code=code if code is None or code >= 0 else None,
        )

    def _look_at_rest(self) -> None:
        """Take in the last of what it wrote; nobody is there to be answered."""
        scene = self._scene
        scene.transcript.refresh()
        scene.post.acknowledge(scene.transcript)
        for event, offset in scene.stream.events(is_final=True):
            scene.stream.take(event, offset)
            if event.get("type") == "result" and not is_done(event) and scene.gates.outcome is None:
                self._turn_failed(event)

    # -- telling

    def _tell_user(self, text: str, uuid: str) -> None:
        message = {"role": "user", "content": text}
        self._tell({"type": "user", "message": message, "uuid": uuid})

    def _request(self, id_: str, request: Mapping[str, object]) -> None:
        self._tell({"type": "control_request", "request_id": id_, "request": request})

    def _tell(self, value: dict[str, object]) -> None:
        self._running.tell(codec.encode(value) + b"\n")


def refusal_of(result: ClaudeEvent, *, words: str | None) -> WorkOutcome | None:
    """Say how the work ends if `result` says that a hook refused; `words` are the last that one gave.
    Pure."""
    if result.get("is_error") is not False:
        return None
    if result.get("num_turns") == 0:  # the prompt, which no model saw
        told = str(result.get("result") or "").partition("\n\nOriginal prompt:")[0]
    elif result.get("terminal_reason") == "hook_stopped":
        told = words or "it gave no reason"
    else:
        return None
    error = f"a hook refused to go on: {told.strip()[:_MOST_WORDS]}; mend the hook or the task, then retry"
    return WorkOutcome(error=error, is_final=True)


def trouble_of(result: ClaudeEvent, *, limit: RateLimit, now: float) -> Trouble:
    """Read a `result` that is no success; `limit` is what was said of a subscription's limits. Pure."""
    text = str(
        result.get("result") or "; ".join(map(str, result.get("errors") or [])) or result.get("subtype")
    )
    status, resets_at = result.get("api_error_status"), limit.get("resetsAt")
    if limit.get("status") == "rejected":
        left_s = max(0.0, resets_at - now) if isinstance(resets_at, int | float) else None
        return Trouble(cause=Cause.LIMIT, text=text[:500], status=429, retry_after_s=left_s)
    if status is None and text.startswith("Not logged in"):
        return Trouble(cause=Cause.REFUSED, text=_NOT_LOGGED_IN, status=401)
    if isinstance(status, int):
        return of_status(status, None, text)
    if result.get("subtype") == "error_max_budget_usd":
        return Trouble(cause=Cause.OVERLOAD, text="its own budget fence was reached")
    if "API Error" in text or "onnection" in text:
        return Trouble(cause=Cause.NETWORK, text=text[:500])
    return Trouble(cause=Cause.REFUSED, text=text[:500])
