"""Says what the real API refuses with status 400, as far as clients get it wrong:
one function, one sentence.
"""

from __future__ import annotations

from typing import Any

from maos_sup.loopback.messages_api import MessageBlock
from maos_sup.loopback.request import blocks_of


def refusal(body: Any) -> str | None:
    """Say why the real API would refuse `body`, or None."""
    if not isinstance(body, dict):
        return "the body is no object"
    if not isinstance(body.get("model"), str):
        return "model: Field required"
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        return "max_tokens: Field required"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    return _bad_messages(messages)


def _bad_messages(messages: list[Any]) -> str | None:
    if messages[0].get("role") != "user":
        return 'messages: first message must use the "user" role'
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        if message.get("role") == "system":  # notes of newer clients in the midst of a conversation
            continue
        if message.get("role") not in ("user", "assistant"):
            return f"{where}.role: Input should be 'user' or 'assistant'"
        blocks = blocks_of(message.get("content"))
        problem = _bad_blocks(blocks, where, is_last=index == len(messages) - 1, role=message["role"])
        problem = problem or _unpaired(blocks, open_calls, where)
        if problem:
            return problem
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if open_calls:
        return f"messages.{len(messages) - 1}: tool_use ids without tool_result: {', '.join(open_calls)}"
    return None


def _bad_blocks(blocks: list[MessageBlock], where: str, *, is_last: bool, role: str) -> str | None:
    if not blocks and not (is_last and role == "assistant"):
        return f"{where}: all messages must have non-empty content"
    for position, block in enumerate(blocks):
        if block.get("type") == "text" and not str(block.get("text", "")).strip():
            return f"{where}.content.{position}: text content blocks must contain non-whitespace text"
    return None


def _unpaired(blocks: list[MessageBlock], open_calls: list[str], where: str) -> str | None:
    answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    missing = [id_ for id_ in open_calls if id_ not in answered]
    if missing:
        return f"{where}: `tool_use` ids were found without `tool_result` blocks: {', '.join(missing)}"
    strange = [id_ for id_ in answered if id_ not in open_calls]
    if strange:
        return f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(strange)}"
    first_other = next((i for i, block in enumerate(blocks) if block["type"] != "tool_result"), len(blocks))
    if open_calls and any(block["type"] == "tool_result" for block in blocks[first_other:]):
        return f"{where}: `tool_result` blocks must come first in the message after `tool_use`"
    return None
