"""Gemini's generateContent and its stream: the model is in the path, a call need not have an id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maos_sup.loopback.dialects.dialect import (
    Body,
    DialectAnswer,
    DialectEvent,
    pieces,
    put_together,
    text_block,
    wire,
)
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


class Gemini:
    """POST .../models/MODEL:streamGenerateContent and :generateContent."""

    name = "gemini"
    call_prefix = "call_"

    def asked(self, body: Body, path: str) -> Body:
        model, _, verb = path.rpartition("/")[2].partition(":")
        system, messages = put_together(
            ("assistant" if content.get("role") == "model" else "user", _blocks(content))
            for content in body.get("contents") or []
        )
        instruction = body.get("systemInstruction") or {}
        tools = [
            declared
            for tool in body.get("tools") or []
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

    def whole(self, answer: DialectAnswer) -> Body:
        parts = [_part(block) for block in answer.reply.content]
        return _response(answer, parts, ending=_ENDINGS.get(answer.reply.ending, "STOP"))

    def events(self, answer: DialectAnswer) -> Iterator[DialectEvent]:
        for block in answer.reply.content:
            if block["type"] == "tool_use":  # a call comes whole
                yield DialectEvent(data=wire(_response(answer, [_part(block)])), is_piece=True)
                continue
            for piece in pieces(block.get(block["type"], ""), answer.reply.pace.chunk_chars):
                part = _part({**block, block["type"]: piece})
                yield DialectEvent(data=wire(_response(answer, [part])), is_piece=True)
        last = _response(answer, [{"text": ""}], ending=_ENDINGS.get(answer.reply.ending, "STOP"))
        yield DialectEvent(data=wire(last), is_closing=True, is_last=True)

    def error(self, fault: PlannedFault) -> Body:
        state = fault.error_type or _STATES.get(fault.status, "INTERNAL")
        told: Body = {"code": fault.status, "message": fault.message, "status": state}
        if fault.retry_after_s is not None:
            kind = "type.googleapis.com/google.rpc.RetryInfo"
            told["details"] = [{"@type": kind, "retryDelay": f"{fault.retry_after_s:g}s"}]
        return {"error": told}

    def error_event(self, fault: PlannedFault) -> bytes:
        return wire(self.error(fault))


def _blocks(content: Body) -> list[Body]:
    return [block for part in content.get("parts") or [] for block in _block(part)]


def _block(part: Body) -> Iterator[Body]:
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


def _part(block: Body) -> Body:
    if block["type"] == "tool_use":
        call = {"id": block["id"], "name": block["name"], "args": block.get("input", {})}
        return {"functionCall": call}
    if block["type"] == "thinking":
        return {"text": block["thinking"], "thought": True}
    return {"text": block.get("text", "")}


def _response(answer: DialectAnswer, parts: list[Body], *, ending: str | None = None) -> Body:
    """Every event carries the usage so far, as the real one does: the last word on it is the last event's."""
    candidate: Body = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage: Body = {"promptTokenCount": answer.input_tokens, "totalTokenCount": answer.input_tokens}
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
