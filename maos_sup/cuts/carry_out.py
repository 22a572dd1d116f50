"""Carry out a rewind: every step may be done again, so whoever finds one unfinished does it all.

Nobody lives in the tree meanwhile: the caller holds the supervisor's lock and that of every agent, and has
journaled the rewind durably. The order matters only so far: numbers of void messages are taken before a
sender could give them again, and the bytes that are set aside have their name before they lose the old one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from maos_sup.cuts import store
from maos_sup.cuts.rewind import AgentMove, Rewind, void_of, void_path
from state_layout.errors import Damaged, storage_error
from state_layout.files import atomic, codec, disk
from state_layout.files.at_once import at_once
from state_layout.files.chain import Position
from state_layout.files.journal import Reader
from state_layout.files.looking import exists, is_dir
from state_layout.files.reading import opened_record, read_record
from state_layout.lives.attempts import Recall, begin_attempt, list_attempts, seal_exit
from state_layout.lives.history import History
from state_layout.paths import Tree
from state_layout.records import ExitReason
from state_layout.scopes.names import folders_in
from state_layout.scopes.people import refresh_snapshot
from state_layout.scopes.store import ScopeStore
from state_layout.specs import accept

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import PinFields


BY = "rollback"
_folder = attrgetter("current.parent")


def carry_out(tree: Tree, rewind: Rewind) -> None:
    """Bring the tree to where `rewind` says, durably. Raises StorageError, Damaged; call it again then."""
    take_numbers(tree, rewind.next_seq)
    at_once(partial(_move_agent, tree, move, rewind) for move in rewind.agents.values())
    asides = sorted([*_mail_asides(tree, rewind), *_state_asides(tree, rewind)], key=_folder)
    at_once(partial(_move_files, [*moves]) for _, moves in groupby(asides, key=_folder))
    for scope, folder in folders_in(tree) if rewind.state else ():
        with closing(ScopeStore(folder, BY)) as shared:
            refresh_snapshot(tree, scope, shared)
    _move_specs(tree, rewind.specs)


def take_numbers(tree: Tree, next_seq: Mapping[str, Mapping[str, int]]) -> None:
    """See to it that no sender gives a number below `next_seq` again, durably. Never lowers one."""
    value = _restored(tree)
    known = value.setdefault("next_seq", {})
    value.setdefault("accepted", {sender: dict(numbers) for sender, numbers in known.items()})
    before = codec.encode(value)
    for sender, numbers in next_seq.items():
        mine = known.setdefault(sender, {})
        for to, number in numbers.items():
            mine[to] = max(number, mine.get(to, 0))
    value.setdefault("notes", [])
    if codec.encode(value) != before or not exists(tree.restored):
        atomic.make_folder(tree.supervisor)
        atomic.replace(tree.restored, codec.encode_pretty(value))


class RestoredFile(TypedDict, total=False):
    """`supervisor/restored.json`, as far as it is read here."""

    next_seq: dict[str, dict[str, int]]  # by sender and recipient
    accepted: dict[str, dict[str, int]]
    notes: list[str]


def _restored(tree: Tree) -> RestoredFile:
    try:
        value: RestoredFile = codec.decode(read_record(tree.restored))
        _see_numbers(value)
    except FileNotFoundError:
        return {}
    except OSError as cause:
        raise storage_error("read", tree.restored, cause) from cause
    except ValueError as cause:
        raise Damaged(
            f"{tree.shown(tree.restored)}: not as FORMAT.md says; remove run/host.json and resume: that "
            "makes it anew"
        ) from cause
    return value


def _see_numbers(value: object) -> None:
    """Raise ValueError unless it is an object whose numbers, if any, are by sender and recipient."""
    numbers = value.get("next_seq", {}) if isinstance(value, dict) else None
    if not isinstance(numbers, dict):
        raise ValueError("no object with numbers")
    for by_recipient in numbers.values():
        if not isinstance(by_recipient, dict) or any(type(each) is not int for each in by_recipient.values()):
            raise ValueError("numbers are by sender and recipient")


def _move_agent(tree: Tree, move: AgentMove, rewind: Rewind) -> None:
    """Begin an attempt that pins where `move` goes to, and end it; once."""
    paths = tree.agent(move.agent)
    numbers = list_attempts(paths)
    done = [number for number in numbers if void_of(paths.attempt(number).journal) == rewind.void]
    if not done:
        position = Position(move.to.seq, move.to.offset, move.to.h)
        pin: PinFields | None = None
        if move.to.seq:
            pin = {"attempt": move.to.attempt, "seq": move.to.seq, "h": move.to.h}
        recall = Recall(
            history=History(position=position, attempt=move.to.attempt),
            pin=pin,
            attempt=numbers[-1] if numbers else 0,
            notes=[],
        )
        also = {"rewound": {"void": rewind.void, "cut": rewind.cut}, "passed": dict(move.passed)}
        attempt = begin_attempt(tree, move.agent, recall=recall, settings={}, also=also)
        attempt.journal.close()
        done = [attempt.number]
    for number in done:
        start = next(iter(Reader(paths.attempt(number).journal)))
        seal_exit(
            tree, move.agent, number, by=BY, reason=ExitReason.PARKED, synced_seq=start.seq, h=start.end.h
        )
    if move.before.attempt:
        seal_exit(tree, move.agent, move.before.attempt, by=BY, reason=ExitReason.LOST)  # if nobody has
    disk.unlink(paths.status)  # it tells of what is void; the journal is asked instead


class _Aside(NamedTuple):
    """A file that is set aside, and whose first bytes take its place."""

    current: Path
    aside: Path
    source: Path
    size: int


def _mail_asides(tree: Tree, rewind: Rewind) -> Iterator[_Aside]:
    for move in rewind.mail:
        current = tree.mail_file(move.box, move.sender)
        yield _Aside(current, void_path(tree, move, rewind.void), current.with_name(move.source), move.size)


def _state_asides(tree: Tree, rewind: Rewind) -> Iterator[_Aside]:
    for move in rewind.state:
        current = tree.root / move.path
        aside = current.with_name(f"{current.name}.void-{rewind.void}")
        yield _Aside(current, aside, current.with_name(move.source), move.size)


def _move_files(moves: Sequence[_Aside]) -> None:
    """Set the files of one folder aside, once, and put the parts that count in their place, durably.

    Two syncs of the folder, however many files: the names that are set aside, then what is in their place.
    """
    contents = _set_aside(moves)
    atomic.replace_all({path: data for path, data in contents.items() if data})
    gone = [path for path, data in contents.items() if not data]
    for path in gone:
        disk.unlink(path)
    if gone:
        atomic.fsync_folder(gone[0].parent)


def _set_aside(moves: Sequence[_Aside]) -> dict[Path, bytes]:
    """Give the files of one folder their second names, durably; by path what is to be in their place."""
    current = moves[0].current
    contents = dict[Path, bytes]()
    try:
        for move in moves:
            current = move.current
            if not os.path.lexists(move.aside) and exists(current):
                disk.link(current, move.aside)
            contents[current] = _first_bytes(move.aside if move.source == current else move.source, move.size)
        atomic.fsync_folder(current.parent)
    except OSError as cause:
        raise storage_error("set aside", current, cause) from cause
    return contents


def _first_bytes(path: Path, size: int) -> bytes:
    if not size:
        return b""
    with opened_record(path) as file:
        return file.read(size)


def _move_specs(tree: Tree, specs: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Put the bytes of the specs back as they were; what was not there then is taken out of force."""
    contents = {rel: store.kept_spec(tree, after) for rel, (_, after) in specs.items() if after is not None}
    for rel, data in contents.items():
        atomic.make_folder((tree.spec / rel).parent)
        atomic.replace(tree.spec / rel, data)
    accepted = {rel: data for rel, data in contents.items() if not rel.startswith("state/")}
    if accepted:
        accept(tree, accepted)
    for rel in specs.keys() - contents.keys():
        for path in (tree.spec / rel, tree.accepted / rel):
            disk.unlink(path)
            if is_dir(path.parent):
                atomic.fsync_folder(path.parent)
