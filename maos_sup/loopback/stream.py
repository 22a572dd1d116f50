"""A reply as the events of a stream, and as one message. Pure: no socket here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Required, TypedDict

from maos_sup.loopback.messages_api import ErrorBody, MessageBlock, MessagesAnswer, TokenUsage, words_of
from maos_sup.loopback.reply import ScriptedReply
from state_layout.files import codec


class StreamedEvent(TypedDict, total=False):
    """The event is one of a stream; which keys it has depends on its type."""

    type: Required[str]
    index: int
    message: Mapping[str, object]
    content_block: Mapping[str, object]
    delta: Mapping[str, object]
    usage: TokenUsage


_DELTAS = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}


def message(reply: ScriptedReply, *, id_: str, model: str, usage: TokenUsage) -> MessagesAnswer:
    """The whole answer as the API gives it without streaming."""
    return {
        "id": id_,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(reply.content),
        "stop_reason": reply.ending,
        "stop_sequence": None,
        "usage": usage,
    }


def events(reply: ScriptedReply, whole: MessagesAnswer) -> Iterator[StreamedEvent]:
    """Yield the events of the stream of `whole`, in order; pieces of `reply.pace.chunk_chars` characters."""
    usage = whole["usage"]
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(whole["content"]):
        yield from _block_events(index, block, reply.pace.chunk_chars)
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
        "usage": {"output_tokens": usage["output_tokens"]},
    }
    yield {"type": "message_stop"}


def is_piece(event: StreamedEvent) -> bool:
    """The `event` carries a piece of a block: these are paced, and `after_chunks` counts them."""
    return event["type"] == "content_block_delta"


def wire(event: StreamedEvent | ErrorBody) -> bytes:
    """Encode `event` as server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), codec.encode(event))


def _block_events(index: int, block: MessageBlock, chunk_chars: int) -> Iterator[StreamedEvent]:
    type_ = block["type"]
    if type_ not in _DELTAS:
        yield {"type": "content_block_start", "index": index, "content_block": block}
    else:
        is_call = type_ == "tool_use"
        begun = {**block, "input": {}} if is_call else {**block, type_: ""}
        yield {"type": "content_block_start", "index": index, "content_block": begun}
        text = codec.encode(block["input"]).decode() if is_call else words_of(block)
        for start in range(0, len(text), max(1, chunk_chars)):
            piece = text[start : start + max(1, chunk_chars)]
            yield {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": _DELTAS[type_], "partial_json" if is_call else type_: piece},
            }
    yield {"type": "content_block_stop", "index": index}
