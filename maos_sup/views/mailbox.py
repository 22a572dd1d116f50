"""Every message in a tree, filtered, read on from where the last look ended. Nothing is marked as read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from state_layout.files import codec
from state_layout.files.chain import ORIGIN
from state_layout.files.journal import Reader
from state_layout.files.tail import near_end
from state_layout.lives.history import Mark
from state_layout.mail.boxes import OPERATOR, MailFile, boxes, files_of
from state_layout.mail.operator_mail import read_operator_file
from state_layout.paths import Tree
from state_layout.records import Message as MessageRecord

if TYPE_CHECKING:
    from maos_sup.views.shapes import MessageShown


class Mailbox:
    """Reads mail files; `notes` says what could not be read.

    With `newest` the first `read` gives that many at most, and does not read whole files for them.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        sender: str | None = None,
        to: str | None = None,
        type_: str | None = None,
        since: str | None = None,
        newest: int | None = None,
    ) -> None:
        self.notes: list[str] = []
        self._tree, self._sender, self._to, self._type, self._since = tree, sender, to, type_, since
        self._newest = newest
        self._readers: dict[Path, Reader] = {}
        self._people: dict[Path, Mark] = {}

    def read(self) -> list[MessageShown]:
        """Messages that came since the last call, by the time they were sent."""
        found = [
            message for path in self._files() for message in self._messages(path) if self._is_meant(message)
        ]
        found.sort(key=lambda message: str(message["at"]))
        if self._newest is not None:
            found, self._newest = found[-self._newest :], None
        return found

    def _files(self) -> Iterator[MailFile]:
        for box in boxes(self._tree) if self._to is None else [self._to]:
            for file in sorted(files_of(self._tree, box)):
                if self._sender in (None, file.sender):
                    yield file

    def _messages(self, file: MailFile) -> Iterator[MessageShown]:
        if file.sender == OPERATOR:
            yield from self._of_people(file.path, file.box)
            return
        reader = self._readers.get(file.path) or self._begun(file.path)
        for line in reader:
            try:
                message = line.fields()
            except codec.NotJson:
                self._note(f"{self._tree.shown(file.path)}: seq {line.seq} is no message; left out")
                continue
            yield _sound(message) | {"from": file.sender, "to": file.box, "seq": line.seq}
        if reader.damage is not None and not reader.damage.is_partial:
            self._note(
                f"{self._tree.shown(file.path)}: damaged after seq {reader.position.seq}; see maos-sup check"
            )

    def _begun(self, path: Path) -> Reader:
        """Open a reader of `path` from its beginning, or from where no more than the newest come."""
        is_end_enough = self._newest is not None and self._type is None
        begin = near_end(path, lines=self._newest or 0) if is_end_enough else ORIGIN
        return self._readers.setdefault(path, Reader(path, begin))

    def _of_people(self, path: Path, to: str) -> Iterator[MessageShown]:
        """Yield messages that people wrote by hand; a line that is no message is noted."""
        news = read_operator_file(path, self._people.get(path, (0, 0, "")), to=to)
        self._people[path] = news.mark
        for entry in news.entries:
            if entry.problem is not None:
                self._note(f"{self._tree.shown(path)}:{entry.problem}")
            elif entry.message is not None:
                yield _as_json(entry.message)
        if news.problem is not None:
            self._note(f"{self._tree.shown(path)}: {news.problem}")

    def _is_meant(self, message: MessageShown) -> bool:
        if self._type is not None and message["type"] != self._type:
            return False
        return self._since is None or str(message["at"]) >= self._since

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _sound(fields: Mapping[str, object]) -> MessageShown:
    """A message without what is not of the form that FORMAT.md gives it; the path says who wrote to whom."""
    bad = [key for key in ("type", "at", "text", "reply_to") if not isinstance(fields.get(key, ""), str)]
    sound = {"type": "info", "at": ""} | {key: item for key, item in fields.items() if key not in bad}
    return cast("MessageShown", sound)


def _as_json(message: MessageRecord) -> MessageShown:
    """A message as the lines of mail files have it."""
    told = {"text": message.text, "body": message.body, "reply_to": message.reply_to}
    head = {
        "seq": message.seq,
        "at": message.at,
        "type": message.type,
        "from": message.sender,
        "to": message.to,
    }
    return cast("MessageShown", head | {key: value for key, value in told.items() if value is not None})
