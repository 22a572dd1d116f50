"""Says what was asked, as a Messages request whatever API it came by, with the questions a script has
about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeGuard

from maos_sup.loopback.messages_api import ConversationMessage, MessageBlock, MessagesRequest
from state_layout.files import codec


def blocks_of(content: Any) -> list[MessageBlock]:
    """List content as blocks: bare text is one text block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content or [] if _is_block(block)]


def _is_block(value: object) -> TypeGuard[MessageBlock]:
    return isinstance(value, dict)


def text_of(content: Any) -> str:
    """Join all text in `content`, tool results included, by line feeds."""
    return "\n".join(_texts(content))


def _texts(content: Any) -> Iterator[str]:
    for block in blocks_of(content):
        if block.get("type") == "tool_result":
            yield from _texts(block.get("content"))
        elif isinstance(block.get("text"), str):
            yield block["text"]


def without_cache_marks(value: Any) -> Any:
    """`value` without `cache_control`, which moves from turn to turn and means nothing to the answer."""
    if isinstance(value, dict):
        return {key: without_cache_marks(item) for key, item in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [without_cache_marks(item) for item in value]
    return value


def digest(value: object) -> str:
    return sha256(codec.encode(value)).hexdigest()[:16]


@dataclass(frozen=True)
class LoopbackRequest:
    """The request asks for one answer. `number` counts such requests of this server, from 1."""

    number: int
    body: MessagesRequest  # as a Messages request
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    of_conversation: int = 1  # which request of its conversation it is, from 1
    api: str = "messages"  # or responses, chat, gemini
    sent: Any = None  # the body as it came, where that is another

    @property
    def messages(self) -> list[ConversationMessage]:
        return list(self.body["messages"])

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def is_streamed(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def tool_names(self) -> list[str]:
        return [str(tool.get("name", "")) for tool in self.body.get("tools") or []]

    @cached_property
    def turn(self) -> int:
        """Count the answers that the conversation has already: 0 at its beginning."""
        return sum(message["role"] == "assistant" for message in self.messages)

    @cached_property
    def system(self) -> str:
        return text_of(self.body.get("system"))

    @cached_property
    def first_user(self) -> str:
        return text_of(self.messages[0]["content"])

    @cached_property
    def last_user(self) -> str:
        """The text is that of all that followed the last answer."""
        texts: list[str] = []
        for message in reversed(self.messages):
            if message["role"] == "assistant":
                break
            if message["role"] == "user":
                texts.insert(0, text_of(message["content"]))
        return "\n".join(texts)

    @cached_property
    def all_text(self) -> str:
        return "\n".join(text_of(message["content"]) for message in self.messages)

    @cached_property
    def conversation(self) -> str:
        """The name of the conversation is made of what it began with."""
        return digest([self.system[:2000], self.first_user])[:12]

    @cached_property
    def prefixes(self) -> list[str]:
        """The prefixes are a digest after tools and system, then one after each message: equal if these
        are."""
        head = [without_cache_marks(part) for part in (self.body.get("tools"), self.body.get("system"))]
        found = [digest([self.model, *head])]
        for message in self.messages:
            plain = {"role": message["role"], "content": without_cache_marks(blocks_of(message["content"]))}
            found.append(digest([found[-1], plain]))
        return found

    @property
    def digest(self) -> str:
        """Equal for requests that ask the same thing: tools, system and messages."""
        return self.prefixes[-1]
