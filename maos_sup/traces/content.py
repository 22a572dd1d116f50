"""Says what models were told and said, and what tools were given and gave:
only for spans of which that is wanted.

Messages have the form of the GenAI conventions (`role`, `parts`), as JSON in a text. Of what a model was told
a span has what is new since the answer before, so that the whole of a run grows with it and not with its
square. Long texts are cut, and of many parts the first are left out; both is said. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.text import cut
from state_layout.files import codec

CONTENT_TYPES = frozenset(
    {"turn", "block", "request", "broken", "compacted", "tool_call", "tool_result", "start"}
)
MOST_CHARS = 4_000  # of one text
MOST_VALUE_CHARS = 16_000  # of one attribute
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}
Part = dict[str, object]
Block = Mapping[str, object]  # as a journal has it


class SaidMessage(TypedDict):
    """A message as the conventions have it."""

    role: str
    parts: list[Part]
    finish_reason: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanContent:
    """The content is that of one span, each as JSON or a text; None: it has no such thing."""

    input_messages: str | None = None
    output_messages: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    result: str | None = None


@dataclass(slots=True)
class ContentFold:
    """Folds the lines of one agent, oldest first; `found`: by the id of a span's first line."""

    found: dict[str, SpanContent] = field(default_factory=dict)
    _news: list[SaidMessage] = field(default_factory=list)  # messages since the last answer
    _asked: dict[str, tuple[str, int]] = field(
        default_factory=dict
    )  # by key: first line, messages until then
    _blocks: dict[str, dict[int, Block]] = field(default_factory=dict)
    _inputs: dict[str, object] = field(default_factory=dict)  # of calls, by id
    _calls: dict[str, str] = field(default_factory=dict)  # the first line of each, by id

    def take(self, line: JournalLine) -> None:
        """Fold the next line."""
        teller = _TELLERS.get(line.type)
        if teller is not None:
            teller(self, line)

    def take_start(self, line: JournalLine) -> None:
        if "rewound" in line.fields:  # what was said is not so any more
            self._news.clear()

    def take_request(self, line: JournalLine) -> None:
        key = str(line.fields.get("key"))
        self._asked[key] = line.h, len(self._news)
        self._blocks.pop(key, None)

    def take_block(self, line: JournalLine) -> None:
        block, index = line.fields.get("block"), line.fields.get("index")
        if isinstance(block, dict) and isinstance(index, int):
            self._blocks.setdefault(str(line.fields.get("key")), {})[index] = block

    def take_turn(self, line: JournalLine) -> None:
        if line.fields.get("role") == "assistant":
            self._answer(line, str(line.fields.get("stop_reason") or "unknown"))
            return
        parts = [*_parts_of(line.fields.get("content"))]
        if parts:
            self._news.append({"role": "user", "parts": parts})

    def take_broken(self, line: JournalLine) -> None:
        key = str(line.fields.get("key"))
        first, count = self._asked.pop(key, (line.h, len(self._news)))
        said = [*_said(self._blocks.pop(key, {}), None)]
        self._keep(first, self._news[:count], said, "error")

    def take_compacted(self, line: JournalLine) -> None:
        self._answer(line, "stop")

    def _answer(self, line: JournalLine, reason: str) -> None:
        key = str(line.fields.get("key"))
        first, count = self._asked.pop(key, (line.h, len(self._news)))
        blocks = self._blocks.pop(key, {})
        for block in blocks.values():
            if block.get("type") == "tool_use":
                self._inputs[str(block.get("id"))] = block.get("input")
        said = [*_said(blocks, line.fields.get("text"))]
        self._keep(first, self._news[:count], said, _REASONS.get(reason, reason))
        del self._news[:count]

    def _keep(self, first: str, told: list[SaidMessage], said: list[Part], reason: str) -> None:
        answer: list[SaidMessage] = (
            [{"role": "assistant", "parts": said, "finish_reason": reason}] if said else []
        )
        self.found[first] = SpanContent(
            input_messages=_messages_text(told) if told else None,
            output_messages=_messages_text(answer) if answer else None,
        )

    def take_tool_call(self, line: JournalLine) -> None:
        id_ = str(line.fields.get("id"))
        self._calls[id_] = line.h
        if "input" in line.fields:  # of a command line; of kind anthropic the answer has it
            self._inputs[id_] = line.fields["input"]

    def take_tool_result(self, line: JournalLine) -> None:
        id_, content = str(line.fields.get("id")), line.fields.get("content")
        given, first = self._inputs.pop(id_, None), self._calls.pop(id_, None)
        response = _shortened(content)
        self._news.append(
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": id_, "response": response}]}
        )
        if first is not None:
            self.found[first] = SpanContent(
                call_id=id_,
                arguments=None if given is None else _bounded(_shortened(given)),
                result=None if content is None else _bounded(response),
            )


def _said(blocks: Mapping[int, Block], text: object) -> Iterable[Part]:
    """Yield the parts of an answer: of its blocks, or of the text that is all that a command line tells."""
    if isinstance(text, str) and text and not blocks:
        yield {"type": "text", "content": cut(text, MOST_CHARS)}
    yield from _parts_of([blocks[index] for index in sorted(blocks)])


def _parts_of(content: object) -> Iterable[Part]:
    """Yield the parts of a message; what a tool gave is not among them, since it has a message of its own."""
    if isinstance(content, str) and content:
        yield {"type": "text", "content": cut(content, MOST_CHARS)}
    for block in content if isinstance(content, list) else ():
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text" and str(block.get("text", "")).strip():
            yield {"type": "text", "content": cut(block["text"], MOST_CHARS)}
        elif kind == "thinking" and block.get("thinking"):
            yield {"type": "reasoning", "content": cut(block["thinking"], MOST_CHARS)}
        elif kind == "tool_use":
            id_, name = str(block.get("id")), str(block.get("name"))
            yield {"type": "tool_call", "id": id_, "name": name, "arguments": _shortened(block.get("input"))}


def _shortened(value: object) -> object:
    """`value` as text of people, with the ends of long texts left out."""
    if isinstance(value, str):
        return cut(value, MOST_CHARS)
    if isinstance(value, dict):
        return {cut(key, 200): _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return value


def _bounded(value: object) -> str:
    """A text as it is, other values as JSON, without the end of what is too long for an attribute."""
    text = value if isinstance(value, str) else codec.encode(value).decode()
    return cut(text, MOST_VALUE_CHARS)


def _messages_text(messages: list[SaidMessage]) -> str:
    """Encode `messages` as JSON; of what is too long the first parts are left out, and a part says how
    many."""
    parts = [(message, part) for message in messages for part in message["parts"]]
    sizes = [len(codec.encode(part)) for _, part in parts]
    begin, size = len(parts), 0
    while begin and size + sizes[begin - 1] <= MOST_VALUE_CHARS:
        begin -= 1
        size += sizes[begin]
    kept: list[SaidMessage] = [{**message, "parts": [part]} for message, part in parts[begin:]]
    if begin:
        left_out: Part = {"type": "text", "content": f"[... {begin} earlier parts left out]"}
        kept.insert(0, {**parts[begin - 1][0], "parts": [left_out]})
    return codec.encode(_joined(kept)).decode()


def _joined(messages: list[SaidMessage]) -> list[SaidMessage]:
    """Join those of `messages` of one role that come one after another."""
    found = list[SaidMessage]()
    for message in messages:
        if found and found[-1]["role"] == message["role"]:
            found[-1]["parts"] = [*found[-1]["parts"], *message["parts"]]
        else:
            found.append({**message})
    return found


_TELLERS: Mapping[str, Callable[[ContentFold, JournalLine], None]] = {
    "start": ContentFold.take_start,
    "request": ContentFold.take_request,
    "block": ContentFold.take_block,
    "turn": ContentFold.take_turn,
    "broken": ContentFold.take_broken,
    "compacted": ContentFold.take_compacted,
    "tool_call": ContentFold.take_tool_call,
    "tool_result": ContentFold.take_tool_result,
}
