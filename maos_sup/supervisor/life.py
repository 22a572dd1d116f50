"""One life of a supervisor: its journal, and what it remembers from the lives before.

Each action is one journal line, synced before the action is taken. The next life folds the last one's
lines (`core.memory.remember`) on top of what its first line carried, and carries the result on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from maos_sup.core.memory import (
    forget_attempts,
    forget_what_was_asked,
    is_remembered_only,
    memory_after,
    memory_to_json,
    remember,
    to_record,
)
from maos_sup.core.model import Action, Memory, Observation
from state_layout.errors import Damaged, Locked, StorageError, storage_error
from state_layout.files import atomic, disk
from state_layout.files.journal import Journal, Reader
from state_layout.lives.attempts import list_attempts
from state_layout.lives.numbers import last_number, numbers_in
from state_layout.paths import Tree, number_name


class Life:
    """A life is the running one; `memory` is what is known now."""

    def __init__(self, number: int, journal: Journal, memory: Memory) -> None:
        self.number, self.memory = number, memory
        self._journal = journal

    def record(self, actions: Sequence[Action]) -> None:
        """Journal `actions` and remember them; only then may they be taken. Raises StorageError.

        Durable when this returns, but for those that are only remembered: they become so with what follows
        from them, or at the next `sync`.
        """
        for action in actions:
            self._journal.append(*to_record(action))
        if not all(is_remembered_only(action) for action in actions):
            self._journal.sync()
        for action in actions:
            self.memory = remember(self.memory, action, now_s=time.monotonic())

    def record_later(self, type_: str, fields: Mapping[str, object]) -> None:
        """Journal what nothing follows from: durable with what is journaled next. Raises StorageError."""
        self._journal.append(type_, fields)

    def sync(self) -> None:
        """Make what was journaled durable. Raises StorageError."""
        self._journal.sync()

    def commit(self, type_: str, fields: Mapping[str, object]) -> None:
        """Journal something that was seen, durably. Raises StorageError."""
        self._journal.commit(type_, fields)


def begin_life(tree: Tree, *, at_most: Mapping[str, int] | None = None) -> Life:
    """Take the next number and begin its journal with what the last life knew.

    In a copy the journal may know attempts that the copy has not: `at_most` are the last ones there. The
    caller holds the supervisor's lock, which may hold on its own machine only: so the number is taken by who
    makes its folder. Raises Locked for who comes second, StorageError with nothing left behind.
    """
    atomic.make_folder(tree.lives)
    try:
        numbers = numbers_in(tree.lives)
    except OSError as cause:
        raise storage_error("read", tree.lives, cause) from cause
    number = (numbers[-1] if numbers else 0) + 1
    pin, memory = _last_known(tree, numbers)
    if at_most is not None:
        memory = forget_attempts(memory, at_most)
    carried = memory_to_json(memory, now_s=time.monotonic())
    _take(tree, number)
    try:
        journal = Journal.create(tree.life_journal(number))
        journal.commit("start", {"life": number, "pin": pin, "memory": carried})
    except StorageError:
        _unbegin(tree.life_journal(number))
        raise
    return Life(number, journal, memory)


def last_attempts(tree: Tree, agents: Iterable[str]) -> dict[str, int]:
    """Find the last attempt of each agent that is there. Raises StorageError."""
    return {name: max(list_attempts(tree.agent(name)), default=0) for name in agents}


def refuse_successor(tree: Tree, number: int) -> None:
    """Raise Locked where a later life than `number` has begun: another supervisor took the tree over.

    Between machines that do not share locks two may live, and who came last goes on.
    """
    newest = last_number(tree.lives)  # 0 where it cannot be told now
    if newest > number:
        raise Locked(
            f"{tree.root}: another supervisor, life {newest}, has begun, on another machine perhaps; "
            "this one ends, agents live on"
        )


def _take(tree: Tree, number: int) -> None:
    folder = tree.lives / number_name(number)
    try:
        disk.mkdir(folder, atomic.FOLDER_MODE)
    except FileExistsError as cause:
        raise Locked(
            f"{tree.root}: another supervisor begins at this moment, on another machine perhaps"
        ) from cause
    except OSError as cause:
        raise storage_error("create folder", folder, cause) from cause
    atomic.fsync_folder(tree.lives)


def _unbegin(journal: Path) -> None:
    """Remove a life that never began, so that trying for as long as the disk fails leaves nothing."""
    with suppress(OSError, StorageError):
        disk.unlink(journal)
        disk.rmdir(journal.parent)


def _last_known(tree: Tree, numbers: list[int]) -> tuple[dict[str, object] | None, Memory]:
    """Find the newest life that got as far as its first line: where it ended and what it knew."""
    for number in reversed(numbers):
        reader = Reader(tree.life_journal(number))
        try:
            memory = memory_after((line.fields() for line in reader), now_s=time.monotonic())
        except ValueError as cause:
            raise Damaged(
                f"{tree.shown(reader.path)}: the line with seq {reader.position.seq} is whole but {cause}; "
                "restore the file from a copy, or move its folder out of the tree: what agents did stands in "
                "their own journals, only counts of restarts and tasks given up are forgotten"
            ) from cause
        if memory is None:
            continue
        pin = {"life": number, "seq": reader.position.seq, "h": reader.position.h}
        return pin, forget_what_was_asked(memory)
    return None, Memory()


def is_starting(seen: Observation, life: Life) -> bool:
    """An agent was asked for that has not begun its attempt."""
    memory = life.memory
    return any(memory.of(name).submitted > each.last_attempt for name, each in seen.agents.items())
