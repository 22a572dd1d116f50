"""The lives of an agent: what earlier ones left, how the next one begins, how each ended.

Each life has a folder that only it writes in. Its first journal line pins the line it continues from, so that
what a dead life wrote after it (or could still write) is void. `recall` follows the pins back to the newest
checkpoint that stands on them and folds forward from there. Nothing here may be called for an agent to begin
a life without its lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from state_layout.errors import StorageError, StorageFull, storage_error
from state_layout.files import atomic, disk
from state_layout.files.chain import Line, Position, utc_now
from state_layout.files.journal import Journal
from state_layout.lives.checkpoints import Checkpoint
from state_layout.lives.exits import read_exit, seal_exit
from state_layout.lives.history import History, Place
from state_layout.lives.lineage import CountedLife, Lineage, not_in_form
from state_layout.lives.numbers import numbers_in
from state_layout.paths import AgentPaths, AttemptPaths, Tree

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import PinFields


__all__ = [
    "Attempt",
    "Recall",
    "all_lines",
    "begin_attempt",
    "lines_of_run",
    "list_attempts",
    "read_exit",
    "recall",
    "seal_exit",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """A recall is what an agent knows when it begins a life. `pin` names the line that it continues from."""

    history: History
    pin: PinFields | None
    attempt: int  # the last number that exists
    notes: list[str]  # what was ignored or clamped, for people


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt is a life that has begun."""

    number: int
    paths: AttemptPaths
    journal: Journal
    start: Line  # its first line, to be taken by its history


def list_attempts(agent: AgentPaths) -> list[int]:
    """List the numbers of all lives, lowest first, also of those that ended before they began.

    Raises StorageError.
    """
    try:
        return numbers_in(agent.attempts)
    except OSError as cause:
        raise storage_error("read", agent.attempts, cause) from cause


def recall(tree: Tree, agent: str) -> Recall:
    """Recall all that the agent's journals say, by way of the newest checkpoint. Changes nothing.

    Raises Damaged where something that was durable is not valid, StorageError where it cannot be read.
    """
    numbers = list_attempts(tree.agent(agent))
    lineage = Lineage(tree, tree.agent(agent), numbers)
    found: list[Checkpoint] = []

    def is_checkpointed(life: CountedLife) -> bool:
        checkpoint = lineage.checkpoint(life)
        found.extend([checkpoint] if checkpoint else [])
        return checkpoint is not None

    lives = lineage.lives(is_checkpointed)
    history = found[0].history if found else History()
    for line in lineage.lines(lives, history.position):
        try:
            history.take(line)
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            number = history.attempt or lives[0].number
            raise not_in_form(tree, tree.agent(agent).attempt(number), line.seq) from cause
    pin: PinFields | None = None
    if history.seq:
        pin = {"attempt": history.attempt, "seq": history.seq, "h": history.h}
    return Recall(history=history, pin=pin, attempt=numbers[-1] if numbers else 0, notes=lineage.notes)


def all_lines(tree: Tree, agent: str, *, notes: list[str] | None = None) -> Iterator[Line]:
    """Yield every line of the agent that counts, from the first life on; add to `notes` what is missing.

    Raises Damaged, StorageError.
    """
    lineage = Lineage(tree, tree.agent(agent), list_attempts(tree.agent(agent)))
    yield from lineage.lines(lineage.lives(lambda life: False))
    if notes is not None:
        notes += lineage.notes


def lines_of_run(tree: Tree, agent: str, begun: Place | None) -> Iterator[Line]:
    """Yield all lines that count after the place `begun`, which a history has of a run that is not settled.

    All lines where it has none (an older version began the run), or where no line that counts ends there now.
    Raises Damaged, StorageError.
    """
    if begun is not None:
        number, position = begun[0], Position(*begun[1:])
        lineage = Lineage(tree, tree.agent(agent), list_attempts(tree.agent(agent)))
        lives = lineage.lives(lambda life: life.number == number)
        if lives and lives[0].number == number and lineage.counts(lives[0], position):
            yield from lineage.lines(lives, position)
            return
    yield from all_lines(tree, agent)


def begin_attempt(
    tree: Tree,
    agent: str,
    *,
    recall: Recall,
    settings: dict[str, object],
    also: Mapping[str, object] | None = None,
    claimed: int | None = None,
    now: Callable[[], str] = utc_now,
) -> Attempt:
    """Begin the next life: its folder, its journal and its pin are durable when this returns.

    `also` stands in its first line beside `settings`. What it continues from is made durable first. The
    caller holds the agent's lock and gives `Attempt.start` to `recall.history.take`; without a lock it has
    `claimed` the number by its folder. Raises StorageFull with nothing left behind, StorageError.
    """
    paths = tree.agent(agent)
    if recall.pin is not None:
        _make_durable(tree, agent, recall.pin["attempt"])
    number = claimed or recall.attempt + 1
    attempt = paths.attempt(number)
    if claimed is None:
        _claim(attempt)
    fields = {"agent": agent, "attempt": number, "pin": recall.pin, "settings": settings}
    fields |= also or {}
    try:
        journal = Journal.create(attempt.journal, first_seq=recall.history.seq + 1, now=now)
        start = journal.record("start", fields)
        journal.sync()
        atomic.fsync_folder(paths.attempts)
    except StorageFull:
        if claimed is None:
            _unclaim(attempt)  # no attempt: it waits for room
        raise
    return Attempt(number=number, paths=attempt, journal=journal, start=start)


def _make_durable(tree: Tree, agent: str, attempt: int) -> None:
    """Sync the journal that the next life continues from: its writer may have died before it did."""
    path = tree.agent(agent).attempt(attempt).journal
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            disk.fdatasync(descriptor)
    except OSError as cause:
        raise storage_error("sync", path, cause) from cause


def _claim(attempt: AttemptPaths) -> None:
    """Make the folder of the next life, not yet durable; the number is taken by whoever makes it."""
    atomic.make_folder(attempt.root.parent)
    try:
        disk.mkdir(attempt.root, atomic.FOLDER_MODE)
    except OSError as cause:
        raise storage_error("create folder", attempt.root, cause) from cause


def _unclaim(attempt: AttemptPaths) -> None:
    with suppress(OSError, StorageError):
        disk.unlink(attempt.journal)
        disk.rmdir(attempt.root)
