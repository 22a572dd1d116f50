"""Bugs of mail and money: acting before the journal, lost marks, lost appends, books that forget."""

from __future__ import annotations

from ..plant import Bug

_LEDGER, _BOOKS = "maos_sup.agents.attempt.recorder", "state_layout.ledger"
_OUTBOX, _INBOX, _OPERATOR = (f"state_layout.mail.{name}" for name in ("outbox", "inbox", "operator_mail"))

BUGS = [
    Bug(
        "a message leaves before its line is durable",
        f"{_LEDGER}:Recorder._settle",
        "self._make_durable(seq)\nreturn self._deliver()",
        "self._outbox.deliver(self._held)\nself._held = []\nself._make_durable(seq)\nreturn set()",
    ),
    Bug("a commit does not sync", f"{_LEDGER}:Recorder._settle", "self._make_durable(seq)", "pass"),
    Bug(
        "a message is journaled and not delivered",
        f"{_LEDGER}:Recorder._deliver",
        "return self._outbox.deliver(messages)",
        'return [message["to"] for message in messages]',
    ),
    Bug(
        "mail is not synced before a task settles",
        f"{_LEDGER}:Recorder.sync_mail",
        "self._outbox.sync()",
        "pass",
    ),
    Bug("owed mail is not appended again", f"{_OUTBOX}:Outbox.catch_up", "self.deliver(missing)", "pass"),
    Bug(
        "only mail since the checkpoint is owed, and none before it",
        f"{_OUTBOX}:Outbox.catch_up",
        "missing = [message for message in [*old, *recent]",
        "missing = [message for message in recent[1:]",
    ),
    Bug(
        "numbers of lost mail are given out again",
        f"{_OUTBOX}:Outbox.catch_up",
        "self._planned[to] = max(n, self._planned.get(to, 0))",
        "self._planned[to] = 0",
    ),
    Bug(
        "a mark goes down with the file it points into",
        f"{_INBOX}:Inbox._read",
        "(max(before[0], end.seq), end.offset, end.h)",
        "(end.seq, end.offset, end.h)",
    ),
    Bug(
        "a mark is not moved",
        f"{_INBOX}:Inbox.fetch",
        "marks[file.key] = mark",
        "marks.setdefault(file.key, self._mark(file))",
    ),
    Bug(
        "a lost place in a mail file is read from its beginning, old messages too",
        f"{_INBOX}:Inbox._new_lines",
        "reader = Reader(file.path)\nlines = _above(reader, file, mark[0], room)",
        "reader = Reader(file.path)\nlines = _above(reader, file, 0, room)",
    ),
    Bug(
        "what people wrote is not synced before it is used",
        f"{_INBOX}:_sync",
        "disk.fdatasync(descriptor)",
        "pass",
    ),
    Bug(
        "the name of a file that people made is not synced",
        f"{_INBOX}:Inbox._make_durable",
        "atomic.fsync_folder(file.path.parent)",
        "pass",
    ),
    Bug(
        "send does not sync",
        f"{_OPERATOR}:append_operator_message",
        "disk.fdatasync(descriptor)",
        "pass",
    ),
    Bug(
        "send does not sync the name of the file",
        f"{_OPERATOR}:append_operator_message",
        "atomic.fsync_folder(path.parent)",
        "pass",
    ),
    Bug(
        "a reservation is not synced",
        f"{_BOOKS}:Ledger.reserve",
        "self._journal.commit(",
        "self._journal.append(",
    ),
    Bug(
        "a payment is not synced", f"{_BOOKS}:Ledger.settle", "self._journal.commit(", "self._journal.append("
    ),
]
