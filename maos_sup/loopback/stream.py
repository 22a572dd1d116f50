"""A reply as the events of a stream, and as one message. Pure: no socket here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maos_sup.loopback.reply import ScriptedReply
from state_layout.files import codec

Event = dict[str, Any]
_DELTAS = {
    "text": ("text", "text_delta", "text"),
    "thinking": ("thinking", "thinking_delta", "thinking"),
    "tool_use": ("input", "input_json_delta", "partial_json"),
}


def message(reply: ScriptedReply, *, id_: str, model: str, usage: dict[str, Any]) -> dict[str, Any]:
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


def events(reply: ScriptedReply, whole: dict[str, Any]) -> Iterator[Event]:
    """The events of the stream of `whole`, in order; pieces of `reply.pace.chunk_chars` characters."""
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


def is_piece(event: Event) -> bool:
    """Whether `event` carries a piece of a block: what paces and `after_chunks` count."""
    return bool(event["type"] == "content_block_delta")


def wire(event: Event) -> bytes:
    """`event` as server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), codec.encode(event))


def _block_events(index: int, block: dict[str, Any], chunk_chars: int) -> Iterator[Event]:
    shape = _DELTAS.get(block["type"])
    if shape is None:
        yield {"type": "content_block_start", "index": index, "content_block": block}
    else:
        key, delta, field = shape
        empty: Any = {} if key == "input" else ""
        yield {"type": "content_block_start", "index": index, "content_block": {**block, key: empty}}
        text = codec.encode(block[key]).decode() if key == "input" else block[key]
        for start in range(0, len(text), max(1, chunk_chars)):
            piece = text[start : start + max(1, chunk_chars)]
            yield {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": delta, field: piece},
            }
    yield {"type": "content_block_stop", "index": index}
