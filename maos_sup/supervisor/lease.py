"""The lease of a supervisor whose agents are on other machines: there it is seen by nothing else.

It claims nothing (`life.refuse_successor`); commands on other machines see by it that somebody supervises.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

from state_layout.errors import StorageError
from state_layout.files import disk
from state_layout.host.stats import boot_id
from state_layout.lives.leases import BUMPS, Lease, life_lease, write_lease
from state_layout.paths import Tree
from state_layout.records import LOCAL, Specs


class SupervisorLease:
    """Renewed by `look`, which is to be called more often than every fifth of `intervals.lease_s`."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._n, self._due_s = tree, 0, 0.0
        self._life: int | None = None  # whose lease is there

    def look(self, specs: Specs, life: int) -> None:
        """Renew it where it is time to. What cannot be written is left out: nothing depends on it."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        ttl_s = specs.orchestration.intervals.lease_s
        self._due_s = now_s + ttl_s / BUMPS
        if all(specs.launcher_of(agent) == LOCAL for agent in specs.agents):
            return
        self._n += 1
        lease = Lease(
            n=self._n,
            ttl_s=ttl_s,
            launcher="slurm" if "SLURM_JOB_ID" in os.environ else LOCAL,
            job=os.environ.get("SLURM_JOB_ID", ""),
            host=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
            boot_id=boot_id(),
            pid=os.getpid(),
        )
        with suppress(StorageError):
            write_lease(life_lease(self._tree, life), lease)
            self._life = life

    def end(self) -> None:
        """Say no more that it lives."""
        if self._life is not None:
            with suppress(OSError):
                disk.unlink(life_lease(self._tree, self._life))
