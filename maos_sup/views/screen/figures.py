"""Samples what agents and all that they started use, by the rows of `views.figures`, while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

from maos_sup.views.figures import MEASURED


class Figures:
    """Samples the processes below some pids; rates are of the time since the sample before."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, int, float], float] = {}  # (figure, pid, start) -> what it was
        self._at_s = 0.0

    def sample(self, pids: Mapping[str, int]) -> dict[str, dict[str, float]]:
        """The measured figures, by key, of the agents whose processes `pids` names."""
        now_s = time.monotonic()
        owners = {pid: name for name, pid in pids.items()}
        found = {name: dict.fromkeys((row.key for row in MEASURED), 0.0) for name in pids}
        seen = dict[tuple[str, int, float], float]()
        took_s = max(now_s - self._at_s, 0.001)
        for process, owner in _owned(owners):
            is_own = process.pid in owners
            for row in MEASURED:
                if row.is_own and not is_own:
                    continue
                with suppress(psutil.Error, OSError):
                    value = float(row.measure(process))
                    if row.is_rate:
                        key = (row.key, process.pid, process.create_time())
                        seen[key] = value
                        value = max(0.0, value - self._before.get(key, value)) / took_s
                    found[owner][row.key] += value
        self._before, self._at_s = seen, now_s
        return found


def _owned(owners: Mapping[int, str]) -> list[tuple[psutil.Process, str]]:
    """Find each process that descends from one in `owners`, and that one's name."""
    processes, parents = dict[int, psutil.Process](), dict[int, int]()
    for process in psutil.process_iter() if owners else ():
        with suppress(psutil.Error):
            parents[process.pid] = process.ppid()
            processes[process.pid] = process
    found = ((process, _owner(pid, parents, owners)) for pid, process in processes.items())
    return [(process, owner) for process, owner in found if owner is not None]


def _owner(pid: int, parents: Mapping[int, int], owners: Mapping[int, str]) -> str | None:
    """Find the agent that a process descends from."""
    for _ in range(64):  # deeper than any tree of processes; a circle cannot be followed for ever
        if pid in owners:
            return owners[pid]
        pid = parents.get(pid, 0)
        if pid <= 1:
            return None
    return None
