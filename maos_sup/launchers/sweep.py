"""Looks for what dead agents left running, and ends it.

Three things give a leftover away: the mark in its environment; that it descends from one that has it; that
it was in the session of an agent when that died (told by the zygote, before anybody else can get the
session's number). The first is enough for nearly all; the others find those that emptied their environment.
Orphans of agents that were started here became children of the zygote or of this process, so that is where
to look; for agents of earlier supervisors the whole machine is searched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress

from maos_sup.system.children import MOST_NEAR_GLANCES
from maos_sup.system.ending import MOST_GLANCES, Sighting, Swept, end_all
from maos_sup.system.processes import (
    Listing,
    belonging,
    knows_children,
    read_children,
    read_descendants,
    read_table,
)
from maos_sup.system.targets import Target
from state_layout.host.marks import read_mark
from state_layout.host.stats import read_stat

SPARE_DESCRIPTORS = 24  # are kept for everything else: folders that are read, the journal, the zygote


class Debris:
    """Knows where the leftovers of which agent can be. `prefix` is what all marks of the tree begin with."""

    def __init__(self, *, prefix: str) -> None:
        self._prefix = prefix
        self._near: set[str] = set()  # agents started here
        self._far: set[str] = set()  # agents adopted, whose leftovers were not looked for yet
        self._orphans: dict[str, list[Target]] = {}

    def is_near(self, agent: str) -> None:
        """From now on `agent` is started here."""
        self._near.add(agent)

    def is_far(self, agent: str) -> None:
        """This life of `agent` was started by another launcher."""
        self._far.add(agent)

    def add(self, agent: str, orphans: Iterable[Target]) -> None:
        """Take what was left in the session of `agent`, which died."""
        known = self._orphans.setdefault(agent, [])
        for orphan in orphans:
            orphan.spare_descriptor(SPARE_DESCRIPTORS)
            known.append(orphan)

    def agents_of(self, marks: AbstractSet[str]) -> set[str]:
        """Find the agents of this tree that `marks` name."""
        return {
            mark.removeprefix(self._prefix).rpartition(":")[0]
            for mark in marks
            if mark.startswith(self._prefix)
        }

    def sweep(
        self,
        marks: AbstractSet[str],
        *,
        spare: AbstractSet[int],
        parents: Sequence[int],
        living: AbstractSet[str],
    ) -> Swept:
        """End what wears `marks`; `parents` are the processes that inherit the orphans of agents."""
        agents = self.agents_of(marks)
        is_near = knows_children() and agents <= self._near - self._far

        def look(known: AbstractSet[int]) -> Sighting:
            if is_near:
                orphans = {pid for parent in parents for pid in read_children(parent)}
                listing = read_descendants(orphans - spare, known)
            else:
                listing = read_table(known)
            roots = self._living_orphans(agents, marks)
            return _sighting(listing, marks=marks, roots=roots, kin=marks.__contains__, spare=spare)

        swept = end_all(look, glances=MOST_NEAR_GLANCES if is_near else MOST_GLANCES)
        if not swept.left and swept.is_sure:
            self._far -= agents - living
            for agent in agents:
                self._drop(agent)
        return swept

    def look_for_trees(
        self, pids: Mapping[str, int], known: AbstractSet[int], *, spare: AbstractSet[int]
    ) -> Sighting:
        """The living `pids` (by agent) with all that belongs to them, wherever it went."""
        kin = tuple(f"{self._prefix}{agent}:" for agent in pids)
        roots = frozenset(pids.values())
        listing = read_table(known)
        return _sighting(listing, roots=roots, kin=lambda mark: mark.startswith(kin), spare=spare)

    def close(self) -> None:
        """Let go of all descriptors."""
        for agent in list(self._orphans):
            self._drop(agent)

    def _living_orphans(self, agents: AbstractSet[str], marks: AbstractSet[str]) -> frozenset[int]:
        return frozenset(
            orphan.pid
            for agent in agents
            for orphan in self._orphans.get(agent, ())
            if not orphan.has_ended and (read_mark(orphan.pid) or "") in {"", *marks}
        )

    def _drop(self, agent: str) -> None:
        for orphan in self._orphans.pop(agent, ()):
            orphan.close()


def _sighting(
    listing: Listing,
    *,
    roots: AbstractSet[int],
    kin: Callable[[str], bool],
    spare: AbstractSet[int],
    marks: AbstractSet[str] = frozenset(),
) -> Sighting:
    rows = belonging(listing.table, marks=marks, roots=roots, kin=kin, spare=spare)
    return Sighting(rows=rows, pids=listing.pids, is_torn=listing.is_torn)


def reap_orphans(*, known: AbstractSet[int]) -> None:
    """Reap dead children of this process that it never started: orphans that became its children.

    Those are in a session of their own agent's; a child in our session was started by somebody here.
    """
    session = os.getsid(0)
    for pid in read_children(os.getpid()):
        stat = read_stat(pid) if pid not in known else None
        if stat is not None and stat.is_gone and stat.session != session:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
