"""Says what a dialect is, and what all of them need: events with their marks, messages put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from maos_sup.loopback.messages_api import (
    ConversationMessage,
    MessageBlock,
    MessagesRequest,
    OfferedTool,
    TokenUsage,
)
from maos_sup.loopback.reply import PlannedFault, ScriptedReply
from state_layout.files import codec

Wire = dict[str, object]  # what is made to be sent
RoleBlocks = tuple[str, list[MessageBlock]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectAnswer:
    """A reply is on its way: with its id, its model, its usage in the words of the Messages API."""

    id: str  # 24 hexadecimal digits; each dialect puts its own prefix before them
    model: str
    reply: ScriptedReply
    usage: TokenUsage
    tools: Sequence[OfferedTool] = ()  # that the request offered

    @property
    def input_tokens(self) -> int:
        """The input has so many tokens, cached ones too, as the APIs besides Messages count them."""
        usage = self.usage
        cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
        return (usage.get("input_tokens") or 0) + cached

    @property
    def cached_tokens(self) -> int:
        return self.usage.get("cache_read_input_tokens") or 0

    @property
    def output_tokens(self) -> int:
        return self.usage.get("output_tokens") or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectEvent:
    """One event of a stream as it is sent."""

    data: bytes
    is_piece: bool = False  # it carries a piece of a block: what paces and `after_chunks` count
    is_closing: bool = False  # the content has ended: a fault strikes before this at the latest
    is_last: bool = False


class Dialect(Protocol):
    """A dialect is one API."""

    name: str
    call_prefix: str  # of the ids of calls

    def asked(self, body: Any, path: str) -> MessagesRequest:
        """Read `body` as a Messages request with `model`, `stream`, `system`, `tools`, `messages`.

        Raises KeyError, TypeError, AttributeError or ValueError if it is not what the API takes.
        """

    def refusal(self, body: Any) -> str | None:
        """Say why the real API would refuse `body`, or None."""

    def whole(self, answer: DialectAnswer) -> Mapping[str, object]:
        """Make the answer without streaming."""

    def events(self, answer: DialectAnswer) -> Iterator[DialectEvent]:
        """Make the answer as a stream."""

    def error(self, fault: PlannedFault) -> Mapping[str, object]:
        """Make the body of an HTTP error."""

    def error_event(self, fault: PlannedFault) -> bytes:
        """The event that says in mid-stream that it failed."""


def wire(value: Mapping[str, object], *, name: str | None = None) -> bytes:
    """Encode `value` as server-sent event."""
    head = b"" if name is None else b"event: %b\n" % name.encode()
    return b"%bdata: %b\n\n" % (head, codec.encode(value))


def pieces(text: str, chars: int) -> Iterator[str]:
    """Yield `text` in pieces of `chars` characters."""
    size = max(1, chars)
    for start in range(0, len(text), size):
        yield text[start : start + size]


def put_together(entries: Iterable[RoleBlocks]) -> tuple[list[MessageBlock], list[ConversationMessage]]:
    """Blocks of the system that stand first, and messages: entries of one role in a row are one message."""
    system: list[MessageBlock] = []
    messages: list[ConversationMessage] = []
    for role, blocks in entries:
        if role == "system" and not messages:
            system += blocks
        elif messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": list(blocks)})
    return system, messages


def text_block(text: str) -> MessageBlock:
    return {"type": "text", "text": text}


def arguments_of(block: MessageBlock) -> str:
    """Encode the input of a call as JSON text."""
    return codec.encode(block.get("input", {})).decode()


def input_of(text: str) -> Any:
    """Decode the input of a call from JSON text; text that is none is kept as it is."""
    try:
        return codec.decode(text.encode())
    except codec.NotJson:
        return {"text": text}
