"""OpenAI's chat completions: what most servers and routers speak, and opencode with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, TypedDict

from maos_sup.loopback.dialects.dialect import (
    DialectAnswer,
    DialectEvent,
    RoleBlocks,
    Wire,
    arguments_of,
    input_of,
    pieces,
    put_together,
    text_block,
    wire,
)
from maos_sup.loopback.dialects.openai import openai_error
from maos_sup.loopback.messages_api import MessageBlock, MessagesRequest, words_of
from maos_sup.loopback.reply import PlannedFault

_ENDINGS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}


class CalledFunction(TypedDict, total=False):
    """Names the function that is called. `arguments` is JSON text."""

    name: str
    arguments: str


class ChatCall(TypedDict):
    """The call is one in a message of the assistant."""

    id: str
    function: CalledFunction


class ChatMessage(TypedDict, total=False):
    """The keys of a message that are read here. `content`: text, or parts that are as our blocks."""

    role: str
    content: Any
    tool_calls: list[ChatCall] | None
    tool_call_id: str


class ChatRequest(TypedDict, total=False):
    """The keys of a request that are read here."""

    model: str
    stream: bool
    messages: list[ChatMessage]
    tools: list[Any] | None  # each may have its tool under `function`


class Chat:
    """The dialect answers POST .../chat/completions."""

    name = "chat"
    call_prefix = "call_"

    def asked(self, body: Any, path: str) -> MessagesRequest:
        told: ChatRequest = body
        system, messages = put_together(entry for message in told["messages"] for entry in _entries(message))
        tools = [tool.get("function", tool) for tool in told.get("tools") or []]
        return {
            "model": told["model"],
            "stream": bool(told.get("stream")),
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

    def whole(self, answer: DialectAnswer) -> Wire:
        texts = [block["text"] for block in answer.reply.content if block["type"] == "text"]
        calls = [_whole_call(block) for block in answer.reply.content if block["type"] == "tool_use"]
        message: Wire = {"role": "assistant", "content": "".join(texts) if texts else None}
        if calls:
            message["tool_calls"] = calls
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
                for piece in pieces(words_of(block), answer.reply.pace.chunk_chars):
                    yield _chunk(answer, {field: piece}, is_piece=True)
        ended = {"index": 0, "delta": {}, "finish_reason": _ending(answer)}
        head = {**_head(answer), "object": "chat.completion.chunk"}
        yield DialectEvent(data=wire({**head, "choices": [ended]}), is_closing=True)
        yield DialectEvent(data=wire({**head, "choices": [], "usage": _usage(answer)}))
        yield DialectEvent(data=b"data: [DONE]\n\n", is_last=True)

    def error(self, fault: PlannedFault) -> Wire:
        return {"error": openai_error(fault)}

    def error_event(self, fault: PlannedFault) -> bytes:
        return wire(self.error(fault))


def _entries(message: ChatMessage) -> Iterator[RoleBlocks]:
    """Yield what one message says, by the roles of the Messages API."""
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


def _call(call: ChatCall) -> MessageBlock:
    function = call["function"]
    input_ = input_of(function.get("arguments") or "{}")
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": input_}


def _unpaired(messages: list[ChatMessage]) -> str | None:
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


def _whole_call(block: MessageBlock) -> Wire:
    call = {"name": block["name"], "arguments": arguments_of(block)}
    return {"id": block["id"], "type": "function", "function": call}


def _head(answer: DialectAnswer) -> Wire:
    return {"id": f"chatcmpl-{answer.id}", "created": int(time.time()), "model": answer.model}


def _ending(answer: DialectAnswer) -> str:
    return _ENDINGS.get(answer.reply.ending, answer.reply.ending)


def _chunk(answer: DialectAnswer, delta: Wire, *, is_piece: bool = False) -> DialectEvent:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    value = {**_head(answer), "object": "chat.completion.chunk", "choices": [choice]}
    return DialectEvent(data=wire(value), is_piece=is_piece)


def _call_events(answer: DialectAnswer, block: MessageBlock, index: int) -> Iterator[DialectEvent]:
    function = {"name": block["name"], "arguments": ""}
    begun = {"index": index, "id": block["id"], "type": "function", "function": function}
    yield _chunk(answer, {"tool_calls": [begun]})
    for piece in pieces(arguments_of(block), answer.reply.pace.chunk_chars):
        more = {"index": index, "function": {"arguments": piece}}
        yield _chunk(answer, {"tool_calls": [more]}, is_piece=True)


def _usage(answer: DialectAnswer) -> Wire:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }
