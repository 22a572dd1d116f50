"""OpenAI's chat completions: what most servers and routers speak, and opencode with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from maos_sup.loopback.dialects.dialect import (
    Body,
    DialectAnswer,
    DialectEvent,
    arguments_of,
    input_of,
    pieces,
    put_together,
    text_block,
    wire,
)
from maos_sup.loopback.dialects.openai import openai_error
from maos_sup.loopback.reply import PlannedFault

_ENDINGS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}


class Chat:
    """POST .../chat/completions."""

    name = "chat"
    call_prefix = "call_"

    def asked(self, body: Body, path: str) -> Body:
        system, messages = put_together(entry for message in body["messages"] for entry in _entries(message))
        tools = [tool.get("function", tool) for tool in body.get("tools") or []]
        return {
            "model": body["model"],
            "stream": bool(body.get("stream")),
            "system": system,
            "tools": tools,
            "messages": messages,
        }

    def refusal(self, body: Any) -> str | None:
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            return "you must provide a model parameter"
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            return "Missing required parameter: 'messages'."
        return _unpaired(messages)

    def whole(self, answer: DialectAnswer) -> Body:
        message: Body = {"role": "assistant", "content": None}
        for block in answer.reply.content:
            if block["type"] == "text":
                message["content"] = (message["content"] or "") + block["text"]
            elif block["type"] == "tool_use":
                call = {"name": block["name"], "arguments": arguments_of(block)}
                message.setdefault("tool_calls", []).append(
                    {"id": block["id"], "type": "function", "function": call}
                )
        choice = {"index": 0, "message": message, "finish_reason": _ending(answer)}
        return {**_head(answer), "object": "chat.completion", "choices": [choice], "usage": _usage(answer)}

    def events(self, answer: DialectAnswer) -> Iterator[DialectEvent]:
        yield _chunk(answer, {"role": "assistant", "content": ""})
        calls = 0
        for block in answer.reply.content:
            if block["type"] == "tool_use":
                yield from _call_events(answer, block, calls)
                calls += 1
            else:
                field = "content" if block["type"] == "text" else "reasoning_content"
                for piece in pieces(block.get(block["type"], ""), answer.reply.pace.chunk_chars):
                    yield _chunk(answer, {field: piece}, is_piece=True)
        ended = {"index": 0, "delta": {}, "finish_reason": _ending(answer)}
        head = {**_head(answer), "object": "chat.completion.chunk"}
        yield DialectEvent(data=wire({**head, "choices": [ended]}), is_closing=True)
        yield DialectEvent(data=wire({**head, "choices": [], "usage": _usage(answer)}))
        yield DialectEvent(data=b"data: [DONE]\n\n", is_last=True)

    def error(self, fault: PlannedFault) -> Body:
        return openai_error(fault)

    def error_event(self, fault: PlannedFault) -> bytes:
        return wire(openai_error(fault))


def _entries(message: Body) -> Iterator[tuple[str, list[Body]]]:
    """What one message says, by the roles of the Messages API."""
    role, content = message["role"], message.get("content")
    parts = [text_block(content)] if isinstance(content, str) else list(content or [])
    if role == "tool":
        told = "\n".join(part.get("text", "") for part in parts)
        yield "user", [{"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": told}]
    elif role == "assistant":
        calls = message.get("tool_calls") or []
        yield "assistant", parts + [_call(call) for call in calls]
    else:
        yield "system" if role in ("system", "developer") else "user", parts


def _call(call: Body) -> Body:
    function = call["function"]
    input_ = input_of(function.get("arguments") or "{}")
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": input_}


def _unpaired(messages: list[Any]) -> str | None:
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in open_calls:
                return f"messages.[{index}]: 'tool' must follow a message with this 'tool_calls' id"
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            return f"messages.[{index}]: 'tool_calls' without 'tool' messages: {', '.join(open_calls)}"
        else:
            open_calls = [call["id"] for call in message.get("tool_calls") or []]
    return f"'tool_calls' without 'tool' messages: {', '.join(open_calls)}" if open_calls else None


def _head(answer: DialectAnswer) -> Body:
    return {"id": f"chatcmpl-{answer.id}", "created": int(time.time()), "model": answer.model}


def _ending(answer: DialectAnswer) -> str:
    return _ENDINGS.get(answer.reply.ending, answer.reply.ending)


def _chunk(answer: DialectAnswer, delta: Body, *, is_piece: bool = False) -> DialectEvent:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    value = {**_head(answer), "object": "chat.completion.chunk", "choices": [choice]}
    return DialectEvent(data=wire(value), is_piece=is_piece)


def _call_events(answer: DialectAnswer, block: Body, index: int) -> Iterator[DialectEvent]:
    function = {"name": block["name"], "arguments": ""}
    begun = {"index": index, "id": block["id"], "type": "function", "function": function}
    yield _chunk(answer, {"tool_calls": [begun]})
    for piece in pieces(arguments_of(block), answer.reply.pace.chunk_chars):
        more = {"index": index, "function": {"arguments": piece}}
        yield _chunk(answer, {"tool_calls": [more]}, is_piece=True)


def _usage(answer: DialectAnswer) -> Body:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }
