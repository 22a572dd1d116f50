"""Says how one agent stands: its process, its last attempt, its snapshot, the outcomes of its tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from maos_sup.core.model import AgentObserved, Process
from maos_sup.standing.presence import living_process
from state_layout.lives.numbers import last_number
from state_layout.lives.snapshot_reader import SnapshotReader
from state_layout.lives.snapshots import agent_snapshot, exit_snapshot, read_snapshot
from state_layout.paths import AgentPaths, Tree
from state_layout.records import AgentPhase, ExitReason, TaskOutcome, TaskPhase

if TYPE_CHECKING:
    from state_layout.lives.leases import Lease
    from state_layout.records.snapshots import AgentSnapshot, ExitSnapshot


class AgentStanding(Struct, frozen=True, kw_only=True):
    """The standing is that of one agent as its files tell it."""

    name: str
    pid: int | None  # None: no process of this tree on this host
    attempt: int
    exit: ExitSnapshot | None
    status: AgentSnapshot
    outcomes: Mapping[str, TaskOutcome]
    notes: tuple[str, ...] = ()

    @property
    def current(self) -> AgentSnapshot:
        """The snapshot says this of work under way; empty unless the agent's process lives and has begun."""
        is_current = self.pid is not None and self.status.get("attempt") == self.attempt
        return self.status if is_current else {}

    @property
    def observed(self) -> AgentObserved:
        """The standing is told as `core` takes it."""
        return AgentObserved(
            process=Process.GONE if self.pid is None else Process.ALIVE,
            last_attempt=self.attempt,
            exit=_exit_reason(self.exit),
            outcomes=self.outcomes,
            lingers=0 if self.pid is None else lingering_since(self.status, self.attempt),
        )


def agent_standing(
    tree: Tree, name: str, *, here: bool, reader: SnapshotReader | None = None
) -> AgentStanding:
    """Look at one agent; `here` is what `presence.is_here` said.

    A `reader` of its snapshot that is kept from look to look saves reading what did not change.
    """
    paths = tree.agent(name)
    attempt = last_number(paths.attempts)
    pid, place = living_process(tree.handle(name), paths.lock, here=here)
    ended = exit_snapshot(read_snapshot(paths.attempt(attempt).exit)) if attempt and pid is None else None
    if attempt and pid is None and ended is None and (lease := _fresh_lease(paths)) is not None:
        pid, place = lease.pid, lease.where
    reader = SnapshotReader(paths.status) if reader is None else reader
    reader.look()
    status = reader.status
    outcomes: Mapping[str, TaskOutcome] = reader.outcomes
    notes: tuple[str, ...] = (f"runs as {place}",) if place else ()
    is_told = reader.is_snapshot if pid is not None else _is_last_word(status, ended, attempt)
    if attempt and not is_told:
        from maos_sup.standing.journals import from_journals  # snapshots of those who live say it all

        journaled = from_journals(tree, name)
        if pid is None:  # else the journal may end in a line that is just being written
            notes = journaled.notes
        if journaled.is_known:
            status, outcomes = agent_snapshot(status | journaled.status), journaled.outcomes
    return AgentStanding(
        name=name,
        pid=pid,
        attempt=attempt,
        exit=ended,
        status=status,
        outcomes=outcomes if pid is not None else _of_the_dead(outcomes),
        notes=notes,
    )


def lingering_since(status: AgentSnapshot, attempt: int) -> int:
    """Read the `seq` since which the living `attempt` stays though nothing is ready; 0: it does not."""
    is_so = status.get("phase") == AgentPhase.WAITING and status.get("attempt") == attempt
    return max(1, status.get("seq", 0)) if is_so else 0


def _fresh_lease(paths: AgentPaths) -> Lease | None:
    """Read the lease of an agent that lives on another machine, by this clock: to be shown only."""
    from state_layout.lives.leases import PATIENCE, last_written_s, open_lease  # most live here

    lease = open_lease(paths)
    if lease is None:
        return None
    try:
        age_s = time.time() - last_written_s(paths)
    except OSError:
        return None
    return lease if age_s < PATIENCE * lease.ttl_s else None


def _is_last_word(status: AgentSnapshot, ended: ExitSnapshot | None, attempt: int) -> bool:
    """The snapshot is known to be the last word: its attempt ended in order."""
    return ended is not None and ended.get("by") == "agent" and status.get("attempt") == attempt


def _of_the_dead(outcomes: Mapping[str, TaskOutcome]) -> Mapping[str, TaskOutcome]:
    """Make the outcomes of an agent without a process: no task can run in it."""
    cut = {
        task: replace(outcome, phase=TaskPhase.INTERRUPTED)
        for task, outcome in outcomes.items()
        if outcome.phase is TaskPhase.RUNNING
    }
    return {**outcomes, **cut} if cut else outcomes


def _exit_reason(ended: ExitSnapshot | None) -> ExitReason | None:
    try:
        return None if ended is None else ExitReason(str(ended.get("reason")))
    except ValueError:
        return None
