"""CPU and memory of each agent and all that it started: sampled only while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

from maos_sup.views.screen.state import Figure


class Figures:
    """Samples the processes below some pids; CPU is what they used since the sample before."""

    def __init__(self) -> None:
        self._before: dict[tuple[int, float], float] = {}  # (pid, start) -> seconds of CPU
        self._at_s = 0.0

    def sample(self, pids: Mapping[str, int]) -> dict[str, Figure]:
        """The figures of the agents whose processes `pids` names."""
        now_s = time.monotonic()
        processes, parents = dict[int, tuple[float, float, int]](), dict[int, int]()
        for process in psutil.process_iter():
            with suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                key = (process.create_time(), times.user + times.system, process.memory_info().rss)
                processes[process.pid], parents[process.pid] = key, process.ppid()
        took_s, seen = max(now_s - self._at_s, 0.001), dict[tuple[int, float], float]()
        owners = {pid: name for name, pid in pids.items()}
        found = {name: [0.0, 0, 0] for name in pids}
        for pid, (begun, used_s, memory) in processes.items():
            owner = _owner(pid, parents, owners)
            if owner is None:
                continue
            seen[pid, begun] = used_s
            figure = found[owner]
            figure[0] += max(0.0, used_s - self._before.get((pid, begun), used_s)) / took_s
            figure[1] += memory
            figure[2] += 1
        self._before, self._at_s = seen, now_s
        return {
            name: Figure(cpu=cpu, memory=int(memory), processes=int(many))
            for name, (cpu, memory, many) in found.items()
        }


def _owner(pid: int, parents: Mapping[int, int], owners: Mapping[int, str]) -> str | None:
    """The agent that a process descends from."""
    for _ in range(64):  # deeper than any tree of processes; a circle cannot be followed for ever
        if pid in owners:
            return owners[pid]
        pid = parents.get(pid, 0)
        if pid <= 1:
            return None
    return None
