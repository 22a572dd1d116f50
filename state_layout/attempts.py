"""The lives of an agent: what earlier ones left, how the next one begins, how each ended.

Each life has a folder that only it writes in. Its first journal line pins the line it continues from, so that
what a dead life wrote after it (or could still write) is void. `recall` follows the pins back to the newest
checkpoint that stands on them and folds forward from there. Nothing here may be called for an agent to begin
a life without its lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from state_layout import atomic, codec, disk
from state_layout.chain import ORIGIN, Line, Position, utc_now
from state_layout.checkpoints import Checkpoint, read_checkpoints
from state_layout.errors import Damaged, StorageError, StorageFull, storage_error
from state_layout.history import History
from state_layout.journal import Journal, Reader, refuse_corruption
from state_layout.paths import AgentPaths, AttemptPaths, Tree, number_name
from state_layout.records import ExitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What an agent knows when it begins a life. `pin` names the line that it continues from."""

    history: History
    pin: dict[str, Any] | None  # attempt, seq, h
    attempt: int  # the last number that exists
    notes: list[str]  # what was ignored or clamped, for people


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A life that has begun."""

    number: int
    paths: AttemptPaths
    journal: Journal
    start: Line  # its first line, to be taken by its history


class _Pin(NamedTuple):
    """The line that a life continues from."""

    attempt: int
    seq: int
    h: str

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> _Pin | None:
        return None if value is None else cls(value["attempt"], value["seq"], value["h"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Life:
    """A life that counts, as its successors see it."""

    number: int
    paths: AttemptPaths
    pin: _Pin | None
    first_seq: int
    floor: int  # up to here it was durable
    last_seq: int | None = None  # lines above are void
    last_h: str | None = None  # of the line `last_seq`, where a successor pinned it


def list_attempts(agent: AgentPaths) -> list[int]:
    """The numbers of all lives, lowest first, also of those that ended before they began."""
    try:
        names = os.listdir(agent.attempts)  # noqa: PTH208 - names are all we want, a Path each costs more
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise storage_error("read", agent.attempts, cause) from cause
    numbers = (int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 10)
    return sorted(number for number in numbers if number > 0 and number_name(number) in names)


def recall(tree: Tree, agent: str) -> Recall:
    """Everything the agent's journals say, by way of the newest checkpoint. Changes nothing.

    Raises Damaged where something that was durable is not valid, StorageError where it cannot be read.
    """
    notes: list[str] = []
    paths = tree.agent(agent)
    numbers = list_attempts(paths)
    lives: list[_Life] = []
    history = History()
    for life in _lives_back(tree, paths, numbers, notes):
        lives.insert(0, life)
        checkpoint = _standing_checkpoint(tree, life, notes)
        if checkpoint is not None:
            history = checkpoint.history
            break
    for line in _lines(tree, lives, history.position, notes):
        _take(tree, lives, history, line)
    pin = {"attempt": history.attempt, "seq": history.seq, "h": history.h} if history.seq else None
    return Recall(history=history, pin=pin, attempt=numbers[-1] if numbers else 0, notes=notes)


def all_lines(tree: Tree, agent: str) -> Iterator[Line]:
    """Every line of the agent that counts, from the first life on. Raises Damaged, StorageError."""
    paths = tree.agent(agent)
    lives = [*_lives_back(tree, paths, list_attempts(paths), [])][::-1]
    yield from _lines(tree, lives, ORIGIN, [])


def begin_attempt(
    tree: Tree,
    agent: str,
    *,
    recall: Recall,
    settings: dict[str, Any],
    now: Callable[[], str] = utc_now,
) -> Attempt:
    """Begin the next life: its folder, its journal and its pin are durable when this returns.

    What it continues from is made durable first. The caller holds the agent's lock and gives
    `Attempt.start` to `recall.history.take`. Raises StorageFull with nothing left behind, StorageError.
    """
    paths = tree.agent(agent)
    if recall.pin is not None:
        _make_durable(tree, agent, recall.pin["attempt"])
    number = recall.attempt + 1
    attempt = paths.attempt(number)
    _claim(attempt)
    fields = {"agent": agent, "attempt": number, "pin": recall.pin, "settings": settings}
    try:
        journal = Journal.create(attempt.journal, first_seq=recall.history.seq + 1, now=now)
        start = journal.record("start", fields)
        journal.sync()
        atomic.fsync_folder(paths.attempts)
    except StorageFull:
        _unclaim(attempt)  # no attempt: it waits for room
        raise
    return Attempt(number=number, paths=attempt, journal=journal, start=start)


def read_exit(tree: Tree, agent: str, attempt: int) -> dict[str, Any] | None:
    """How a life ended, or None while nobody has said so. One that cannot be understood is `lost`."""
    path = tree.agent(agent).attempt(attempt).exit
    try:
        value = codec.decode_object(path.read_bytes())
        return value | {"reason": str(ExitReason(value["reason"]))}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):
        detail = f"{tree.shown(path)}: not as FORMAT.md says"
        return {"attempt": attempt, "reason": str(ExitReason.LOST), "detail": detail}
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def seal_exit(tree: Tree, agent: str, attempt: int, *, by: str, reason: str, **more: Any) -> bool:
    """Say how a life ended, once and durably; whether nobody had said so before. Raises StorageError."""
    told = dict.fromkeys(("task", "exit_code", "signal", "detail", "synced_seq"))
    head = {"attempt": attempt, "at": utc_now(), "by": by, "reason": str(reason)}
    path = tree.agent(agent).attempt(attempt).exit
    return atomic.create_once(path, codec.encode({**head, **told, **more}) + b"\n")


# -- what counts


def _lives_back(tree: Tree, agent: AgentPaths, numbers: Sequence[int], notes: list[str]) -> Iterator[_Life]:
    """The lives that count, the last one first: from pin to pin."""
    life = next((life for number in reversed(numbers) if (life := _last(tree, agent, number, notes))), None)
    if life is not None:
        yield life
    while life is not None and (pin := life.pin) is not None:
        before = _begun(tree, agent, pin.attempt)
        if before is None:
            raise Damaged(
                f"{tree.shown(life.paths.journal)}:1: continues from attempt {pin.attempt}, which is not "
                "there; restore its folder from a copy"
            )
        life = replace(before, last_seq=pin.seq, last_h=pin.h, floor=pin.seq)
        yield life


def _last(tree: Tree, agent: AgentPaths, number: int, notes: list[str]) -> _Life | None:
    """The life `number` as the last one, or None if it never began or all it wrote is void."""
    life = _begun(tree, agent, number)
    if life is None:
        if read_checkpoints(agent.attempt(number)):
            notes.append(f"{tree.shown(agent.attempt(number).journal)}: has no first line; left aside")
        return None
    ended = read_exit(tree, agent.root.name, number) or {}
    synced_seq = ended.get("synced_seq")
    if not isinstance(synced_seq, int):
        return life
    if ended["reason"] != ExitReason.POISONED:
        return replace(life, floor=max(life.floor, synced_seq))
    return replace(life, floor=synced_seq, last_seq=synced_seq) if synced_seq >= life.first_seq else None


def _begun(tree: Tree, agent: AgentPaths, number: int) -> _Life | None:
    """The life `number`, or None if it ended before its first line was whole."""
    paths = agent.attempt(number)
    reader = Reader(paths.journal)
    first = next(iter(reader), None)
    if first is None:
        if reader.damage is not None:
            refuse_corruption(reader.damage, 1 if read_checkpoints(paths) else 0)
        return None
    try:
        fields = first.fields()
        pin = _Pin.from_json(fields["pin"])
        is_start = fields["type"] == "start" and fields["attempt"] == number
        is_start = is_start and first.seq == (1 if pin is None else pin.seq + 1)
        is_in_form = is_start and (pin is None or 0 < pin.attempt < number)
    except (ValueError, KeyError, TypeError) as cause:
        raise _not_in_form(tree, paths, first) from cause
    if not is_in_form:
        raise _not_in_form(tree, paths, first)
    return _Life(number=number, paths=paths, pin=pin, first_seq=first.seq, floor=first.seq - 1)


def _standing_checkpoint(tree: Tree, life: _Life, notes: list[str]) -> Checkpoint | None:
    """The newest checkpoint in the folder of `life` whose line counts."""
    for checkpoint in read_checkpoints(life.paths):
        position = checkpoint.history.position
        is_below = life.last_seq is None or position.seq <= life.last_seq
        if is_below and checkpoint.attempt == life.number and Reader(life.paths.journal, position).stands():
            return checkpoint
        notes.append(
            f"{tree.shown(life.paths.root)}: a checkpoint at seq {position.seq} is ahead of what counts of "
            "its journal; ignored"
        )
    return None


def _lines(tree: Tree, lives: Sequence[_Life], after: Position, notes: list[str]) -> Iterator[Line]:
    """The lines of `lives`, oldest first, after those up to `after`, to the end or the first gap."""
    last = after
    for index, life in enumerate(lives):
        reader = Reader(life.paths.journal, ORIGIN if index else after)
        for line in _own_lines(tree, life, reader, last.seq, notes):
            last = line.end
            yield line
        if life.last_h is None:
            return  # the last one
        if last.seq != life.last_seq:
            notes.append(_gap(tree, life, last.seq, lives[index + 1]))
            return
        if last.h != life.last_h:
            raise Damaged(
                f"{tree.shown(life.paths.journal)}: line {last.seq} is not the one that attempt "
                f"{lives[index + 1].number} continues from; restore the file from a copy"
            )


def _own_lines(tree: Tree, life: _Life, reader: Reader, seq: int, notes: list[str]) -> Iterator[Line]:
    """The lines of one life after `seq`, up to the last that counts."""
    if seq == life.last_seq:
        return
    for line in reader:
        seq += 1
        if line.seq != seq:
            raise _not_in_form(tree, life.paths, line)
        yield line
        if seq == life.last_seq:
            return
    damage = reader.damage
    if damage is not None:
        refuse_corruption(damage, life.floor)
        notes.append(f"{tree.shown(damage.path)}: torn after seq {seq}, never acknowledged; left aside")


def _gap(tree: Tree, life: _Life, seq: int, successor: _Life) -> str:
    return (
        f"{tree.shown(life.paths.journal)}: ends at seq {seq}, attempt {successor.number} continued from "
        f"{life.last_seq}; going on from {seq}, what came after may be done again"
    )


def _take(tree: Tree, lives: Sequence[_Life], history: History, line: Line) -> None:
    try:
        history.take(line)
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        life = next((life for life in lives if life.number == history.attempt), lives[0])
        raise _not_in_form(tree, life.paths, line) from cause


def _not_in_form(tree: Tree, paths: AttemptPaths, line: Line) -> Damaged:
    return Damaged(
        f"{tree.shown(paths.journal)}: the line with seq {line.seq} is whole but not as FORMAT.md says; "
        "restore the file from a copy, or see 'maos-sup check'"
    )


# -- how a life begins


def _make_durable(tree: Tree, agent: str, attempt: int) -> None:
    """Sync the journal that the next life continues from: its writer may have died before it did."""
    path = tree.agent(agent).attempt(attempt).journal
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            disk.fdatasync(descriptor)
    except OSError as cause:
        raise storage_error("sync", path, cause) from cause


def _claim(attempt: AttemptPaths) -> None:
    """Make the folder of the next life; the number is taken by whoever makes it."""
    atomic.make_folder(attempt.root.parent)
    try:
        disk.mkdir(attempt.root, atomic.FOLDER_MODE)
    except OSError as cause:
        raise storage_error("create folder", attempt.root, cause) from cause
    atomic.fsync_folder(attempt.root.parent)


def _unclaim(attempt: AttemptPaths) -> None:
    with suppress(OSError, StorageError):
        disk.unlink(attempt.journal)
        disk.rmdir(attempt.root)
