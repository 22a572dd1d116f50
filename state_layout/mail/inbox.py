"""Says what an agent receives: its own box and `mail/all`, each sender in order, each message once.

A mark says how far a sender was read. Marks become durable with the step that used the messages (`received`
in the journal), so a message and the work done with it are one write; a life that dies before that gets them
again. Mail between agents is not synced here: its sender journaled it before it delivered it, and appends it
again should the file lose it. What people wrote is in no journal: that is made durable before it is returned.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from state_layout.errors import storage_error
from state_layout.files import atomic, disk
from state_layout.files.chain import Line, Position
from state_layout.files.journal import Reader
from state_layout.lives.history import Mark, as_mark
from state_layout.mail.boxes import ALL, OPERATOR
from state_layout.mail.open_mail import OpenBox, OpenMail
from state_layout.mail.operator_mail import read_operator_file
from state_layout.paths import Tree
from state_layout.records import Message

_START: Mark = (0, 0, "")


class Inbox:
    """Reads the mail of `reader` from `marks` on. `notes` gathers what people should be told; empty it.

    Not for use by several threads at once.
    """

    def __init__(self, tree: Tree, reader: str, *, marks: Mapping[str, Mark]) -> None:
        self._tree = tree
        self._boxes = (OpenBox(tree, reader), OpenBox(tree, ALL, without=reader))
        self._marks = dict(marks)
        self._told: set[str] = set()
        self._seen: dict[str, tuple[int, int]] = {}  # by key: the version that was read of people's files
        self._named: set[int] = set()  # inodes of people's files whose names are durable
        self.notes: list[str] = []

    def fetch(self, limit: int | None = None) -> tuple[list[Message], dict[str, Mark]]:
        """Fetch at most `limit` messages not returned yet, and the marks to commit with them.

        Cheap when nothing is new; what people wrote is durable when it is returned. Raises StorageError.
        """
        messages: list[Message] = []
        marks: dict[str, Mark] = {}
        for file in self._changed():
            room = None if limit is None else limit - len(messages)
            if room == 0:
                break
            found, mark = self._read(file, room)
            if found and file.sender == OPERATOR:
                self._make_durable(file)
            messages += found
            if mark != self._mark(file):
                marks[file.key] = mark
        self._marks |= marks
        return messages, marks

    def rewind(self, marks: Mapping[str, Mark]) -> None:
        """Read again from `marks`, the committed ones: for messages whose step failed."""
        self._marks = dict(marks)

    def mark_at(self, key: str, seq: int) -> Mark:
        """Find the mark that acknowledges who sent `key` ("<box>/<from>") up to `seq`; never a lower one.

        Raises StorageError.
        """
        before = self._marks.get(key, _START)
        file = next((file for file in self._files() if file.key == key), None)
        if file is None or seq <= before[0]:
            return before
        if file.sender == OPERATOR:
            news = read_operator_file(file.path, before, to=file.box)
            return next((entry.mark for entry in reversed(news.entries) if entry.mark[0] <= seq), before)
        lines = self._new_lines(file, before, None)[0]
        return next((as_mark(line.end) for line in reversed(lines) if line.seq <= seq), before)

    def close(self) -> None:
        """Close the files."""
        for box in self._boxes:
            box.close()

    def _files(self) -> Iterator[OpenMail]:
        for box in self._boxes:
            yield from box.look()

    def _changed(self) -> list[OpenMail]:
        """List the files that do not end at the mark, people's first, then by name."""
        marks = self._marks
        found = [
            file
            for file in self._files()
            if file.size() != marks.get(file.key, _START)[1] or file.sender == OPERATOR
        ]
        return sorted(found, key=lambda file: (file.sender != OPERATOR, file.key))

    def _mark(self, file: OpenMail) -> Mark:
        return self._marks.get(file.key, _START)

    def _read(self, file: OpenMail, room: int | None) -> tuple[list[Message], Mark]:
        """New messages of one file and the mark after them."""
        before = self._mark(file)
        if file.sender == OPERATOR:
            version = file.version()
            if version == self._seen.get(file.key) and file.size() == before[1]:
                return [], before
            self._seen[file.key] = version  # people change what is before the mark, too
            return self._read_people(file, before, room)
        lines, end = self._new_lines(file, before, room)
        read = [self._message(file, line) for line in lines]
        return [message for message in read if message], (max(before[0], end.seq), end.offset, end.h)

    def _new_lines(self, file: OpenMail, mark: Mark, room: int | None) -> tuple[list[Line], Position]:
        """Read at most `room` whole lines above `mark`, and the place after them."""
        reader = Reader(file.path, Position(0, mark[1], mark[2]))
        lines = _above(reader, file, mark[0], room)
        if reader.is_displaced:
            reader = Reader(file.path)
            lines = _above(reader, file, mark[0], room)
            if not lines and reader.position.seq < mark[0]:  # its sender appends again what is missing
                self._tell(f"{self._shown(file)}: the mark at seq {mark[0]} is not in the file; clamped")
        if reader.damage is not None and not reader.damage.is_partial:
            self._tell_corruption(file)
        return lines, reader.position

    def _read_people(self, file: OpenMail, mark: Mark, room: int | None) -> tuple[list[Message], Mark]:
        news = read_operator_file(file.path, mark, to=file.box)
        if news.problem is not None:
            self._tell(f"{self._shown(file)}: {news.problem}")
        if news.is_moved:
            how = "begun anew; all of it is read" if news.is_anew else "going on after what was read"
            self._tell(f"{self._shown(file)}: edited before byte {mark[1]}; {how}")
        messages: list[Message] = []
        for entry in news.entries:
            if len(messages) == room:
                return messages, mark
            mark = entry.mark
            if entry.message is not None:
                messages.append(entry.message)
            else:
                self._tell(f"{self._shown(file)}:{entry.problem}")
        return messages, news.mark

    def _message(self, file: OpenMail, line: Line) -> Message | None:
        """Make the message of a line; the path says from whom to whom, whatever the line says."""
        try:
            told = line.fields()
        except ValueError:
            self._tell(f"{self._shown(file)}: the line with seq {line.seq} is no JSON object; skipped")
            return None
        return Message.from_json({**told, "from": file.sender, "to": file.box, "seq": line.seq})

    def _tell_corruption(self, file: OpenMail) -> None:
        """Say so if the file is corrupt where it was durable; a torn tail is its writer's to set aside."""
        reader = Reader(file.path)
        for _ in reader:
            pass
        damage = reader.damage
        if damage is not None and not damage.is_tail:
            self._tell(f"{self._shown(file)}:{damage.line}: corrupt; nothing after it is read")

    def _make_durable(self, file: OpenMail) -> None:
        """Sync what people wrote, and the name of a file that they made: nobody else did."""
        _sync(file.path)
        if file.inode not in self._named:
            atomic.fsync_folder(file.path.parent)
            self._named.add(file.inode)

    def _shown(self, file: OpenMail) -> str:
        return self._tree.shown(file.path)

    def _tell(self, note: str) -> None:
        """Note it, once."""
        if note not in self._told:
            self._told.add(note)
            self.notes.append(note)


def _above(reader: Reader, file: OpenMail, seq: int, room: int | None) -> list[Line]:
    with file.reading() as descriptor:
        return [*islice((line for line in reader.lines_from(descriptor) if line.seq > seq), room)]


def _sync(path: Path) -> None:
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            disk.fdatasync(descriptor)
    except OSError as cause:
        raise storage_error("sync", path, cause) from cause
