"""What can be seen of one agent and of the supervisor from files alone: on a living tree, a dead one, a copy.

Whether a process lives is judged by its handle. A handle of another host or an earlier boot, or none at all,
is not alive to a viewer. Where an agent died without a word its snapshot may be older than its journal; then
the journal is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from maos_sup.core.memory import memory_after
from maos_sup.core.model import AgentObserved, Memory, Process
from maos_sup.system.locks import lock_holder
from maos_sup.views.files import last_number, numbers, read_object
from state_layout.errors import LayoutError, StorageError
from state_layout.files.journal import Reader
from state_layout.files.locks import is_free
from state_layout.files.reading import read_record
from state_layout.host.elsewhere import place_of, works_under_another_name
from state_layout.host.identity import is_alive, is_of_other_namespace, read_handle
from state_layout.host.marks import mark_prefix, read_mark, tree_place
from state_layout.lives.snapshots import agent_snapshot, exit_snapshot, supervisor_snapshot
from state_layout.lives.told import Told
from state_layout.paths import Tree
from state_layout.records import ExitReason, TaskOutcome, TaskPhase

_MEMORABLE = (b'"type":"start"', b'"type":"gave_up"', b'"type":"restart"')


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSight:
    """One agent as a viewer sees it."""

    name: str
    pid: int | None  # None: no process of this tree on this host
    attempt: int
    exit: dict[str, Any] | None
    status: dict[str, Any]
    outcomes: Mapping[str, TaskOutcome]
    notes: tuple[str, ...] = ()

    @property
    def observed(self) -> AgentObserved:
        """The same as `core` takes it."""
        return AgentObserved(
            process=Process.GONE if self.pid is None else Process.ALIVE,
            last_attempt=self.attempt,
            exit=_exit_reason(self.exit),
            outcomes=self.outcomes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSight:
    """The supervisor as a viewer sees it; `status` is its snapshot, `memory` what its journals say."""

    pid: int | None
    life: int
    status: dict[str, Any]
    memory: Memory = field(default_factory=Memory)
    elsewhere: str | None = None  # where it runs, if it was not started to be seen from here


def is_here(tree: Tree) -> bool:
    """Whether `run/` is of this tree: the handles of a copied one name processes of the original.

    Where `run/` was deleted while agents lived, they wrote their handles again: their marks tell.
    """
    host = read_object(tree.host)
    try:
        if host is None:
            return _has_marked_process(tree)
        if all(host.get(key) == value for key, value in tree_place(tree).items()):
            return True
    except OSError:
        return False
    return works_under_another_name(tree) is not None


def _is_at_home(tree: Tree) -> bool:
    """Whether `run/host.json` names this very place."""
    host = read_object(tree.host) or {}
    try:
        return all(host.get(key) == value for key, value in tree_place(tree).items())
    except OSError:
        return False


def _has_marked_process(tree: Tree) -> bool:
    """Whether a living process that `run/` names wears a mark of this very tree."""
    handles = filter(None, map(read_handle, tree.run_agents.glob("*.handle.json")))
    prefix = mark_prefix(tree)
    return any(is_alive(handle) and (read_mark(handle.pid) or "").startswith(prefix) for handle in handles)


def see_agent(tree: Tree, name: str, *, here: bool, told: Told | None = None) -> AgentSight:
    """Look at one agent; `here` is what `is_here` said. `told`, its snapshot at the last look, saves reading
    it again."""
    paths = tree.agent(name)
    attempt = last_number(paths.attempts)
    pid, place = _living_pid(tree.handle(name), paths.lock, here=here)
    told = Told(paths.status) if told is None else told
    told.look()
    status = told.status
    outcomes: Mapping[str, TaskOutcome] = told.outcomes
    ended = exit_snapshot(read_object(paths.attempt(attempt).exit)) if attempt and pid is None else None
    notes: tuple[str, ...] = (f"runs as {place}",) if place else ()
    if attempt and pid is None and not _covers(status, ended, attempt):
        status, notes, outcomes = _status_from_journals(tree, name, told)
    return AgentSight(
        name=name,
        pid=pid,
        attempt=attempt,
        exit=ended,
        status=status,
        outcomes=outcomes if pid is not None else _of_the_dead(outcomes),
        notes=notes,
    )


def see_supervisor(tree: Tree) -> SupervisorSight:
    """Look at the supervisor."""
    pid, place = _living_pid(tree.supervisor_handle, tree.supervisor_lock, here=is_here(tree))
    if pid is not None and place is None:
        place = works_under_another_name(tree) if not _is_at_home(tree) else None
    life = last_number(tree.lives)
    status = supervisor_snapshot(read_object(tree.supervisor_status))
    memory = Memory() if pid is not None and status.get("life") == life else _memory(tree)
    return SupervisorSight(pid=pid, life=life, status=status, memory=memory, elsewhere=place)


def _living_pid(handle_file: Path, lock: Path, *, here: bool) -> tuple[int | None, str | None]:
    """The living process that a handle names, and where it is if that is not here.

    The pids of another namespace mean nothing here: there, and only there, the lock is asked.
    """
    handle = read_handle(handle_file) if here else None
    if handle is None:
        return None, None
    if is_alive(handle):
        return handle.pid, None
    if is_of_other_namespace(handle) and _is_held(lock):
        return lock_holder(lock) or handle.pid, place_of(handle)
    return None, None


def _is_held(lock: Path) -> bool:
    try:
        return not is_free(lock)
    except StorageError:
        return False


def _covers(status: dict[str, Any], ended: dict[str, Any] | None, attempt: int) -> bool:
    """Whether a snapshot is known to be the last word: its attempt ended in order."""
    return ended is not None and ended.get("by") == "agent" and status.get("attempt") == attempt


def _status_from_journals(
    tree: Tree, name: str, told: Told
) -> tuple[dict[str, Any], tuple[str, ...], Mapping[str, TaskOutcome]]:
    """Make the snapshot anew from the agent's journals; what is to be noted; the outcomes of its tasks."""
    from state_layout.lives.attempts import (
        recall,  # here: most looks need no journal, and it costs 10 ms to import
    )

    try:
        found = recall(tree, name)
    except LayoutError as error:
        return told.status, (str(error),), told.outcomes
    history = found.history
    if not history.seq:
        return told.status, tuple(found.notes), told.outcomes
    newer = {
        "seq": history.seq,
        "sent": history.sent_count,
        "received": history.received,
        "discoveries": history.discoveries,
        "last_discovery": history.last_discovery,
        "artifacts": history.artifacts,
        "questions": list(history.questions.values()),
        "cost_usd": history.cost_usd,
        "tokens": history.tokens,
    }
    return agent_snapshot(told.status | newer), tuple(found.notes), history.tasks


def _of_the_dead(outcomes: Mapping[str, TaskOutcome]) -> Mapping[str, TaskOutcome]:
    """The outcomes of an agent without a process: no task can run in it."""
    cut = {
        task: replace(outcome, phase=TaskPhase.INTERRUPTED)
        for task, outcome in outcomes.items()
        if outcome.phase is TaskPhase.RUNNING
    }
    return {**outcomes, **cut} if cut else outcomes


def _exit_reason(ended: dict[str, Any] | None) -> ExitReason | None:
    try:
        return None if ended is None else ExitReason(str(ended.get("reason")))
    except ValueError:
        return None


def _memory(tree: Tree) -> Memory:
    """What the newest life that got as far as a line knew; lines without consequence are not decoded, and not
    verified either where all but the first are so."""
    for number in reversed(numbers(tree.lives)):
        path = tree.life_journal(number)
        try:
            lines = islice(Reader(path), None if _has_more(path) else 1)
            memorable = (line.fields() for line in lines if any(word in line.raw for word in _MEMORABLE))
            memory = memory_after(memorable, now_s=0.0)
        except (ValueError, LayoutError):
            continue  # `check` names it; what is shown without it is what agents say themselves
        if memory is not None:
            return memory
    return Memory()


def _has_more(path: Path) -> bool:
    """Whether a journal says more of consequence than its first line."""
    try:
        data = read_record(path)
    except OSError:
        return True  # let the reader say what is wrong with it
    return any(word in data for word in _MEMORABLE[1:])
