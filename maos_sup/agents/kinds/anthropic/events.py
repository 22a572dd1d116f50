"""The events of one streamed answer, in our own words: in order, of the right types, each block once.

The package takes what a server says on trust: an event of another type, twice, or at the wrong place becomes
an answer all the same, or an error somewhere. Nothing may go on record that cannot be written, charged or
shown, so what is no answer is a ValueError here, and asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from state_layout.files import codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The server began to answer."""

    message_id: str
    model: str
    usage: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a block: of its text, its thinking or its input."""

    index: int
    text: str
    what: str  # text, thinking, input


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A block is complete. `has_bad_input`: a tool call whose input was cut off."""

    index: int
    block: dict[str, Any]
    has_bad_input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The answer is complete."""

    stop_reason: str
    usage: dict[str, int]


Event = Begun | Piece | Whole | Ended


class Reading:
    """Reads the events of one answer. Raises ValueError, and what events without what they need raise."""

    def __init__(self) -> None:
        self._has_begun = False
        self._inputs: list[str] = []  # of each block so far, the raw input of a tool call
        self._whole: set[int] = set()  # blocks that are complete
        self._calls: set[str] = set()

    def take(self, event: Any) -> Iterator[Event]:
        """What one event of the package means."""
        match event.type:
            case "message_start":
                yield self._begun(event.message)
            case "content_block_start":
                if event.index is True or event.index != len(self._inputs):
                    raise ValueError(f"block {event.index!r} begins where {len(self._inputs)} follows")
                self._inputs.append("")
            case "content_block_delta":
                yield from self._piece(self._open(event.index), event.delta)
            case "content_block_stop":
                if type(event.index) is int and event.index in self._whole:
                    return  # said twice; it is on record
                index = self._open(event.index)
                self._whole.add(index)
                dumped = event.content_block.model_dump(mode="json", exclude_unset=True, warnings=False)
                yield self._block(index, dumped)

    def end(self, message: Any) -> Ended:
        """How the answer ended."""
        if message.stop_reason is None or len(self._whole) < len(self._inputs):
            raise ValueError("it ended in the middle")
        return Ended(stop_reason=_text(message.stop_reason, "stop_reason"), usage=_usage(message.usage))

    def _begun(self, message: Any) -> Begun:
        if self._has_begun:
            raise ValueError("it begins twice")
        self._has_begun = True
        name, model = _text(message.id, "id"), _text(message.model, "model")
        return Begun(message_id=name, model=model, usage=_usage(message.usage))

    def _open(self, index: object) -> int:
        if type(index) is not int or not 0 <= index < len(self._inputs) or index in self._whole:
            raise ValueError(f"block {index!r} is not under way")
        return index

    def _piece(self, index: int, delta: Any) -> Iterator[Piece]:
        found = _DELTAS.get(delta.type)
        if found is None:
            return
        text = _text(getattr(delta, found[0]), found[0])
        if found[1] == "input":
            self._inputs[index] += text
        yield Piece(index=index, text=text, what=found[1])

    def _block(self, index: int, block: dict[str, Any]) -> Whole:
        has_bad_input = not _is_object(self._inputs[index])
        kind = _text(block.get("type"), "type")
        for key in _TEXTS.get(kind, ()):
            _text(block.get(key), key)
        if kind == "tool_use":
            if not block["id"] or block["id"] in self._calls:
                raise ValueError(f"the id {block['id']!r} of a call is empty or there twice")
            self._calls.add(block["id"])
            if has_bad_input:
                block["input"] = {}  # what came of it is no input
            elif not isinstance(block.get("input"), dict):
                raise ValueError("the input of a call is no object")
        if codec.is_nested_too_deeply(block):
            raise ValueError("a block is nested too deeply")
        codec.encode(block)
        return Whole(index=index, block=block, has_bad_input=has_bad_input)


_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "input"),
}
_TEXTS = {"text": ("text",), "thinking": ("thinking",), "tool_use": ("id", "name")}
_MOST_TOKENS = 1 << 40


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is no text")
    return value


def _is_object(text: str) -> bool:
    """Whether the raw input of a tool call is whole; none at all is an empty object."""
    if not text.strip():
        return True
    try:
        codec.decode_object(text)
    except codec.NotJson:
        return False
    return True


def _usage(usage: Any) -> dict[str, int]:
    """What was used, as far as it can be believed: neither less than nothing nor beyond all measure."""
    found = {name: getattr(usage, name, None) for name in USAGE_KEYS}
    return {name: value for name, value in found.items() if type(value) is int and 0 <= value < _MOST_TOKENS}


USAGE_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
