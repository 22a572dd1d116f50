"""The events of one streamed answer, in our own words: in order, of the right types.

Servers differ in what they stream: a block may go on after its end was said, calls may come interleaved, an
end may be missing. What has one meaning is read (all that the package of the API's maker reads, and the words
of servers that only translate). What has none is a ValueError: it is asked for again. Nothing goes on record
that cannot be written, charged or shown. A call whose input is unusable is an answer: the model hears why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from state_layout.files import codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The server began to answer."""

    message_id: str
    model: str
    usage: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPiece:
    """A piece of a block came: of its text, its thinking or its input."""

    index: int
    text: str
    what: str  # text, thinking, input


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A block is complete; said again if more of it came. `bad_input`: why a call's input is unusable."""

    index: int
    block: dict[str, object]
    bad_input: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerEnded:
    """The answer is complete."""

    stop_reason: str
    usage: dict[str, int]


Event = Begun | AnswerPiece | Whole | AnswerEnded


@dataclass(slots=True)
class _Growing:
    """The block is there as far as it came. `raw` is the text of a call's input; `is_told`: it is on
    record as it is."""

    block: dict[str, object]
    raw: str = ""
    is_told: bool = False


@dataclass(slots=True)
class StreamReading:
    """Reads the events of one answer. Raises ValueError, and what events without what they need raise."""

    _growing: list[_Growing] = field(default_factory=list)
    _usage: dict[str, int] | None = None  # None: the answer did not begin
    _stop_reason: str | None = None
    _is_over: bool = False

    def take(self, event: object) -> Iterator[Event]:
        """Yield what one event, as it came, means."""
        if not isinstance(event, dict):
            raise ValueError("an event is no object")
        type_ = event.get("type")
        if self._usage is None and type_ != "message_start":
            raise ValueError(f"it begins with {str(type_)[:40]!r} instead of 'message_start'")
        match type_:
            case "message_start":
                yield self._begun(_object(event["message"], "message"))
            case "content_block_start":
                self._start(event["index"], _object(event["content_block"], "content_block"))
            case "content_block_delta":
                yield from self._piece(event["index"], _object(event["delta"], "delta"))
            case "content_block_stop":
                yield from self._told(_index(event["index"], len(self._growing)))
            case "message_delta":
                self._delta(event)
            case "message_stop":
                self._is_over = True

    def end(self) -> Iterator[Event]:
        """Yield what is known now that no event follows: blocks that nobody ended, and how the answer
        ended."""
        if self._usage is None:
            raise ValueError("there is no event of an answer in it")
        if self._stop_reason is None and not (self._is_over and self._growing):
            raise EndedEarly("it ended in the middle")
        for index in range(len(self._growing)):
            yield from self._told(index)
        yield AnswerEnded(stop_reason=self._stop_reason or self._likely_stop_reason(), usage=self._usage)

    def _begun(self, message: Mapping[str, object]) -> Begun:
        if self._usage is not None:
            raise ValueError("it begins twice")
        told = _usage(message.get("usage"))
        self._usage = {
            **told,
            "output_tokens": 0,
        }  # nothing is written yet; the first word on that is no count
        name, model = (_text(message.get(key) or "", key) for key in ("id", "model"))
        return Begun(message_id=name, model=model, usage=told)

    def _start(self, index: object, block: dict[str, object]) -> None:
        if type(index) is not int or index != len(self._growing):
            raise ValueError(f"block {index!r} begins where {len(self._growing)} follows")
        kind = _text(block.get("type"), "type")
        if kind in _TEXTS:
            block = {**block, kind: _text(block.get(kind) or "", kind)}
        if kind == "tool_use":
            _text(block.get("name"), "name")
            block = {**block, "id": self._free_id(block.get("id"), index)}
        self._growing.append(_Growing(block))

    def _free_id(self, told: object, index: int) -> str:
        """Find a free id for a call: results go by ids, so a call that has none, or another's, gets one of
        ours."""
        taken = {growing.block.get("id") for growing in self._growing}
        id_ = _text(told or "", "id")
        while not id_ or id_ in taken:
            id_ = f"{id_ or 'call'}_{index}"
        return id_

    def _piece(self, index: object, delta: Mapping[str, object]) -> Iterator[AnswerPiece]:
        index = _index(index, len(self._growing))
        growing = self._growing[index]
        block, type_ = growing.block, delta.get("type")
        key, what, kinds = _DELTAS.get(type_, ("", "", ())) if isinstance(type_, str) else ("", "", ())
        if block["type"] not in kinds:
            return
        if what == "citation":
            cited = block.get("citations")
            block["citations"] = [*(cited if isinstance(cited, list) else []), delta[key]]
        else:
            text = _text(delta[key], key)
            if what == "input":
                growing.raw += text
            elif what == "signature":
                block["signature"] = text
            else:
                block[what] = f"{block[what]}{text}"
        growing.is_told = False
        if what in ("text", "thinking", "input"):
            yield AnswerPiece(index=index, text=text, what=what)

    def _delta(self, event: Mapping[str, object]) -> None:
        """Note how the answer ends, and what was used: a zero said later takes no count of the prompt
        back."""
        delta, later = _object(event.get("delta") or {}, "delta"), _usage(event.get("usage"))
        if delta.get("stop_reason") is not None:
            told = _text(delta["stop_reason"], "stop_reason")
            self._stop_reason = _OTHER_WORDS.get(told, told)
        before = self._usage or {}
        self._usage = before | {key: max(count, before.get(key, 0)) for key, count in later.items()}

    def _likely_stop_reason(self) -> str:
        has_call = any(growing.block["type"] == "tool_use" for growing in self._growing)
        return "tool_use" if has_call else "end_turn"

    def _told(self, index: int) -> Iterator[Whole]:
        """The block, unless it is on record just so."""
        growing = self._growing[index]
        if growing.is_told:
            return
        growing.is_told = True
        bad_input = None
        if "input" in growing.block or growing.raw.strip():
            growing.block["input"], bad_input = _input(growing)
        if codec.is_nested_too_deeply(growing.block):
            raise ValueError("a block is nested too deeply")
        codec.encode(growing.block)
        yield Whole(index=index, block=dict(growing.block), bad_input=bad_input)


class EndedEarly(ValueError):
    """The stream ended, and the answer had not."""


_DELTAS = {  # the key of the piece, what it is a piece of, the types of blocks that have it
    "text_delta": ("text", "text", ("text",)),
    "thinking_delta": ("thinking", "thinking", ("thinking",)),
    "signature_delta": ("signature", "signature", ("thinking",)),
    "citations_delta": ("citation", "citation", ("text",)),
    "input_json_delta": ("partial_json", "input", ("tool_use", "server_tool_use")),
}
_TEXTS = ("text", "thinking")  # types of blocks, and the key of their text
_OTHER_WORDS = {  # what servers say that hand on the words of other providers
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_MOST_TOKENS = 1 << 40


def _index(index: object, count: int) -> int:
    if type(index) is not int or not 0 <= index < count:
        raise ValueError(f"there is no block {index!r}")
    return index


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{name!r} is no object")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is no text")
    return value


def _input(growing: _Growing) -> tuple[dict[str, object], str | None]:
    """The input of a call, and why it is unusable: what was streamed stands before what it began with."""
    value: object = growing.block.get("input")
    if growing.raw.strip():
        try:
            value = codec.decode(growing.raw)
        except codec.NotJson as error:
            return {}, f"it is no JSON: {error} (line {error.line}, column {error.column})"
    if value is None or value == "":
        return {}, None
    if not isinstance(value, dict):
        return {}, f"it is {codec.type_names.get(type(value), 'null')}, not an object"
    try:
        codec.encode(value)
    except (TypeError, RecursionError) as error:
        return {}, str(error)
    return ({}, "it is nested too deeply") if codec.is_nested_too_deeply(value) else (value, None)


def _usage(usage: object) -> dict[str, int]:
    """Read what was used, as far as it can be believed: neither less than nothing nor beyond all measure."""
    found = {name: usage.get(name) for name in USAGE_KEYS} if isinstance(usage, dict) else {}
    return {name: value for name, value in found.items() if type(value) is int and 0 <= value < _MOST_TOKENS}


USAGE_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
