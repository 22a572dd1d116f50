"""Says what an agent sends: from its journal into the mail files of the recipients.

A message is planned (it gets its number `n`), journaled with the step that sends it, synced there, and only
then delivered here, so a mail file holds nothing that its sender could forget. Delivery needs no sync of its
own: the next life appends whatever is missing (`catch_up`), and a checkpoint, which lets a life forget what
it sent, waits for `sync`. One thread at a time plans, journals and delivers: numbers reach the file in order.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from state_layout.errors import Damaged, storage_error
from state_layout.files import codec
from state_layout.files.chain import ORIGIN, Position, utc_now
from state_layout.files.fence import refuse_links
from state_layout.files.journal import Journal, Prepared
from state_layout.files.reading import read_record
from state_layout.lives.attempts import all_lines
from state_layout.lives.history import History, Mark, as_mark
from state_layout.mail.boxes import check_recipient
from state_layout.paths import Tree

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

MOST_OPEN = 128  # mail files at once
LOOK_AFTER_S = 0.02  # at whether a mail file was removed


class Outbox:
    """An outbox sends the mail of one life of `sender`. Call `catch_up` first."""

    def __init__(
        self,
        tree: Tree,
        sender: str,
        *,
        attempt: int,
        now: Callable[[], str] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tree, self._sender, self._attempt, self._now = tree, sender, attempt, now
        self._clock = clock
        self._journals: dict[str, Journal] = {}
        self._waiting: dict[str, deque[SentMessage]] = {}  # by recipient: journaled, not yet in the mail file
        self._prepared: dict[tuple[str, int], Prepared] = {}  # by recipient and n: lines to be put next
        self._believed_s: dict[str, float] = {}  # by recipient: until when its file is taken to be there
        self._planned: dict[str, int] = {}  # by recipient: the last n given out or known to be used
        self._known: dict[str, Mark] = {}  # by recipient: an end that was synced
        self._owed: dict[str, int] = {}  # by recipient: up to here, its file may lack what journals have
        self._lost: dict[str, int] = {}  # by recipient: up to here, what is missing is in no journal
        self.notes: list[str] = []  # what may be missing, for people

    @property
    def waiting(self) -> int:
        """Counts the journaled messages that are not in their mail file, because an append failed."""
        return sum(map(len, self._waiting.values()))

    def catch_up(self, history: History) -> int:
        """Append every journaled send that is missing, however old; how many were.

        Raises Damaged for a mail file that is corrupt where it was durable, StorageError.
        """
        self._known = dict(history.mailed)
        self._planned = _floors(self._tree, self._sender)
        for to, n in history.sent.items():
            self._planned[to] = max(n, self._planned.get(to, 0))
        ends = {to: self._opened(to).position.seq for to in history.sent}
        shorter = {to for to, end in ends.items() if end < history.mailed.get(to, _NONE)[0]}
        old = self._journaled(shorter) if shorter else []
        recent = [message for message in history.unmailed if message["to"] not in shorter]
        missing = [message for message in [*old, *recent] if message["n"] > ends[message["to"]]]
        self._owed.clear()  # that is all of it
        self.deliver(missing)
        self._lost = {to: n for to, n in history.sent.items() if self._end(to).seq < n}
        return len(missing)

    def plan(self, to: str, message: SentMessage) -> int:
        """Give `message` its recipient and its number, in place; the number. It is not sent yet.

        A number that is never journaled leaves a gap, which is legal. Raises BadInput for an unknown agent.
        """
        if to not in self._journals:
            check_recipient(self._tree, to)
            self._opened(to)
        self._planned[to] += 1
        message.setdefault("type", "info")
        message["to"], message["n"] = to, self._planned[to]
        return self._planned[to]

    def prepare(self, messages: Collection[SentMessage]) -> None:
        """Make the lines of `messages`, journaled but not synced, so that `deliver` has only to write them.

        Optional: for the time that the disk needs for the journal. Raises Damaged, StorageError.
        """
        self._prepared.clear()
        for message in messages:
            to, n = message["to"], message["n"]
            after = self._prepared.get((to, n - 1))
            journal = self._opened(to) if after else self._linked(to)
            if to not in self._waiting and n > journal.position.seq:
                type_, fields = self._content(message)
                self._prepared[to, n] = journal.prepare(type_, fields, seq=n, after=after)

    def deliver(self, messages: Collection[SentMessage] = ()) -> list[str]:
        """Append `messages`, whose journal line is synced, after those still waiting; to whom. Not synced.

        Raises StorageFull, after which they wait for the next call, or StorageError.
        """
        for message in messages:
            self._waiting.setdefault(message["to"], deque()).append(message)
        recipients = [*self._waiting]
        for to in recipients:
            self._append(to, self._waiting[to])
            del self._waiting[to]
        self._prepared.clear()
        return recipients

    def covers(self, history: History) -> bool:
        """Every message that `history` sent is in its mail file, or could not be brought back."""
        return all(max(self._end(to).seq, self._lost.get(to, 0)) >= n for to, n in history.sent.items())

    def sync(self) -> dict[str, Mark]:
        """Make what was appended durable; the ends of all mail files by recipient. Raises StorageError."""
        for to in [*self._journals, *self._owed]:
            journal = self._in_place(to)
            end = journal.position
            journal.sync(end.seq)
            self._known[to] = as_mark(end)
        return dict(self._known)

    def close(self) -> None:
        """Close the files, without syncing."""
        for journal in self._journals.values():
            journal.close()
        self._journals.clear()

    def _append(self, to: str, waiting: deque[SentMessage]) -> None:
        self._write(self._linked(to), to, waiting)

    def _write(self, journal: Journal, to: str, waiting: deque[SentMessage]) -> None:
        while waiting:
            n = waiting[0]["n"]
            line = self._prepared.get((to, n))
            is_put = line is not None and journal.put(line)
            if not is_put and n > journal.position.seq:
                journal.append(*self._content(waiting[0]), seq=n)
            waiting.popleft()

    def _content(self, message: SentMessage) -> tuple[str, dict[str, object]]:
        """Make the type and the fields of the mail line of `message`."""
        fields: dict[str, object] = {"from": self._sender, "to": message["to"]}
        if "text" in message:
            fields["text"] = message["text"]
        if "body" in message:
            fields["body"] = message["body"]
        if "reply_to" in message:
            fields["reply_to"] = message["reply_to"]
        return message["type"] if "type" in message else "info", fields  # noqa: SIM401 - no call

    def _end(self, to: str) -> Position:
        journal = self._journals.get(to)
        return journal.position if journal else Position(*self._known.get(to, _NONE))

    def _opened(self, to: str) -> Journal:
        journal = self._journals.get(to)
        if journal is None:
            self._make_room()
            known = Position(*self._known.get(to, _NONE))
            path = self._tree.mail_file(to, self._sender)
            refuse_links(self._tree.root, path.parent)
            journal = Journal.open(path, floor=known.seq, known=known, now=self._now)
            journal.stamp = {"attempt": self._attempt}
            self._journals[to] = journal
            if journal.position.seq < known.seq:  # somebody removed or replaced it while it was closed
                self._owed[to] = max(known.seq, self._owed.get(to, 0))
            self._planned[to] = max(journal.position.seq, self._planned.get(to, 0))
        return journal

    def _make_room(self) -> None:
        """Close the file opened first if too many are open; opened again it is not read again."""
        if len(self._journals) < MOST_OPEN:
            return
        to = next(iter(self._journals))
        journal = self._journals[to]
        journal.sync()
        self._known[to] = as_mark(journal.position)
        self._journals.pop(to).close()

    def _in_place(self, to: str) -> Journal:
        """Open the mail file where it belongs; bring it up to date if somebody replaced, moved or removed
        it."""
        journal = self._opened(to)
        if not journal.is_in_place():
            journal = self._opened_again(to, journal)
        return journal if to not in self._owed else self._made_whole(to, journal)

    def _linked(self, to: str) -> Journal:
        """Find the same for each message, cheaply: that somebody moved it shows at the next `sync`; that it
        was removed there, or at the first message that comes `LOOK_AFTER_S` after a look.

        A look is dear twice: the write that follows one has to set the times of the file anew.
        """
        journal, now_s = self._opened(to), self._clock()
        if now_s >= self._believed_s.get(to, now_s):
            self._believed_s[to] = now_s + LOOK_AFTER_S
            if not journal.is_linked():
                journal = self._opened_again(to, journal)
        return journal if to not in self._owed else self._made_whole(to, journal)

    def _opened_again(self, to: str, journal: Journal) -> Journal:
        self._owed[to] = max(journal.position.seq, self._owed.get(to, 0))
        self._journals.pop(to).close()
        self._known.pop(to, None)
        return self._opened(to)

    def _made_whole(self, to: str, journal: Journal) -> Journal:
        """Append what is owed to `to`; until all of it is there nothing else is."""
        owed = self._owed[to]
        lost = [message for message in self._journaled({to}) if message["n"] <= owed]
        self._write(journal, to, deque(lost))
        del self._owed[to]
        return journal

    def _journaled(self, recipients: Collection[str]) -> list[SentMessage]:
        """List every message that the journals send to one of `recipients`, in order."""
        notes: list[str] = []
        found = [
            message
            for line in all_lines(self._tree, self._sender, notes=notes)
            if b'"sent":[' in line.raw
            for message in line.fields().get("sent", ())
            if message["to"] in recipients
        ]
        shown = ", ".join(
            self._tree.shown(self._tree.mail_file(to, self._sender)) for to in sorted(recipients)
        )
        self.notes += [f"{shown}: messages may be missing: {note}" for note in notes]
        return found


_NONE: Mark = (ORIGIN.seq, ORIGIN.offset, ORIGIN.h)


def _floors(tree: Tree, sender: str) -> dict[str, int]:
    """Read by recipient the highest number that may have been used before the tree was copied."""
    try:
        restored = codec.decode_object(read_record(tree.restored))
        return {to: int(n) - 1 for to, n in restored["next_seq"].get(sender, {}).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise Damaged(
            f"{tree.shown(tree.restored)}: not as FORMAT.md says; remove run/host.json and resume: "
            "that makes it anew"
        ) from cause
    except OSError as cause:
        raise storage_error("read", tree.restored, cause) from cause
