"""Messages as a model is shown them: one element each, so that what others say is told from what it is told.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from state_layout.files import codec
from state_layout.records import Message


def told_messages(messages: Sequence[Message]) -> str:
    """Write messages as the model is shown them."""
    return "\n".join(_message(message) for message in messages)


def _message(message: Message) -> str:
    from xml.sax.saxutils import escape, quoteattr  # here: it imports HTTP, TLS and mail, for every agent

    attributes = {"from": message.sender, "type": message.type, "id": message.id}
    if message.to == "all":
        attributes["to"] = "all"
    if message.reply_to:
        attributes["reply_to"] = message.reply_to
    shown = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    texts = [escape(message.text)] if message.text else []
    if message.body is not None:
        texts.append(escape(codec.encode(message.body).decode()))
    return f"<message {shown}>\n{chr(10).join(texts)}\n</message>"
