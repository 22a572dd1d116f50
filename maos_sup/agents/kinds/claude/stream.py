"""The events of one process of Claude Code, put on record as they come: answers, results of tools, the end.

The same for a living process and for what a dead life's process wrote: a record carries the place in the
output from which a later life goes on, which is never in the middle of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from maos_sup.agents.kinds.claude.accounts import Accounts, counts, plain
from maos_sup.agents.kinds.claude.stream_json import ClaudeEvent, ClaudeMessage, is_event
from maos_sup.agents.kinds.shared.prices import (
    blind_cap,
    broken_usage,
    completed_usage,
    untold_usage,
)
from maos_sup.agents.kinds.shared.record import ProgramRecord
from maos_sup.agents.kinds.shared.spending import Spending
from maos_sup.agents.output.sources import Source
from state_layout.files import codec
from state_layout.ledger import NOTHING, Amount


@dataclass(slots=True, kw_only=True)
class StreamAnswer:
    """The answer is coming in."""

    message: str
    model: str
    usage: dict[str, int]
    texts: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # names
    stop_reason: str | None = None
    chars: int = 0


class Stream:
    """Takes the events of one process, in order.

    `accounts` knows what is before `source` in the same file; `known` are ids of answers on record that may
    be read again.
    """

    def __init__(
        self,
        record: ProgramRecord,
        spending: Spending,
        source: Source,
        *,
        accounts: Accounts,
        known: frozenset[str] = frozenset(),
    ) -> None:
        self._record, self._spending, self._source = record, spending, source
        self._memory, self._accounts, self._known = record.memory, accounts, known
        self._old_calls = frozenset(self._memory.calls)  # of dead processes
        self.answer: StreamAnswer | None = None
        self.is_asking = False  # a question is under way
        self.result: ClaudeEvent | None = None  # of the last turn
        self._last_text = ""  # of the last answer

    @property
    def is_in_call(self) -> bool:
        """A tool is running: it has its own limits."""
        return bool(self._memory.calls.keys() - self._old_calls)

    @property
    def value(self) -> Any:
        """The last turn came to this; a hook that does not let it end has the result empty."""
        result = self.result or {}
        told = result.get("structured_output")
        return told if told is not None else result.get("result") or self._last_text

    def events(self, *, is_final: bool = False) -> list[tuple[ClaudeEvent, int]]:
        """List the events that came since, each with the offset after it. Lines that are none are left
        out."""
        return list(events_of(self._source, is_final=is_final))

    def take(self, event: ClaudeEvent, offset: int) -> None:
        """Put on record what `event` says. Raises StorageError."""
        take = _TAKES.get(str(event.get("type")))
        if take is not None:
            take(self, event, offset)
        self._accounts.take(event)

    def broke(self, why: str) -> None:
        """The process is gone: a question without an answer is on record as broken. Raises StorageError."""
        end = self._source.offset
        for number, (model, usage) in enumerate(self._accounts.unknown()):
            what = f"{self._source.attempt}.{end}.{number}"
            self._spend_beside(what, usage, model=model, at=None, why=why)
        if self.is_asking:
            self._lose(why, end)
        self.is_asking, self.answer = False, None

    # -- events

    def _system(self, event: ClaudeEvent, offset: int) -> None:
        if event.get("subtype") == "init":
            self._spending.model = plain(event.get("model")) or self._spending.model
        elif event.get("subtype") == "status" and event.get("status") == "requesting":
            self._ask()

    def _stream_event(self, event: ClaudeEvent, offset: int) -> None:
        inner = event.get("event") or {}
        if event.get("parent_tool_use_id"):
            return
        kind, answer = inner.get("type"), self.answer
        if kind == "message_start":
            self._begin(inner["message"])
        elif answer is None:
            return
        elif kind == "content_block_delta":
            answer.chars += _length(inner.get("delta") or {})
        elif kind == "message_delta":
            answer.stop_reason = (inner.get("delta") or {}).get("stop_reason")
            answer.usage |= counts(inner.get("usage") or {})
        elif kind == "message_stop" and answer.stop_reason is not None:
            self._finish(answer, offset)
        elif kind == "message_stop":
            self._lose("the answer came in part", None)  # it is asked again, or the turn ends

    def _begin(self, message: ClaudeMessage) -> None:
        if not self.is_asking or self.answer is not None:
            self._ask()
        self._spending.model = message.get("model") or self._spending.model
        self.answer = StreamAnswer(
            message=str(message.get("id")),
            model=str(message.get("model")),
            usage=counts(message.get("usage") or {}),
        )

    def _ask(self) -> None:
        if self.answer is not None:
            self._lose("it was asked again", None)
        self._spending.asked(self._memory)
        self.is_asking = True

    def _assistant(self, event: ClaudeEvent, offset: int) -> None:
        message, answer = event.get("message") or {}, self.answer
        news = self._accounts.new_usage(event)
        if news is not None:
            id_, model, usage = news
            if broken_usage(usage, chars=0) is None:  # no prompt is counted
                usage = self._guessed(usage, chars=len(codec.encode(message.get("content")))) or usage
                self._accounts.expect(id_, usage)
            self._spend_beside(id_, usage, model=model, at=self._at(offset))
        if answer is None or message.get("id") != answer.message:
            return  # of a sub-agent, or what it says itself
        for block in message.get("content") or ():
            if block.get("type") == "text":
                answer.texts.append(block["text"])
                self._record.show(block["text"])
            elif block.get("type") == "tool_use":
                answer.calls.append(str(block.get("name")))

    def _user(self, event: ClaudeEvent, offset: int) -> None:
        content = (event.get("message") or {}).get("content")
        if event.get("parent_tool_use_id") or not isinstance(content, list):
            return
        for block in content:
            if block.get("type") == "tool_result" and block.get("tool_use_id") in self._memory.calls:
                told = block.get("content")
                self._record.call_result(
                    block["tool_use_id"],
                    told if told is not None else "",
                    is_error=bool(block.get("is_error")),
                    at=self._at(offset),
                )

    def _control_request(self, event: ClaudeEvent, offset: int) -> None:
        """Record a tool that ran before its result is told to the model."""
        request = event.get("request") or {}
        hook = request.get("input") or {}
        name = hook.get("hook_event_name")
        if name in ("PostToolUse", "PostToolUseFailure") and request.get("tool_use_id") in self._memory.calls:
            content = hook.get("tool_response") if name == "PostToolUse" else hook.get("error")
            self._record.call_result(
                request["tool_use_id"],
                _plain_result(content),
                is_error=name != "PostToolUse",
                at=self._at(offset),
                is_waiting=True,
            )

    def _result(self, event: ClaudeEvent, offset: int) -> None:
        self.result = event
        if self.answer is not None:
            self._lose("the turn ended", None)
        elif self.is_asking:
            self._spending.keep(self._memory)  # the question was refused
        self._reconcile(event, offset)
        if is_done(event):
            self._record.commit("result", {"value": self.value}, at=(self._source, offset))
        self.is_asking, self.answer = False, None

    # -- parts

    def _finish(self, answer: StreamAnswer, offset: int) -> None:
        self.answer, self.is_asking = None, False
        if answer.message in self._known:
            return
        self._last_text = "\n\n".join(answer.texts).strip()
        key = self._memory.key
        fields: dict[str, object] = {
            "key": key,
            "message": answer.message,
            "model": answer.model,
            "stop_reason": answer.stop_reason,
            "usage": answer.usage,
            "calls": answer.calls,
        }
        guessed = self._guessed(answer.usage, chars=answer.chars)
        if guessed is not None:
            fields["expected_usage"] = guessed
        amount = self._spending.amount(guessed or answer.usage, model=answer.model)
        if amount.cost_usd is None and self._spending.has_usd_cap() and not self._spending.trusts_costs:
            self._record.warn_once(blind_cap(answer.model))
        self._record.answer(fields, answer.texts, amount=amount, at=(self._source, offset))
        self._spending.settle(key, self._memory.costs[key])

    def _lose(self, why: str, end: int | None) -> None:
        """Record that what was asked got no whole answer: what it cost is waste."""
        waste = self._waste()
        fields: dict[str, object] = {
            "key": self._memory.key,
            "why": why,
            "waste": waste.to_json(),
            "tokens": waste.tokens,
        }
        if waste.cost_usd is not None:
            fields["cost_usd"] = waste.cost_usd
        self._record.commit("broken", fields, at=None if end is None else (self._source, end))
        self._spending.keep(self._memory)
        self.answer = None

    def _reconcile(self, event: ClaudeEvent, offset: int) -> None:
        """Put on record what it spent beside the answers that we saw: sub-agents, titles, summaries."""
        seen_usd = sum(
            self._spending.amount(used, model=model).cost_usd or 0.0 for model, used in self._accounts.seen
        )
        rest = self._accounts.rest(event)
        usage = rest.total
        amount = sum((self._beside(used, model=model) for model, used in rest.usage.items()), NOTHING)
        if self._spending.trusts_costs:
            amount = Amount(cost_usd=max(0.0, round(rest.cost_usd - seen_usd, 9)), tokens=amount.tokens)
        if amount.tokens or amount.cost_usd:
            self._record_beside(str(event.get("uuid")), usage, amount=amount, at=(self._source, offset))

    def _beside(self, usage: dict[str, int], *, model: str) -> Amount:
        return self._spending.amount(usage, model=plain(model) or None) if any(usage.values()) else NOTHING

    def _spend_beside(
        self, what: str, usage: dict[str, int], *, model: str, at: tuple[Source, int] | None, **more: Any
    ) -> None:
        amount = self._beside(usage, model=model)
        self._record_beside(what, usage, amount=amount, at=at, model=model, **more)

    def _record_beside(
        self, what: str, usage: dict[str, int], *, amount: Amount, at: tuple[Source, int] | None, **more: Any
    ) -> None:
        """Charge what is no answer of the main conversation, once by its name."""
        key = f"{self._memory.task}#{self._memory.run}/beside/{what}"
        if key in self._memory.costs:
            return
        self._record.answer({"key": key, "is_aside": True, "usage": usage, **more}, [], amount=amount, at=at)
        self._spending.settle(key, amount)

    def _guessed(self, usage: dict[str, int], *, chars: int) -> dict[str, int] | None:
        """Complete `usage` as expected with what its server left out, and say so once; None if it is
        complete."""
        guessed = completed_usage(usage, self._spending.expected(self._memory), chars=chars)
        if guessed is not None:
            self._record.warn_once(untold_usage("the provider"))
        return guessed

    def _waste(self) -> Amount:
        """Price the question that got no answer, as far as known."""
        answer = self.answer
        usage = None if answer is None else broken_usage(answer.usage, chars=answer.chars)
        if answer is None or usage is None:
            return self._spending.estimate(self._memory)
        return self._spending.amount(usage, model=answer.model)

    def _at(self, offset: int) -> tuple[Source, int] | None:
        """Say where a later life goes on; not in the middle of an answer or a question."""
        return None if self.answer is not None or self.is_asking else (self._source, offset)


def is_done(result: ClaudeEvent) -> bool:
    """A `result` event says that the model came to its end: a result without a turn is none."""
    if result.get("is_error") is not False or result.get("num_turns") == 0:
        return False
    return result.get("terminal_reason", "completed") in ("completed", "stop_hook_prevented")


def events_of(source: Source, *, is_final: bool) -> Iterator[tuple[ClaudeEvent, int]]:
    """Yield what came since in `source`: events, each with the offset after it; no line that is none."""
    if not (source.has_grown() or (is_final and source.is_behind)):
        return
    for piece in source.pieces(is_final=is_final):
        offset = piece.start
        for line in piece.data.splitlines(keepends=True):
            offset += len(line)
            event = _event(line)
            if event is not None:
                yield event, offset


def _event(line: bytes) -> ClaudeEvent | None:
    try:
        event = codec.decode(line) if line.strip() else None
    except codec.NotJson:
        return None
    return event if is_event(event) else None


def _length(delta: Mapping[str, Any]) -> int:
    return sum(
        len(delta[key]) for key in ("text", "thinking", "partial_json") if isinstance(delta.get(key), str)
    )


def _plain_result(content: Any) -> Any:
    """Give the output of a command as text; anything else as it is."""
    if isinstance(content, dict) and isinstance(content.get("stdout"), str):
        return "\n".join(part for part in (content["stdout"], content.get("stderr")) if part)
    return "" if content is None else content


_TAKES: dict[str, Callable[[Stream, ClaudeEvent, int], None]] = {
    "system": Stream._system,
    "stream_event": Stream._stream_event,
    "assistant": Stream._assistant,
    "user": Stream._user,
    "control_request": Stream._control_request,
    "result": Stream._result,
}
