"""Messages, as their readers get them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

MESSAGE_TYPES = ("info", "request", "reply", "discovery", "coordination", "error")


class Message(Struct, frozen=True, kw_only=True):
    """A message is as its reader gets it."""

    sender: str
    to: str
    seq: int
    type: str = "info"
    text: str | None = None
    body: Any = None
    reply_to: str | None = None
    at: str = ""

    @property
    def id(self) -> str:
        return f"{self.sender}/{self.to}/{self.seq}"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Message:
        return cls(
            sender=value["from"],
            to=value["to"],
            seq=value["seq"],
            type=_text_in(value, "type") or "info",
            text=_text_in(value, "text"),
            body=value.get("body"),
            reply_to=_text_in(value, "reply_to"),
            at=_text_in(value, "at") or "",
        )


def _text_in(value: Mapping[str, Any], key: str) -> str | None:
    """Take the text under `key`; what is none counts as not there."""
    found = value.get(key)
    return found if isinstance(found, str) else None
