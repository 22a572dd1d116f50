"""Gemini's generateContent and its stream: the model is in the path, a call need not have an id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

from maos_sup.loopback.dialects.dialect import (
    DialectAnswer,
    DialectEvent,
    Wire,
    pieces,
    put_together,
    text_block,
    wire,
)
from maos_sup.loopback.messages_api import MessageBlock, MessagesRequest, words_of
from maos_sup.loopback.reply import PlannedFault

_ENDINGS = {"max_tokens": "MAX_TOKENS"}
_STATES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class GeminiCall(TypedDict, total=False):
    """A call has a name; `id` is not always there."""

    id: str
    name: str
    args: Any


class GeminiResult(TypedDict, total=False):
    """The result is that of a call."""

    id: str
    name: str
    response: dict[str, object] | None


class GeminiPart(TypedDict, total=False):
    """A part of content is a call, a result, or text, which is a `thought` or said."""

    functionCall: GeminiCall
    functionResponse: GeminiResult
    thought: bool
    text: str


class GeminiContent(TypedDict, total=False):
    """The content is one turn."""

    role: str
    parts: list[GeminiPart] | None


class GeminiRequest(TypedDict, total=False):
    """The keys of a request that are read here."""

    contents: list[GeminiContent] | None
    systemInstruction: GeminiContent | None
    tools: list[Any] | None  # each has its tools under `functionDeclarations`


class Gemini:
    """The dialect answers POST .../models/MODEL:streamGenerateContent and :generateContent."""

    name = "gemini"
    call_prefix = "call_"

    def asked(self, body: Any, path: str) -> MessagesRequest:
        told: GeminiRequest = body
        model, _, verb = path.rpartition("/")[2].partition(":")
        system, messages = put_together(
            ("assistant" if content.get("role") == "model" else "user", _blocks(content))
            for content in told.get("contents") or []
        )
        instruction = told.get("systemInstruction") or GeminiContent()
        tools = [
            declared
            for tool in told.get("tools") or []
            for declared in tool.get("functionDeclarations") or []
        ]
        return {
            "model": model,
            "stream": verb == "streamGenerateContent",
            "system": _blocks(instruction) + system,
            "tools": tools,
            "messages": messages,
        }

    def refusal(self, body: Any) -> str | None:
        contents = body.get("contents") if isinstance(body, dict) else None
        if not isinstance(contents, list) or not contents:
            return "GenerateContentRequest.contents: contents is not specified"
        if contents[0].get("role") == "model":
            return "Please ensure that the first turn is of role 'user'."
        if not all(content.get("parts") for content in contents):
            return "GenerateContentRequest.contents: parts must not be empty"
        return None

    def whole(self, answer: DialectAnswer) -> Wire:
        parts = [_part(block) for block in answer.reply.content]
        return _response(answer, parts, ending=_ENDINGS.get(answer.reply.ending, "STOP"))

    def events(self, answer: DialectAnswer) -> Iterator[DialectEvent]:
        for block in answer.reply.content:
            if block["type"] == "tool_use":  # a call comes whole
                yield DialectEvent(data=wire(_response(answer, [_part(block)])), is_piece=True)
                continue
            for piece in pieces(words_of(block), answer.reply.pace.chunk_chars):
                part = _text_part(piece, is_thought=block["type"] == "thinking")
                yield DialectEvent(data=wire(_response(answer, [part])), is_piece=True)
        last = _response(answer, [_text_part("")], ending=_ENDINGS.get(answer.reply.ending, "STOP"))
        yield DialectEvent(data=wire(last), is_closing=True, is_last=True)

    def error(self, fault: PlannedFault) -> Wire:
        state = fault.error_type or _STATES.get(fault.status, "INTERNAL")
        told: Wire = {"code": fault.status, "message": fault.message, "status": state}
        if fault.retry_after_s is not None:
            kind = "type.googleapis.com/google.rpc.RetryInfo"
            told["details"] = [{"@type": kind, "retryDelay": f"{fault.retry_after_s:g}s"}]
        return {"error": told}

    def error_event(self, fault: PlannedFault) -> bytes:
        return wire(self.error(fault))


def _blocks(content: GeminiContent) -> list[MessageBlock]:
    return [block for part in content.get("parts") or [] for block in _block(part)]


def _block(part: GeminiPart) -> Iterator[MessageBlock]:
    if "functionCall" in part:
        call = part["functionCall"]
        id_ = call.get("id") or call["name"]
        yield {"type": "tool_use", "id": id_, "name": call["name"], "input": call.get("args") or {}}
    elif "functionResponse" in part:
        told = part["functionResponse"]
        words = "\n".join(str(value) for value in (told.get("response") or {}).values())
        yield {"type": "tool_result", "tool_use_id": told.get("id") or told["name"], "content": words}
    elif part.get("thought"):
        yield {"type": "thinking", "thinking": part.get("text", "")}
    elif "text" in part:
        yield text_block(part["text"])


def _part(block: MessageBlock) -> Wire:
    if block["type"] == "tool_use":
        call: Wire = {"id": block["id"], "name": block["name"], "args": block.get("input", {})}
        return {"functionCall": call}
    return _text_part(words_of(block), is_thought=block["type"] == "thinking")


def _text_part(text: str, *, is_thought: bool = False) -> Wire:
    return {"text": text, "thought": True} if is_thought else {"text": text}


def _response(answer: DialectAnswer, parts: list[Wire], *, ending: str | None = None) -> Wire:
    """Every event carries the usage so far, as the real one does: the last word on it is the last event's."""
    candidate: Wire = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage: Wire = {"promptTokenCount": answer.input_tokens, "totalTokenCount": answer.input_tokens}
    if ending is not None:
        candidate["finishReason"] = ending
        total = answer.input_tokens + answer.output_tokens
        usage |= {"candidatesTokenCount": answer.output_tokens, "totalTokenCount": total}
    if answer.cached_tokens:
        usage["cachedContentTokenCount"] = answer.cached_tokens
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": answer.model,
        "responseId": answer.id,
    }
