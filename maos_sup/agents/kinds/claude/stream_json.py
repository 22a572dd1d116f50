"""Says what Claude Code writes, `stream-json` and transcripts: the few keys of it that are read here.

Versions differ: any key may be missing, and there are more. Where what its type is about is no object, an
event or a record is none (`is_event`, `is_record`), as a line is none that is no JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, TypeGuard

_PARTS = {  # by type, what it is about
    "assistant": "message",
    "user": "message",
    "attachment": "attachment",
    "stream_event": "event",
    "control_request": "request",
    "control_response": "response",
    "rate_limit_event": "rate_limit_info",
}


class ClaudeMessage(TypedDict, total=False):
    """The message is one of the Messages API. `content`: text, or blocks."""

    id: str
    model: str
    usage: Mapping[str, Any] | None
    content: Any
    stop_reason: str | None


class StreamPart(TypedDict, total=False):
    """An event of the API is within an event."""

    type: str
    message: ClaudeMessage
    delta: Mapping[str, Any] | None
    usage: Mapping[str, Any] | None


class HookInput(TypedDict, total=False):
    """A hook is called with this."""

    hook_event_name: str
    tool_name: str
    tool_input: Any
    tool_response: Any
    error: Any
    agent_id: str  # of a sub-agent


class HookRequest(TypedDict, total=False):
    """Claude Code asks us this before and after a tool."""

    tool_use_id: str
    input: HookInput | None


class ServerState(TypedDict, total=False):
    """The server is one of MCP, as Claude Code sees it."""

    name: str
    status: str


class StartupAnswer(TypedDict, total=False):
    """Claude Code says this of itself."""

    agents: Any
    mcpServers: list[ServerState] | None


class ControlResponse(TypedDict, total=False):
    """Claude Code answered a request of ours with this."""

    request_id: str
    subtype: str
    error: Any
    response: StartupAnswer | None


class RateLimit(TypedDict, total=False):
    """Claude Code was told this of the limits of a subscription."""

    status: str
    resetsAt: Any


class ClaudeEvent(TypedDict, total=False):
    """The event is a line of Claude Code's output; which keys it has depends on its type."""

    type: str
    subtype: str
    uuid: str
    parent_tool_use_id: str | None
    event: StreamPart | None
    message: ClaudeMessage | None
    request: HookRequest | None
    request_id: str
    response: ControlResponse | None
    rate_limit_info: RateLimit | None
    model: Any
    status: str
    agents: Any
    mcp_servers: list[ServerState] | None
    retry_delay_ms: float | None
    error_status: Any
    error: Any
    # of the end of a turn
    result: Any
    structured_output: Any
    is_error: bool
    num_turns: int
    terminal_reason: str
    errors: list[Any] | None
    api_error_status: Any
    modelUsage: Any
    model_usage_since_last_result: Any


class TranscriptAttachment(TypedDict, total=False):
    """An attachment comes beside the messages."""

    type: str
    source_uuid: str | None
    prompt: Any
    message: str | None


class TranscriptRecord(TypedDict, total=False):
    """The record is one of a transcript."""

    type: str
    uuid: str | None
    parentUuid: str | None
    leafUuid: str | None
    isSidechain: bool
    attachment: TranscriptAttachment | None
    message: ClaudeMessage | None
    modelUsage: Any


def is_event(value: object) -> TypeGuard[ClaudeEvent]:
    """The `value` is an object, and what it is about is one as well."""
    return _has_form(value)


def is_record(value: object) -> TypeGuard[TranscriptRecord]:
    """The `value` is an object, and what it is about is one as well: a record of a transcript."""
    return _has_form(value)


def _has_form(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    part = value.get(_PARTS.get(str(value.get("type")), ""))
    if not part:
        return True
    content = part.get("content") if isinstance(part, dict) else ["none"]
    return not isinstance(content, list) or all(isinstance(block, dict) for block in content)
