"""Looks at the files and processes and makes an Observation of them. Reads; changes nothing.

Cheap enough to run at every hint: snapshots are read again only when their inode, size or time changed,
attempts only when their folder did, beats every few ticks.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from maos_sup.core.liveness import Liveness, Watch, liveness, look
from maos_sup.core.model import AgentObserved, Memory, Observation, Process
from maos_sup.launchers.base import Launcher, Observed
from maos_sup.standing.agents import lingering_since
from maos_sup.standing.journals import from_journals
from state_layout.errors import StorageError
from state_layout.files.locks import is_free
from state_layout.host.beats import read_beat
from state_layout.host.room import has_room
from state_layout.lives.attempts import list_attempts, read_exit
from state_layout.lives.leases import read_lease
from state_layout.lives.snapshot_reader import SnapshotReader
from state_layout.paths import AgentPaths, Tree
from state_layout.records import AgentSpec, ExitReason, Specs
from state_layout.specs.approvals import answered_tasks

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot

BEATS_TICKS = 5
_Stamp = tuple[int, int, int]


@dataclass(slots=True, kw_only=True)
class _Seen:
    """An observer read this of one agent; it says when that has to be read again; its paths are made once."""

    paths: AgentPaths
    beat_path: str
    lock: Path = field(init=False)
    attempts_path: str = field(init=False)
    status_path: str = field(init=False)
    moved_stamps: tuple[_Stamp | None, _Stamp | None] | None = None
    told: SnapshotReader = field(init=False)
    recalled: int = 0  # the last attempt when the journals were read instead
    attempts_stamp: _Stamp | None = None
    last_attempt: int = 0
    highest_attempt: int = 0
    exit_of: int = 0
    exit: ExitReason | None = None
    detail: str | None = None
    watch: Watch | None = None
    liveness: Liveness = Liveness.UNKNOWN
    unknown_since_s: float | None = None

    def __post_init__(self) -> None:
        self.lock = self.paths.lock
        self.attempts_path, self.told = str(self.paths.attempts), SnapshotReader(self.paths.status)
        self.status_path = str(self.paths.status)


class Observer:
    """Makes observations; remembers only what saves reading a file twice."""

    def __init__(self, tree: Tree, launcher: Launcher) -> None:
        self._tree, self._launcher = tree, launcher
        self._seen: dict[str, _Seen] = {}
        self._every_s, self._is_tick = 0.0, False
        self.due_s = 0.0  # when to look at the beats
        self._last: dict[str, AgentObserved] = {}
        self._told: dict[str, Observed] = {}  # by the launcher
        self._complained = set[str]()
        self._unknown = set[str]()  # who may live, which any news may tell
        self.adopted: list[tuple[str, int]] = []  # agents found alive, their attempts; the reader empties it

    def observe(
        self, specs: Specs, memory: Memory, *, leaving: bool, only: AbstractSet[str] | None = None
    ) -> Observation:
        """Observe what is, now. With `only`, agents that are not in it are taken as they were seen last,
        unless the launcher has news of them."""
        now_s = time.monotonic()
        if now_s >= self.due_s:
            self._every_s = between_beats_s(specs)
            self.due_s, self._is_tick = now_s + self._every_s, True
            only = None
        news, living = self._news() | self._unknown, self._launcher.living()
        last = self._last
        agents = {
            name: last[name]
            if only is not None and name in last and name not in only and name not in news
            else self._agent(specs, spec, is_alive=name in living, now_s=now_s)
            for name, spec in specs.agents.items()
        }
        self._last = agents
        self._is_tick = False
        return Observation(
            specs=specs,
            agents=agents,
            now_s=now_s,
            chance=int.from_bytes(os.urandom(4)) / (1 << 32),
            has_room=has_room(self._tree),
            leaving=leaving,
        )

    def snapshot(self, agent: str) -> SnapshotReader:
        """Give what the snapshot of `agent` said at the last look; it must not be looked at again by
        others."""
        return self._seen[agent].told

    def _news(self) -> set[str]:
        """Find the agents of whom the launcher says something else than at the last look."""
        answer = self._launcher.poll()
        if answer is None:
            return set()
        told = dict(answer)
        before, self._told = self._told, told
        return {name for name, each in told.items() if before.get(name) is not each}

    def _agent(self, specs: Specs, spec: AgentSpec, *, is_alive: bool, now_s: float) -> AgentObserved:
        seen = self._seen.get(spec.name)
        if seen is None:
            beat_path = os.fspath(self._tree.beat(spec.name))
            seen = self._seen[spec.name] = _Seen(paths=self._tree.agent(spec.name), beat_path=beat_path)
        process = Process.ALIVE if is_alive else self._process(spec.name, seen, specs.launcher_of(spec.name))
        is_gone = process is Process.GONE
        is_unknown = process is Process.UNKNOWN
        seen.unknown_since_s = (seen.unknown_since_s or now_s) if is_unknown else None
        (self._unknown.add if is_unknown else self._unknown.discard)(spec.name)
        if not (is_alive and seen.last_attempt and seen.told.status.get("attempt") == seen.last_attempt):
            self._read_attempts(spec.name, seen, is_gone=is_gone)  # else it lives in the one that is known
        if process is Process.ALIVE and not is_alive:
            self.adopted.append((spec.name, seen.last_attempt))
        was_read = self._read_status(spec.name, seen, is_gone=is_gone)
        if is_gone:
            seen.watch, seen.liveness = None, Liveness.UNKNOWN
        elif self._is_tick:
            self._judge(specs, spec, seen, now_s)
        told, last = self._told.get(spec.name), self._last.get(spec.name)
        is_here = told is None or not (told.where or told.error)
        if is_alive and is_here and not was_read and last is not None and _is_as_before(last, seen):
            return last
        return AgentObserved(
            process=process,
            error=told.error if told else None,
            where=told.where if told else "",
            ended=told.ended if told else "",
            ended_attempt=told.attempt if told else 0,
            unknown_s=now_s - (seen.unknown_since_s or now_s),
            last_attempt=seen.last_attempt,
            highest_attempt=seen.highest_attempt,
            exit=seen.exit,
            detail=seen.detail,
            liveness=seen.liveness,
            outcomes=seen.told.outcomes,
            gains=_gains(seen.told.status),
            lingers=lingering_since(seen.told.status, seen.last_attempt) if process is Process.ALIVE else 0,
            answered=answered_tasks(self._tree, seen.told.status),
        )

    def _process(self, agent: str, seen: _Seen, launcher: str) -> Process:
        """Of an agent the launcher does not know to live: dead only if its lock is free, or it says so."""
        said = self._launcher.says(agent, launcher=launcher, attempt=seen.last_attempt)
        if said is not None:
            return said
        try:
            if is_free(seen.lock):
                return Process.GONE
        except StorageError as error:  # one agent in ruins keeps the others from nothing
            if str(error) not in self._complained:
                self._complained.add(str(error))
                sys.stderr.write(f"supervisor: {error}\n")
            return Process.UNKNOWN
        return Process.ALIVE if self._launcher.adopt(agent) else Process.UNKNOWN

    def _read_attempts(self, agent: str, seen: _Seen, *, is_gone: bool) -> None:
        stamp = _stamp(seen.attempts_path)
        if stamp != seen.attempts_stamp:
            seen.attempts_stamp = stamp
            seen.last_attempt = max(list_attempts(seen.paths), default=0)
            seen.highest_attempt = max(seen.highest_attempt, seen.last_attempt)
        if seen.exit_of != seen.last_attempt:
            seen.exit, seen.detail = None, None
        if is_gone and seen.last_attempt and seen.exit is None:
            record = read_exit(self._tree, agent, seen.last_attempt)
            if record is not None:
                seen.exit_of, seen.exit = seen.last_attempt, ExitReason(record["reason"])
                seen.detail = record.get("detail")

    def _read_status(self, agent: str, seen: _Seen, *, is_gone: bool) -> bool:
        """Look at its snapshot; whether that was read."""
        told, was_read = seen.told, seen.told.look()
        is_old = is_gone and self._is_old(seen)
        if is_gone and (is_old or not told.is_snapshot) and (was_read or seen.recalled != seen.last_attempt):
            seen.recalled, was_read = seen.last_attempt, True
            journaled = from_journals(self._tree, agent)
            told.believe(journaled.status, journaled.outcomes)
        if was_read:
            try:
                answered_tasks(self._tree, told.status)
            except (ValueError, KeyError, TypeError, AttributeError):
                told.take({})  # edited by hand: the agent makes it anew from its journal
        return was_read

    def _is_old(self, seen: _Seen) -> bool:
        """The snapshot is of an earlier attempt than the last, which lived on another machine.

        What is suspended there in the middle of a rename may put its own back after it was fenced.
        """
        is_of_last = seen.told.status.get("attempt", seen.last_attempt) == seen.last_attempt
        return not is_of_last and read_lease(seen.paths.attempt(seen.last_attempt)) is not None

    def moved(self) -> set[str]:
        """Find the agents on other machines that got on since the last look: only their files tell of
        that."""
        moved = set[str]()
        for name, told in self._told.items():
            seen = self._seen.get(name)
            if told.where and told.alive and seen is not None:
                stamps = (_stamp(seen.status_path), _stamp(seen.attempts_path))
                if stamps != seen.moved_stamps:
                    moved.add(name)
                seen.moved_stamps = stamps
        return moved

    def _judge(self, specs: Specs, spec: AgentSpec, seen: _Seen, now_s: float) -> None:
        told = self._told.get(spec.name)
        if told is not None and told.where and not told.pid:
            return  # it waits in a queue
        is_placed = told is not None and told.where
        beat = read_lease(seen.paths.attempt(seen.last_attempt)) if is_placed else read_beat(seen.beat_path)
        counters = None if beat is None else (beat.beat, beat.progress)
        tick_s = max(specs.orchestration.intervals.tick_s, self._every_s / 2)
        seen.watch = look(seen.watch, counters, now_s=now_s, tick_s=tick_s)
        hang_s = spec.limits_in_force(specs.orchestration.limits).hang_s
        seen.liveness = liveness(seen.watch, hang_s=hang_s, expect_s=0.0 if beat is None else beat.expect_s)


def between_beats_s(specs: Specs) -> float:
    """Say how often to look at the beats: enough to judge by the shortest `hang_s`, else every few ticks.

    At least four looks fall into it, so that one long gap (a suspended machine) is told from a hang.
    """
    common = specs.orchestration.limits
    own = [spec.limits_in_force(common).hang_s for spec in specs.agents.values() if spec.limits.get("hang_s")]
    tick_s = specs.orchestration.intervals.tick_s
    return max(tick_s, min(BEATS_TICKS * tick_s, min([common.hang_s, *own]) / 4))


def _is_as_before(last: AgentObserved, seen: _Seen) -> bool:
    """A living agent of this machine, its snapshot not read again, is what it was at the last look.

    One that asks something is looked at: the answer is another file.
    """
    return (
        last.process is Process.ALIVE
        and not (last.where or last.error)
        and last.liveness is seen.liveness
        and last.last_attempt == seen.last_attempt
        and last.outcomes is seen.told.outcomes
        and last.exit is seen.exit
        and not last.answered
        and not seen.told.status.get("questions")
    )


def _gains(status: AgentSnapshot) -> int | None:
    """Read what the work gained, as its snapshot says; None if that is of a build that does not say."""
    gains = status.get("gains", None if status else 0)
    return gains if type(gains) is int else None


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - of each agent at each look: half the cost of Path.stat
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
