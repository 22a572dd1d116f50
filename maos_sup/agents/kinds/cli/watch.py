"""Watches one process of a command line until it ends, or has to: for want of money, time or its task.

One that has said its result and stays is ended: what it was paid for is there, and its task does not wait.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maos_sup.agents.endings import SOFT, Ended
from maos_sup.agents.kinds.cli.complaints import Complaints
from maos_sup.agents.kinds.cli.failures import Failure
from maos_sup.agents.kinds.cli.output import Fate, ProgramOutput
from maos_sup.agents.kinds.cli.profile import Profile
from maos_sup.agents.kinds.shared.record import ProgramRecord
from maos_sup.agents.kinds.shared.running import POLL_S, Running
from maos_sup.agents.kinds.shared.spending import Spending
from maos_sup.agents.sandbox.confine import Sandbox
from maos_sup.agents.work import Work

_LONGEST_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchScene:
    """A watch works with these parts."""

    work: Work
    profile: Profile
    record: ProgramRecord
    spending: Spending


class ProgramWatch:
    """A watch has one process and its `output`. `is_cut_short`: it was ended by us, to go on when it may."""

    def __init__(self, scene: WatchScene, output: ProgramOutput) -> None:
        self._work, self._profile, self._spending = scene.work, scene.profile, scene.spending
        self._memory = scene.record.memory
        self.output = output
        self._complaints = Complaints(
            scene.record,
            scene.work.life.files.stderr,
            scene.profile.warnings,
            program=Path(scene.profile.start_argv[0]).name,
        )
        self.is_cut_short = False
        self._is_ended_by_us = False
        self._error: str | None = None
        self._running: Running | None = None

    def run(
        self, argv: Sequence[str], *, environment: dict[str, str], sandbox: Sandbox, first: bytes
    ) -> None:
        """Run it to its end. Raises BadInput where it cannot be started, kind.Ended, StorageError."""
        running = self._running = Running(
            self._work, argv, environment=environment, sandbox=sandbox, first=first
        )
        try:
            self._watch(running)
        finally:
            running.close()
            self.output.look(is_final=True)
            self.output.finish(self.fate)
            self._complaints.look()

    @property
    def fate(self) -> Fate:
        """The process ended like this."""
        code, output, wanted = self._code, self.output, self._profile.success
        is_ours = self._is_ended_by_us
        is_done = output.has_result and (is_ours or code == 0 or wanted == "result")
        if output.error is None and (is_done or (wanted == "exit" and code == 0 and not is_ours)):
            return Fate.WELL
        is_killed = is_ours or code is None or code < 0
        return Fate.KILLED if is_killed and not output.is_over else Fate.FAILED

    def failure(self) -> Failure:
        """Say in words how the process failed."""
        output, running = self.output, self._running
        ended = running.ending_text() if running else "did not start"
        if not output.has_result and self._profile.success != "exit":
            ended += " without a result"
        told = output.error or self._error or (running.last_words() if running else "")
        return Failure(
            text=f"{ended}: {told}" if told else ended,
            exit_code=self._code if (self._code or 0) >= 0 else None,
            status=output.status,
            is_refused=output.is_refused,
        )

    @property
    def _code(self) -> int | None:
        return None if self._running is None else self._running.code

    def _watch(self, running: Running) -> None:
        poll_s, moved_s = POLL_S, time.monotonic()
        while running.code is None:
            turns = self._memory.turns
            if self.output.look():
                poll_s, moved_s = POLL_S, time.monotonic()
                self._work.life.beats.progress(self._profile.stall_s)
                self._complaints.look()
            if self._memory.turns > turns and not self.output.is_over:
                self._look_at_money(running)
            self._look_at_wants(running)
            self._look_at_silence(running, moved_s)
            poll_s = min(_LONGEST_POLL_S, poll_s * 1.2)
            running.wait(poll_s)

    def _look_at_silence(self, running: Running, moved_s: float) -> None:
        now_s = time.monotonic()
        if self.output.is_over and now_s > self.output.moved_s + self._profile.linger_s:
            self._end(running)
        elif now_s > moved_s + self._profile.stall_s:
            self._error = f"it was silent for {self._profile.stall_s:g} s (stall_s)"
            self._end(running)

    def _look_at_wants(self, running: Running) -> None:
        ending = self._work.life.bell.ending
        if ending is not None and ending not in SOFT:
            self._work.act()
            self._end(running)
            raise Ended(ending)

    def _look_at_money(self, running: Running) -> None:
        """Look after an answer whether there is money for another, and whether the program may go on."""
        refusal = self._spending.reserve(self._memory)
        ending = self._work.act()
        is_too_long = self._memory.turns >= self._profile.max_turns
        if refusal is not None or ending is not None or is_too_long:
            self.is_cut_short = True
            self._end(running)
        if ending is not None:
            raise Ended(ending)

    def _end(self, running: Running) -> None:
        self._is_ended_by_us = True
        running.end(self._work.limits.stop_grace_s)
