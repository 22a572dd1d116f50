"""Mail against journals: every message journaled and delivered, every mark at the end of a line.

The mail files are read before the journals, since a message is journaled before it is delivered: in a tree
that lives nothing seems delivered that was not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from state_layout.check.lives_of_agents import LivesAccount
from state_layout.check.problem import CATALOGUE, Finding, as_note
from state_layout.check.scan import FileScan, ScanBounds, judge
from state_layout.check.scene import Scene
from state_layout.check.seq_ranges import SeqRanges, shown
from state_layout.check.shares import Examination, examined
from state_layout.files.chain import Position
from state_layout.files.journal import Reader
from state_layout.lives.history import Mark
from state_layout.mail.boxes import ALL, OPERATOR, is_sender
from state_layout.mail.operator_mail import read_operator_file
from state_layout.paths import is_name
from state_layout.records import MESSAGE_TYPES

_SUFFIX = ".jsonl"
_START: Mark = (0, 0, "")
_RESTORED = "as in a copy of a living tree: resume keeps the numbers apart, nothing needs to be done"


@dataclass(slots=True, kw_only=True)
class CheckedMailFile:
    """A mail file of an agent, read to its end."""

    to: str
    sender: str
    scan: FileScan
    seqs: SeqRanges = field(default_factory=SeqRanges)
    is_reported: bool = False

    def read_on(self, scene: Scene) -> None:
        """Take in what is new; the first line that is not as FORMAT.md says is reported."""
        for passage in self.scan.passages():
            self.seqs.add_all(passage.run.first_seq, passage.run.end.seq)
            if self.is_reported:
                continue
            wrong = _first_wrong(passage.entries, self.to, self.sender)
            if wrong is not None:
                self.is_reported = True
                line = passage.first_line + wrong[0]
                scene.report(Finding.BAD_RECORD, self.scan.path, line=line, what=wrong[1])


def read_mail(scene: Scene) -> dict[tuple[str, str], CheckedMailFile]:
    """Read all mail between agents, by sender and recipient."""
    files = {}
    for to, sender, path in mail_paths(scene):
        if sender == OPERATOR:
            check_operator_mail(scene, to, path)
        else:
            files[sender, to] = CheckedMailFile(to=to, sender=sender, scan=FileScan(scene, path))
    reads = [
        Examination(_size_of(file.scan.path), partial(_read_state, scene, file)) for file in files.values()
    ]
    for file, (seqs, is_reported, state) in zip(files.values(), examined(scene, reads), strict=True):
        file.seqs, file.is_reported = seqs, is_reported
        file.scan.take_up(state)
    return files


def _read_state(scene: Scene, file: CheckedMailFile) -> tuple[SeqRanges, bool, tuple[int, Reader]]:
    file.read_on(scene)
    return file.seqs, file.is_reported, file.scan.state


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def mail_paths(scene: Scene) -> Iterator[tuple[str, str, Path]]:
    """Yield recipient, sender and path of every mail file; boxes and senders nobody knows are reported."""
    for to in scene.names(scene.tree.mail):
        box = scene.tree.mail_box(to)
        if not scene.is_folder(box) or not (is_name(to) or to == ALL):
            continue  # said by `check.walk`
        if to != ALL and to not in scene.agents:
            what = f"is the box of {to!r}, who is no agent of this tree"
            scene.report(Finding.UNKNOWN_AGENT, box, what=what)
            continue
        for name in scene.names(box):
            sender, path = name.removesuffix(_SUFFIX), box / name
            if not name.endswith(_SUFFIX) or not is_sender(sender) or not scene.is_file(path):
                continue
            if sender != OPERATOR and sender not in scene.agents:
                what = f"is from {sender!r}, who is no agent of this tree"
                scene.report(Finding.UNKNOWN_AGENT, path, what=what)
            yield to, sender, path


def check_mail(
    scene: Scene, files: Mapping[tuple[str, str], CheckedMailFile], accounts: Mapping[str, LivesAccount]
) -> None:
    """Compare the mail that was read with what the journals of all agents say."""
    corrupt = {pair for pair, file in files.items() if not _judge(scene, file, accounts)}
    for agent, account in accounts.items():
        recipients = {*account.sends, *(to for sender, to in files if sender == agent)}
        for to in sorted(recipients):
            if account.is_whole and (agent, to) not in corrupt:
                file = files.get((agent, to)) or _missing_file(scene, agent, to)
                _compare(scene, file, account.sends.get(to, SeqRanges()))
        for key, mark in account.marks.items():
            box, _, sender = key.partition("/")
            if sender == OPERATOR:
                _check_place(scene, agent, scene.tree.mail_file(box, sender), mark)
            elif (sender, box) not in corrupt:
                sends = accounts[sender].sends.get(box) if sender in accounts else None
                _check_mark(scene, agent, scene.tree.mail_file(box, sender), mark, sends or SeqRanges())


def check_operator_mail(scene: Scene, to: str, path: Path) -> None:
    """Report the lines of people that nobody can read."""
    news = read_operator_file(path, _START, to=to)
    if news.problem is not None:
        what, _, remedy = news.problem.rpartition("; ")
        said = CATALOGUE[Finding.UNREADABLE]._replace(remedy=remedy)
        scene.report(Finding.UNREADABLE, path, what=what or remedy, said=said)
    for entry in news.entries:
        if entry.problem is not None:
            line, _, what = entry.problem.removesuffix("; skipped").partition(": ")
            scene.report(Finding.BAD_LINE, path, line=int(line), what=f"is {what.partition('; write ')[0]}")


def _judge(scene: Scene, file: CheckedMailFile, accounts: Mapping[str, LivesAccount]) -> bool:
    """Judge the file, and say whether it is as durable as the checkpoints of its sender rely on."""
    account = accounts.get(file.sender, LivesAccount())
    floor = account.mailed.get(file.to, _START)[0]
    bounds = ScanBounds(floor=floor, is_continued=True)
    return judge(scene, file.scan, bounds, is_written=partial(scene.lives, file.sender))


def _missing_file(scene: Scene, sender: str, to: str) -> CheckedMailFile:
    return CheckedMailFile(to=to, sender=sender, scan=FileScan(scene, scene.tree.mail_file(to, sender)))


def _compare(scene: Scene, file: CheckedMailFile, sends: SeqRanges) -> None:
    """Journaled and delivered must be the same, but for what a sender that ended had still to deliver."""
    if scene.is_hidden(file.scan.path):
        return
    if [*sends.without(file.seqs)] and not scene.lives(file.sender):
        file.read_on(scene)  # it may have delivered since, and ended
        _report_undelivered(scene, file, [*sends.without(file.seqs)])
    unjournaled = [*file.seqs.without(sends)]
    if unjournaled:
        what = f"holds messages that {file.sender} never journaled: {shown(unjournaled)}"
        is_excused = scene.excuses(file.sender, file.to, unjournaled[-1][1])
        said = as_note(Finding.UNJOURNALED, _RESTORED) if is_excused else None
        scene.report(Finding.UNJOURNALED, file.scan.path, what=what, said=said)


def _report_undelivered(scene: Scene, file: CheckedMailFile, missing: list[tuple[int, int]]) -> None:
    last = file.seqs.last
    pending = [span for span in missing if span[0] > last]
    lost = [span for span in missing if span[0] <= last]
    if pending:
        what = f"messages that {file.sender} journaled are still to be delivered: {shown(pending)}"
        scene.report(Finding.PENDING, file.scan.path, what=what)
    if lost:
        what = f"messages that {file.sender} journaled are missing between others: {shown(lost)}"
        scene.report(Finding.MAIL_GAP, file.scan.path, what=what)


def _check_mark(scene: Scene, reader: str, path: Path, mark: Mark, sends: SeqRanges) -> None:
    """A mark is the end of a line with its hash; `sends` is what the sender's journals sent there."""
    seq, offset, h = mark
    if offset == 0 or (scene.is_file(path) and Reader(path, Position(seq, offset, h)).stands()):
        return
    if scene.is_hidden(path):
        return
    size = path.stat().st_size if scene.is_file(path) else 0
    has_read = f"{reader} has read it to message {seq} at byte {offset}"
    if offset <= size:
        scene.report(Finding.MARK_ASTRAY, path, what=f"{has_read}, but another line is there")
        return
    said = None
    if scene.excuses(path.stem, path.parent.name, seq):
        said = as_note(Finding.MARK_AHEAD, _RESTORED)
    elif sends.last >= seq:
        said = as_note(Finding.MARK_AHEAD, CATALOGUE[Finding.PENDING].remedy)
    scene.report(Finding.MARK_AHEAD, path, what=f"{has_read}, but it ends at {size}", said=said)


def _check_place(scene: Scene, reader: str, path: Path, mark: Mark) -> None:
    """Check that the place where a reader stopped in people's mail is there still."""
    if read_operator_file(path, mark, to=path.parent.name).is_moved:
        what = f"was edited before byte {mark[1]}, up to where {reader} has read it"
        scene.report(Finding.MARK_ASTRAY, path, what=what)


def _first_wrong(entries: Sequence[Mapping[str, Any] | None], to: str, sender: str) -> tuple[int, str] | None:
    """Find the first of messages with which something is wrong: its index, and what."""
    for index, told in enumerate(entries):
        if (
            told is not None  # as nearly all are
            and told.get("from") == sender
            and told.get("to") == to
            and told.get("type") in MESSAGE_TYPES
            and type(told.get("text")) is str
        ):
            continue
        what = _wrong(told, to, sender)
        if what is not None:
            return index, what
    return None


def _wrong(told: Mapping[str, Any] | None, to: str, sender: str) -> str | None:
    """Say what is wrong with a message; None if nothing is."""
    if told is None:
        return "is whole but no JSON object"
    if (told.get("from"), told.get("to")) != (sender, to):
        return f"is from {told.get('from')!r} to {told.get('to')!r}, not from {sender!r} to {to!r}"
    if told.get("type") not in MESSAGE_TYPES:
        return f"'type' is {told.get('type')!r}; FORMAT.md knows {', '.join(MESSAGE_TYPES)}"
    if not isinstance(told.get("text", ""), str | None):
        return "'text' is no text"
    return None
