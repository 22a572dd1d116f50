"""The troupe as jobs of Slurm, of any size: talkers, chains of agents that need each other, one who reads.

The links of a chain take their turns after each other: the next begins when the test has settled the one
before. Each writes to the reader. Some talkers have a wall time that they reach again and again.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from troupe import WORKERS, Troupe

from state_layout.lives.leases import Lease, read_lease

READER = "reader"
LINKS = 3  # of a chain
SHORT = {"mem_gib": 0.1, "time": "1"}  # minutes: the least there is; they are asked to stop after half of it


class Company(Troupe):
    """`size` agents (at least 5) on a cluster; the wall time of every fourth talker is short."""

    def staff(self, size: int) -> None:
        """Choose who is there: a third of them talk to each other, the others are chains."""
        self._chains = [
            tuple(f"link-{number}-{place}" for place in range(LINKS))
            for number in range(max(0, size - len(self.talkers) - 1) * 2 // 3 // LINKS)
        ]
        self._settled = 0
        links = [link for chain in self._chains for link in chain]
        others = size - len(links) - 1 - len(self.talkers)
        self.workers = (*WORKERS, *(f"worker-{number}" for number in range(others // 2)))
        thinkers = [f"thinker-{number}" for number in range(others - others // 2)]
        self._free = (*self.workers, *self.thinkers, *thinkers)
        self.thinkers = (*self.thinkers, *thinkers, *links, READER)

    def peers(self, name: str) -> tuple[str, ...]:
        if name in self._free:
            return tuple(peer for peer in self._free if peer != name)
        return () if name == READER else (READER,)

    def needs(self, name: str) -> list[str]:
        return [before for chain in self._chains for before, after in pairwise(chain) if after == name]

    def busy(self) -> tuple[str, ...]:
        return (
            *self._free,
            READER,
            *(chain[self._place_of(number)] for number, chain in enumerate(self._chains)),
        )

    def settle_one(self) -> None:
        """Let one link come to its end, and so the next of its chain begin; the last ones stay."""
        if self._settled < len(self._chains) * (LINKS - 1):
            number = self._settled % len(self._chains)
            self.settle(self._chains[number][self._place_of(number)])
            self._settled += 1

    def _place_of(self, number: int) -> int:
        """Count the links of a chain that are settled."""
        return self._settled // len(self._chains) + (number < self._settled % len(self._chains))

    def leases(self) -> dict[str, Lease]:
        """Read what the living agents say of where they are."""
        found = (
            (name, read_lease(self.tree.agent(name).attempt(self.attempts()[name]))) for name in self.pids()
        )
        return {name: lease for name, lease in found if lease is not None}

    def start(self, agents: dict[str, Any], tasks: list[dict[str, Any]] | None = None, **more: Any) -> None:
        placed = {name: {**agent, "env_from": {"OUT": "OUT"}} for name, agent in agents.items()}
        for name in self._free[::4]:
            placed[name]["place"] = SHORT
        intervals = {**more.pop("intervals"), "lease_s": 4}
        limits = {**more.pop("limits"), "max_agents": 2 * len(agents)}
        place = {"mem_gib": 0.1}
        super().start(
            placed, tasks, launcher="slurm", place=place, intervals=intervals, limits=limits, **more
        )
