"""OpenAI's Responses API: what codex speaks. A conversation is a list of items, an answer several of them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
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
from maos_sup.loopback.messages_api import MessageBlock, MessagesRequest, OfferedTool, words_of
from maos_sup.loopback.reply import PlannedFault

_CALLS = ("function_call", "custom_tool_call")
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
Emit = Callable[..., DialectEvent]
Events = Iterator[DialectEvent]


class ResponsesPart(TypedDict, total=False):
    """A part of what a message or a summary says."""

    text: str


class ResponsesItem(TypedDict, total=False):
    """An item of a conversation is a message, a call, its output, or reasoning, by its `type`."""

    type: str
    role: str
    content: Any  # text, or parts
    call_id: str
    name: str
    arguments: str
    input: str
    output: Any
    summary: list[ResponsesPart] | None


class NamespacedTool(TypedDict):
    """The tool is one of a namespace."""

    name: str


class ResponsesTool(OfferedTool, total=False):
    """The entry is a tool, or a namespace of `tools`."""

    type: str
    tools: list[NamespacedTool] | None


class ResponsesRequest(TypedDict, total=False):
    """The keys of a request that are read here."""

    model: str
    stream: bool
    input: str | list[ResponsesItem]
    instructions: str | None
    tools: list[ResponsesTool] | None


class ItemPlace(TypedDict, total=False):
    """Says where in an answer an event belongs."""

    item_id: str
    output_index: int
    content_index: int
    summary_index: int


class Responses:
    """The dialect answers POST .../responses."""

    name = "responses"
    call_prefix = "call_"

    def asked(self, body: Any, path: str) -> MessagesRequest:
        request: ResponsesRequest = body
        told, said = request["input"], request.get("instructions")
        items: list[ResponsesItem] = [{"role": "user", "content": told}] if isinstance(told, str) else told
        system, messages = put_together(entry for item in items for entry in _entries(item))
        instructions = [text_block(said)] if said else []
        return {
            "model": request["model"],
            "stream": bool(request.get("stream")),
            "system": instructions + system,
            "tools": [flat for tool in request.get("tools") or [] for flat in _flat(tool)],
            "messages": messages,
        }

    def refusal(self, body: Any) -> str | None:
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            return "Missing required parameter: 'model'."
        told = body.get("input")
        if not told or not isinstance(told, str | list):
            return "Missing required parameter: 'input'."
        return _unpaired(told) if isinstance(told, list) else None

    def whole(self, answer: DialectAnswer) -> Wire:
        items = [_item(answer, block, index) for index, block in enumerate(answer.reply.content)]
        return _response(answer, items, _ending(answer))

    def events(self, answer: DialectAnswer) -> Iterator[DialectEvent]:
        numbers = itertools.count()

        def emit(type_: str, *, marks: dict[str, bool] | None = None, **more: Any) -> DialectEvent:
            value = {"type": type_, "sequence_number": next(numbers), **more}
            return DialectEvent(data=wire(value, name=type_), **(marks or {}))

        yield emit("response.created", response=_response(answer, [], "in_progress"))
        yield emit("response.in_progress", response=_response(answer, [], "in_progress"))
        for index, block in enumerate(answer.reply.content):
            yield from _block_events(answer, block, index, emit)
        ending = _ending(answer)
        marks = {"is_closing": True, "is_last": True}
        yield emit(f"response.{ending}", marks=marks, response=self.whole(answer))

    def error(self, fault: PlannedFault) -> Wire:
        return {"error": openai_error(fault)}

    def error_event(self, fault: PlannedFault) -> bytes:
        error = {"code": openai_error(fault)["type"], "message": fault.message}
        response = {"id": "resp_failed", "object": "response", "status": "failed", "error": error}
        return wire({"type": "response.failed", "response": response}, name="response.failed")


# -- what came


def _flat(tool: ResponsesTool) -> Iterator[OfferedTool]:
    """`tool`, or the tools of a namespace (so codex offers those of MCP servers) by their whole names."""
    if tool.get("type") != "namespace":
        yield tool
        return
    space = tool["name"]
    for each in tool.get("tools") or []:
        yield {**each, "name": f"{space.rstrip('_')}__{each['name']}", "called": (space, each["name"])}


def _entries(item: ResponsesItem) -> Iterator[RoleBlocks]:
    type_ = item.get("type", "message")
    if type_ == "message":
        role = item["role"]
        content = item.get("content")
        parts = [text_block(content)] if isinstance(content, str) else content or []
        blocks = [text_block(part["text"]) for part in parts if isinstance(part.get("text"), str)]
        yield "system" if role in ("system", "developer") else role, blocks
    elif type_ in _CALLS:
        input_ = input_of(item.get("arguments") or "{}") if "arguments" in item else {"input": item["input"]}
        yield (
            "assistant",
            [{"type": "tool_use", "id": item["call_id"], "name": item["name"], "input": input_}],
        )
    elif type_ in _OUTPUTS:
        told = _output(item.get("output"))
        yield "user", [{"type": "tool_result", "tool_use_id": item["call_id"], "content": told}]
    elif type_ == "reasoning":
        words = "\n".join(part.get("text", "") for part in item.get("summary") or [])
        yield "assistant", [{"type": "thinking", "thinking": words}]


def _output(output: Any) -> str:
    """The words of a call's output: text, parts with text, or an object with `content`."""
    if isinstance(output, dict):
        output = output.get("content")
    if isinstance(output, list):
        return "\n".join(str(part.get("text", "")) for part in output if isinstance(part, dict))
    return str(output or "")


def _unpaired(items: list[ResponsesItem]) -> str | None:
    calls = [item["call_id"] for item in items if item.get("type") in _CALLS]
    told = [item["call_id"] for item in items if item.get("type") in _OUTPUTS]
    missing = next((id_ for id_ in calls if id_ not in told), None)
    if missing is not None:
        return f"No tool output found for function call {missing}."
    strange = next((id_ for id_ in told if id_ not in calls), None)
    return None if strange is None else f"No tool call found for function call output with call_id {strange}."


# -- what is answered


def _ending(answer: DialectAnswer) -> str:
    return "incomplete" if answer.reply.ending == "max_tokens" else "completed"


def _response(answer: DialectAnswer, items: list[Wire], status: str) -> Wire:
    is_cut = status == "incomplete"
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "model": answer.model,
        "output": items,
        "parallel_tool_calls": True,
        "usage": None if status == "in_progress" else _usage(answer),
    }


def _usage(answer: DialectAnswer) -> Wire:
    return {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


def _item(answer: DialectAnswer, block: MessageBlock, index: int, *, text: str | None = None) -> Wire:
    """Make the item of a block; `text`, if given, is what it has of its text or arguments so far."""
    id_ = f"{answer.id}{index:04d}"
    status = "completed" if text is None else "in_progress"
    if block["type"] == "tool_use":
        told = arguments_of(block) if text is None else text
        names = {"call_id": block["id"], **_called(answer, block["name"])}
        return {"id": f"fc_{id_}", "type": "function_call", "status": status, **names, "arguments": told}
    told = words_of(block) if text is None else text
    if block["type"] == "thinking":
        summary = [{"type": "summary_text", "text": told}]
        return {"id": f"rs_{id_}", "type": "reasoning", "summary": summary}
    content = [_output_text(told)] if text is None else []
    return {
        "id": f"msg_{id_}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def _called(answer: DialectAnswer, name: str) -> Wire:
    """Say how a tool is called: by its name, and its namespace where it is in one."""
    for tool in answer.tools:
        if tool.get("name") == name and "called" in tool:
            space, own = tool["called"]
            return {"name": own, "namespace": space}
    return {"name": name}


def _output_text(text: str) -> Wire:
    return {"type": "output_text", "text": text, "annotations": []}


def _block_events(
    answer: DialectAnswer, block: MessageBlock, index: int, emit: Emit
) -> Iterator[DialectEvent]:
    """The events of one block, which is one item."""
    yield emit("response.output_item.added", output_index=index, item=_item(answer, block, index, text=""))
    whole = _item(answer, block, index)
    place: ItemPlace = {"item_id": str(whole["id"]), "output_index": index}
    if block["type"] == "tool_use":
        yield from _call_events(answer, arguments_of(block), place, emit)
    elif block["type"] == "text":
        yield from _text_events(answer, block["text"], place, emit)
    else:
        yield from _thinking_events(answer, words_of(block), place, emit)
    yield emit("response.output_item.done", output_index=index, item=whole)


def _call_events(
    answer: DialectAnswer, arguments: str, place: ItemPlace, emit: Emit
) -> Iterator[DialectEvent]:
    name = "response.function_call_arguments"
    for piece in pieces(arguments, answer.reply.pace.chunk_chars):
        yield emit(f"{name}.delta", marks={"is_piece": True}, delta=piece, **place)
    yield emit(f"{name}.done", arguments=arguments, **place)


def _text_events(answer: DialectAnswer, text: str, place: ItemPlace, emit: Emit) -> Events:
    place = {**place, "content_index": 0}
    yield emit("response.content_part.added", part=_output_text(""), **place)
    for piece in pieces(text, answer.reply.pace.chunk_chars):
        yield emit("response.output_text.delta", marks={"is_piece": True}, delta=piece, **place)
    yield emit("response.output_text.done", text=text, **place)
    yield emit("response.content_part.done", part=_output_text(text), **place)


def _thinking_events(
    answer: DialectAnswer, text: str, place: ItemPlace, emit: Emit
) -> Iterator[DialectEvent]:
    place = {**place, "summary_index": 0}
    yield emit("response.reasoning_summary_part.added", part={"type": "summary_text", "text": ""}, **place)
    for piece in pieces(text, answer.reply.pace.chunk_chars):
        yield emit("response.reasoning_summary_text.delta", marks={"is_piece": True}, delta=piece, **place)
    yield emit("response.reasoning_summary_text.done", text=text, **place)
