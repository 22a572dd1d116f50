"""The events of one process of Claude Code, put on record as they come: answers, results of tools, the end.

The same for a living process and for what a dead life's process wrote: a record carries the place in the
output from which a later life goes on, which is never in the middle of an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from maos_sup.agents.kinds.cli.record import Record
from maos_sup.agents.kinds.cli.spending import Spending
from maos_sup.agents.sources import Source
from state_layout.files import codec
from state_layout.ledger import Amount

Event = dict[str, Any]
_USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_OF_MODELS = dict(
    zip(
        _USAGE,
        ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"),
        strict=True,
    )
)
_CHARS_A_TOKEN = 3.5


@dataclass(slots=True, kw_only=True)
class Answer:
    """An answer that is coming in."""

    message: str
    model: str
    usage: dict[str, int]
    texts: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # names
    stop_reason: str | None = None
    chars: int = 0


class Stream:
    """Takes the events of one process, in order."""

    def __init__(self, record: Record, spending: Spending, source: Source) -> None:
        self._record, self._spending, self._source = record, spending, source
        self._memory = record.memory
        self._counted: dict[str, int] = dict.fromkeys(_USAGE, 0)  # usage on record of this process
        self._cost_usd = 0.0  # on record of this process
        self._old_calls = frozenset(self._memory.calls)  # of dead processes
        self.answer: Answer | None = None
        self.is_asking = False  # a question is under way
        self.result: Event | None = None  # of the last turn

    @property
    def is_in_call(self) -> bool:
        """Whether a tool is running: it has its own limits."""
        return bool(self._memory.calls.keys() - self._old_calls)

    def events(self, *, is_final: bool = False) -> list[tuple[Event, int]]:
        """What came since: events, each with the offset after it. Lines that are none are left out."""
        if not (self._source.has_grown() or (is_final and self._source.is_behind)):
            return []
        found: list[tuple[Event, int]] = []
        for piece in self._source.pieces(is_final=is_final):
            offset = piece.start
            for line in piece.data.splitlines(keepends=True):
                offset += len(line)
                event = _event(line)
                if event is not None:
                    found.append((event, offset))
        return found

    def take(self, event: Event, offset: int) -> None:
        """Put on record what `event` says. Raises StorageError."""
        take = _TAKES.get(str(event.get("type")))
        if take is not None:
            take(self, event, offset)

    def broke(self, why: str) -> None:
        """The process is gone: a question without an answer is on record as broken. Raises StorageError."""
        if self.is_asking:
            waste = self._waste()
            fields = {"key": self._memory.key, "why": why, "waste": waste.to_json(), "tokens": waste.tokens}
            if waste.cost_usd is not None:
                fields["cost_usd"] = waste.cost_usd
            self._record.commit("broken", fields, at=(self._source, self._source.offset))
        self.is_asking, self.answer = False, None

    # -- events

    def _system(self, event: Event, offset: int) -> None:
        if event.get("subtype") == "init":
            self._spending.model = _plain(event.get("model")) or self._spending.model
        elif event.get("subtype") == "status" and event.get("status") == "requesting":
            self._ask()

    def _stream_event(self, event: Event, offset: int) -> None:
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
            answer.usage |= _counts(inner.get("usage") or {})
        elif kind == "message_stop":
            self._finish(answer, offset)

    def _begin(self, message: Event) -> None:
        if not self.is_asking:
            self._ask()
        self._spending.model = message.get("model") or self._spending.model
        self.answer = Answer(
            message=str(message.get("id")),
            model=str(message.get("model")),
            usage=_counts(message.get("usage") or {}),
        )

    def _ask(self) -> None:
        self._spending.asked(self._memory)
        self.is_asking = True

    def _assistant(self, event: Event, offset: int) -> None:
        message, answer = event.get("message") or {}, self.answer
        if answer is None or message.get("id") != answer.message:
            return  # of a sub-agent, or what it says itself
        for block in message.get("content") or ():
            if block.get("type") == "text":
                answer.texts.append(block["text"])
                self._record.show(block["text"])
            elif block.get("type") == "tool_use":
                answer.calls.append(str(block.get("name")))

    def _user(self, event: Event, offset: int) -> None:
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

    def _control_request(self, event: Event, offset: int) -> None:
        """A tool that ran: on record before it is told to the model."""
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
            )

    def _result(self, event: Event, offset: int) -> None:
        self.result = event
        self._reconcile(event)
        if is_done(event):
            told = event.get("structured_output")
            value = told if told is not None else event.get("result") or ""
            self._record.commit("result", {"value": value}, at=(self._source, offset))
        self.is_asking, self.answer = False, None

    # -- parts

    def _finish(self, answer: Answer, offset: int) -> None:
        key, amount = self._memory.key, self._spending.amount(answer.usage, model=answer.model)
        self.answer, self.is_asking = None, False
        if answer.message in self._memory.messages:
            return
        self._count(answer.usage, amount)
        fields: Event = {
            "key": key,
            "message": answer.message,
            "model": answer.model,
            "stop_reason": answer.stop_reason,
            "usage": answer.usage,
            "calls": answer.calls,
        }
        self._record.answer(fields, answer.texts, amount=amount, at=(self._source, offset))
        self._spending.settle(key, self._memory.costs[key])

    def _reconcile(self, event: Event) -> None:
        """Put on record what it spent beside the answers that we saw: sub-agents, titles, summaries."""
        used = _of_models(event.get("modelUsage") or {})
        rest = {name: max(0, used[name] - self._counted[name]) for name in _USAGE}
        cost_usd = float(event.get("total_cost_usd") or 0.0) - self._cost_usd
        amount = self._spending.amount_beside(rest, cost_usd=cost_usd)
        if amount.tokens == 0 and not amount.cost_usd:
            return
        self._count(rest, amount)
        key = f"{self._memory.task}#{self._memory.run}/beside/{event.get('uuid')}"
        self._record.answer({"key": key, "is_aside": True, "usage": rest}, [], amount=amount, at=None)
        self._spending.settle(key, amount)

    def _count(self, usage: dict[str, int], amount: Amount) -> None:
        for name in _USAGE:
            self._counted[name] += usage.get(name, 0)
        self._cost_usd += amount.cost_usd or 0.0

    def _waste(self) -> Amount:
        """What the question that got no answer cost, as far as known."""
        if self.answer is None:
            return self._spending.estimate(self._memory)
        output = max(self.answer.usage.get("output_tokens", 0), int(self.answer.chars / _CHARS_A_TOKEN))
        return self._spending.amount({**self.answer.usage, "output_tokens": output}, model=self.answer.model)

    def _at(self, offset: int) -> tuple[Source, int] | None:
        """Where a later life goes on; not in the middle of an answer or a question."""
        return None if self.answer is not None or self.is_asking else (self._source, offset)


def is_done(result: Event) -> bool:
    """Whether a `result` event says that the turn came to its end: success, and nothing else."""
    return result.get("is_error") is False and result.get("terminal_reason", "completed") == "completed"


def _event(line: bytes) -> Event | None:
    try:
        event = codec.decode(line) if line.strip() else None
    except codec.NotJson:
        return None
    return event if isinstance(event, dict) else None


def _counts(usage: Event) -> dict[str, int]:
    return {name: int(usage[name]) for name in _USAGE if isinstance(usage.get(name), int)}


def _of_models(models: dict[str, Event]) -> dict[str, int]:
    return {
        name: sum(int(used.get(key) or 0) for used in models.values()) for name, key in _OF_MODELS.items()
    }


def _length(delta: Event) -> int:
    return sum(
        len(delta[key]) for key in ("text", "thinking", "partial_json") if isinstance(delta.get(key), str)
    )


def _plain(model: Any) -> str | None:
    """A model's name without the size of its window."""
    return model.partition("[")[0] if isinstance(model, str) else None


def _plain_result(content: Any) -> Any:
    """The output of a command as text; anything else as it is."""
    if isinstance(content, dict) and isinstance(content.get("stdout"), str):
        return "\n".join(part for part in (content["stdout"], content.get("stderr")) if part)
    return "" if content is None else content


_TAKES: dict[str, Callable[[Stream, Event, int], None]] = {
    "system": Stream._system,
    "stream_event": Stream._stream_event,
    "assistant": Stream._assistant,
    "user": Stream._user,
    "control_request": Stream._control_request,
    "result": Stream._result,
}
