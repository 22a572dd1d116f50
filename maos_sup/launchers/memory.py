"""A launcher without processes, for tests of what uses one. It keeps every promise of `base`.

A test plays the kernel: `begin` lets a submitted agent run, `end` lets it die, `lose_sight` makes `poll`
know nothing. With `begins_at_once` (the default) submitted agents run from the next `poll` on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress

from maos_sup.core.model import Process
from maos_sup.launchers.base import Observed, Submission
from maos_sup.system.ending import Swept
from maos_sup.system.pipes import quiet_pipe


class MemoryLauncher:
    """The launcher is the shipped fake. `submitted`, `cancelled` and `swept` record what was asked, in
    order."""

    def __init__(self, *, begins_at_once: bool = True) -> None:
        self.submitted: list[Submission] = []
        self.cancelled: list[tuple[str, float]] = []
        self.swept: list[AbstractSet[str]] = []
        self.adoptable: dict[str, int] = {}  # agent -> pid of a process that some other launcher started
        self._begins_at_once = begins_at_once
        self._observed: dict[str, Observed] = {}
        self._next_pid = 100_000
        self._is_blind = False
        self._read_end, self._write_end = quiet_pipe()

    def fileno(self) -> int:
        return self._read_end

    def submit(self, submission: Submission) -> int:
        known = self._observed.get(submission.agent)
        if known is not None and known.alive:
            return known.pid
        self.submitted.append(submission)
        self._set(submission.agent, Observed(pid=0, alive=True))
        return 0

    def poll(self) -> Mapping[str, Observed] | None:
        with suppress(BlockingIOError):
            os.read(self._read_end, 4096)
        if self._is_blind:
            return None
        if self._begins_at_once:
            for agent in [name for name, known in self._observed.items() if known.alive and not known.pid]:
                self.begin(agent)
        return dict(self._observed)

    def living(self) -> AbstractSet[str]:
        return {agent for agent, known in self._observed.items() if known.alive}

    def adopt(self, agent: str) -> bool:
        if agent in self.living():
            return True
        pid = self.adoptable.pop(agent, None)
        if pid is None:
            return False
        self._set(agent, Observed(pid=pid, alive=True))
        return True

    def says(self, agent: str, *, launcher: str, attempt: int) -> Process | None:
        return None

    def cancel(self, agents: Iterable[str], *, grace_s: float) -> None:
        self.cancelled += [(agent, grace_s) for agent in agents if agent in self.living()]

    def sweep(self, marks: AbstractSet[str]) -> Swept:
        self.swept.append(frozenset(marks))
        return Swept(ended=0)

    def close(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)

    # -- what a test does in place of the kernel

    def begin(self, agent: str) -> int:
        """Let the submitted `agent` run; its pid."""
        self._next_pid += 1
        self._set(agent, Observed(pid=self._next_pid, alive=True))
        return self._next_pid

    def end(self, agent: str, *, exit_code: int | None = None, signal: int | None = None) -> None:
        """Let the process of `agent` end."""
        pid = self._observed[agent].pid
        self._set(agent, Observed(pid=pid, alive=False, exit_code=exit_code, signal=signal))

    def refuse(self, agent: str, error: str) -> None:
        """Let the start of `agent` fail."""
        self._set(agent, Observed(pid=0, alive=False, error=error))

    def lose_sight(self, *, is_blind: bool = True) -> None:
        """Make `poll` unable to know, until told otherwise."""
        self._is_blind = is_blind

    def _set(self, agent: str, observed: Observed) -> None:
        self._observed[agent] = observed
        os.write(self._write_end, b".")
