"""What an agent must know of others to choose its next task: how their tasks ended, and its own given up.

An agent's status is read first; it is a snapshot made from the journal, which is asked where that is missing
or too short to hold a result. What the supervisor settled is in the journal of its last life. What did not
change since the last look is not read again, here or in the process that this one was forked from.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from maos_sup.core.memory import memory_after
from state_layout.errors import LayoutError
from state_layout.files.journal import Reader
from state_layout.lives.attempts import recall
from state_layout.lives.numbers import numbers_in
from state_layout.lives.snapshots import Snapshot, agent_snapshot, read_snapshot
from state_layout.lives.told import outcome_in
from state_layout.paths import Tree
from state_layout.records import SETTLED, Specs, TaskOutcome

ELIDED = "result_is_in_journal"
_Stamp = tuple[int, int, int]
_FRESH_NS = 20_000_000  # a snapshot so young may be replaced by another one of the same inode, size and time
_START, _GAVE_UP = b'"type":"start"', b'"type":"gave_up"'


class Others:
    """Reads how tasks of other agents ended, again and again."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._stamps: dict[str, _Stamp | None] = {}

    def news(self, agent: str, tasks: Collection[str]) -> dict[str, TaskOutcome] | None:
        """What is known of these tasks of `agent`; None if that is as it was told last."""
        stamp = _stamp_of(self._tree.agent(agent).status)
        if stamp is not None and self._stamps.get(agent) == stamp:
            return None
        is_young = stamp is None or time.time_ns() - stamp[2] < _FRESH_NS
        self._stamps[agent] = None if is_young else stamp
        status = read_snapshot(self._tree.agent(agent).status)
        if status:
            told = status.get("tasks")
            entries = told if isinstance(told, dict) else {}
            read = ((task, outcome_in(entries[task])) for task in tasks if task in entries)
            return {task: outcome for task, outcome in read if outcome is not None}
        try:
            known = recall(self._tree, agent).history.tasks
        except LayoutError:
            return {}
        return {task: known[task] for task in tasks if task in known}


def result_of(tree: Tree, specs: Specs, task: str) -> Any:
    """The result of a settled task of another agent; None if it has none. Raises Damaged, StorageError."""
    owner = specs.tasks[task].agent
    entry = (_status_of(tree, owner).get("tasks") or {}).get(task) or {}
    is_current = entry.get("phase") in SETTLED and entry.get("run", 1) >= specs.tasks[task].run
    if is_current and not entry.get(ELIDED):
        return entry.get("result")
    outcome = recall(tree, owner).history.tasks.get(task)
    return None if outcome is None else outcome.result


def settled_by_supervisor(tree: Tree) -> Mapping[str, TaskOutcome]:
    """The tasks that a supervisor gave up, from the newest life that began. The same object if that is all
    that there was at the last call in this process, or in the one it was forked from."""
    try:
        numbers = numbers_in(tree.lives)
    except OSError:
        return {}
    for number in reversed(numbers):
        settled = _settled_in(tree.life_journal(number))
        if settled is not None:
            return settled
    return {}


@dataclass(frozen=True, slots=True)
class _Life:
    """What a journal of a supervisor's life said, up to the end of a whole line."""

    inode: int
    end: int  # in bytes
    settled: Mapping[str, TaskOutcome] | None  # None: it has not begun, or is no journal


_lives: dict[Path, _Life] = {}


def _settled_in(path: Path) -> Mapping[str, TaskOutcome] | None:
    """What the life with this journal settled; its first line tells what the lives before it did.

    Every agent asks for this before every task, and a journal holds a line for each start of each: so only
    what was appended since is looked through, for the words that settle a task, and lines are decoded and
    verified only where there are such.
    """
    known = _lives.get(path)
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if known is not None and (known.inode != found.st_ino or known.end > found.st_size):
                known = None
            begin = 0 if known is None else known.end
            file.seek(begin)
            fresh = file.read()
    except OSError:
        return None
    end = begin + fresh.rfind(b"\n") + 1  # what follows may be taken back
    if known is None or known.settled is None or _GAVE_UP in fresh:
        has_given_up = _GAVE_UP in fresh or begin > 0
        known = _Life(found.st_ino, end, _memorable(path, all_lines=has_given_up))
    elif end > begin:
        known = _Life(found.st_ino, end, known.settled)
    _lives[path] = known
    return known.settled


def _memorable(path: Path, *, all_lines: bool) -> Mapping[str, TaskOutcome] | None:
    lines = islice(Reader(path), None if all_lines else 1)
    told = (line.fields() for line in lines if _START in line.raw or _GAVE_UP in line.raw)
    try:
        memory = memory_after(told, now_s=0.0)
    except (LayoutError, OSError, ValueError):
        return None
    return None if memory is None else memory.outcomes


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - of each agent that is waited for, between two tasks
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _status_of(tree: Tree, agent: str) -> Snapshot:
    return agent_snapshot(read_snapshot(tree.agent(agent).status))
