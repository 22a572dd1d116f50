"""Says what to say and how badly: replies, their pace and the faults a network and a provider can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from maos_sup.loopback.messages_api import ErrorBody, MessageBlock, TokenUsage
from maos_sup.loopback.request import LoopbackRequest


class FaultKind(StrEnum):
    ERROR = "error"  # an HTTP status with an error body
    DROP = "drop"  # the connection is reset
    TRUNCATE = "truncate"  # the stream ends cleanly without a stop reason
    STALL = "stall"  # nothing more comes for `stall_s`, then the connection is reset
    STREAM_ERROR = "stream_error"  # an `error` event after a beginning with status 200


ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """Says what goes wrong with a reply.

    `after_chunks` pieces of text (or of a tool's input) are sent first; None: it happens before the headers.
    """

    kind: FaultKind
    status: int = 500
    error_type: str | None = None
    message: str = "scripted fault"
    retry_after_s: float | None = None
    after_chunks: int | None = None
    stall_s: float = 3600.0

    def error_body(self) -> ErrorBody:
        type_ = self.error_type or ERROR_TYPES.get(self.status, "api_error")
        return {"type": "error", "error": {"type": type_, "message": self.message}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPace:
    """Says a reply's pace: `delay_s` before anything, then pieces of `chunk_chars` every `chunk_delay_s`."""

    delay_s: float = 0.0
    chunk_chars: int = 40
    chunk_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """A scripted reply is one answer. Blocks are those of the API; ids of tool calls are made where
    missing."""

    content: tuple[MessageBlock, ...] = ()
    stop_reason: str | None = None  # tool_use if a tool is called, end_turn otherwise
    usage: TokenUsage = field(default_factory=TokenUsage)  # what is missing is counted
    pace: ReplyPace = ReplyPace()
    fault: PlannedFault | None = None
    raw: bytes | None = None  # the stream as it is sent, for what no server ought to say; with status 200
    rule: str = ""  # which rule of the script it came from, for the log

    @property
    def ending(self) -> str:
        called = any(block["type"] == "tool_use" for block in self.content)
        return self.stop_reason or ("tool_use" if called else "end_turn")


Script = Callable[[LoopbackRequest], ScriptedReply]


def say(text: str, **more: Any) -> ScriptedReply:
    """Make a reply of text."""
    return ScriptedReply(content=({"type": "text", "text": text},), **more)


def call(name: str, input_: dict[str, object], *, text: str = "", **more: Any) -> ScriptedReply:
    """A reply that calls one tool, after `text` if there is any."""
    words = ({"type": "text", "text": text},) if text else ()
    return ScriptedReply(content=(*words, {"type": "tool_use", "name": name, "input": input_}), **more)


def fail(status: int, **more: Any) -> ScriptedReply:
    """Make a reply that is an HTTP error."""
    return ScriptedReply(fault=PlannedFault(kind=FaultKind.ERROR, status=status, **more))
