"""Says what rules and logs know of the Messages API: the few keys of its requests and answers that are
read here.

Only declarations: what came over a socket may hold any of them or none, and more than these.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class MessageBlock(TypedDict):
    """A block of content is text, thinking, the call of a tool or its result, by its `type`."""

    type: str
    text: NotRequired[str]
    thinking: NotRequired[str]
    id: NotRequired[str]  # of a call, as `tool_use_id` of its result
    name: NotRequired[str]
    input: NotRequired[Any]  # of a call: what its tool wants
    tool_use_id: NotRequired[str]
    content: NotRequired[Any]  # of a result: text, or blocks


class ConversationMessage(TypedDict):
    """A message is one turn. `content`: text, or blocks."""

    role: str
    content: Any


class OfferedTool(TypedDict, total=False):
    """The tool is one that a request offers. `called`: namespace and name, where its API has namespaces."""

    name: str
    called: tuple[str, str]


class MessagesRequest(TypedDict, total=False):
    """The body of a request has these keys."""

    model: str
    stream: bool
    system: Any  # text, or blocks
    tools: list[OfferedTool]
    messages: list[ConversationMessage]


class TokenUsage(TypedDict, total=False):
    """Tokens by kind; `input_tokens` are those that the cache had nothing to do with."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int


class MessagesAnswer(TypedDict):
    """A whole answer has these keys."""

    id: str
    type: str
    role: str
    model: str
    content: list[MessageBlock]
    stop_reason: str | None
    stop_sequence: None
    usage: TokenUsage


class ErrorBody(TypedDict):
    """The body of an HTTP error, and the event that says it in mid-stream."""

    type: str
    error: dict[str, str]


def words_of(block: MessageBlock) -> str:
    """Take the text or the thinking of a block; nothing of others."""
    if block["type"] == "text":
        return block.get("text", "")
    return block.get("thinking", "") if block["type"] == "thinking" else ""
