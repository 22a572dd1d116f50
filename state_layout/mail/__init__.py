"""Mail between agents and from people: the one place to import it from, and what viewers read.

Writing is `outbox`, reading as its recipient `inbox`, people's lines `operator_mail`, the folders `boxes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from state_layout.files.journal import Reader
from state_layout.lives.history import Mark
from state_layout.mail.boxes import ALL, OPERATOR, MailFile, boxes, check_recipient, files_of, is_sender
from state_layout.mail.inbox import Inbox
from state_layout.mail.operator_mail import append_operator_message, read_operator_file
from state_layout.mail.outbox import Outbox
from state_layout.paths import Tree
from state_layout.records import Message

__all__ = [
    "ALL",
    "OPERATOR",
    "Inbox",
    "Outbox",
    "append_operator_message",
    "check_recipient",
    "count_undelivered",
    "read_messages",
]


def read_messages(
    tree: Tree,
    *,
    sender: str | None = None,
    to: str | None = None,
    type: str | None = None,
    since: str | None = None,
    limit: int | None = None,
) -> list[Message]:
    """Read the messages of the tree as people look at them: by time, the last `limit`, without bad lines.

    `to` is a box, `all` being one; `since` compares with `at` (UTC, as in records). Raises StorageError.
    """
    found = [
        message
        for box in ([to] if to else boxes(tree))
        for file in files_of(tree, box)
        if (is_sender(file.sender) if sender is None else file.sender == sender)
        for message in _messages(file)
        if (type is None or message.type == type) and (since is None or message.at >= since)
    ]
    found.sort(key=lambda message: message.at)
    return found if limit is None else found[max(0, len(found) - limit) :]


def count_undelivered(tree: Tree, reader: str, *, marks: Mapping[str, Mark]) -> int:
    """Count the messages that wait for `reader` beyond `marks`. Raises StorageError."""
    boxes_read = (file for box in (reader, ALL) for file in files_of(tree, box))
    count = 0
    for file in boxes_read:
        mark = marks.get(f"{file.box}/{file.sender}", (0, 0, ""))
        if is_sender(file.sender) and file.size != mark[1] and (file.box, file.sender) != (ALL, reader):
            count += sum(message.seq > mark[0] for message in _messages(file))
    return count


def _messages(file: MailFile) -> Iterator[Message]:
    if file.sender == OPERATOR:
        news = read_operator_file(file.path, (0, 0, ""), to=file.box)
        yield from (entry.message for entry in news.entries if entry.message is not None)
        return
    for line in Reader(file.path):
        try:
            told = line.fields()
        except ValueError:
            continue
        yield Message.from_json({**told, "from": file.sender, "to": file.box, "seq": line.seq})
