"""Kind `command`: any program. It writes to its files itself, so nothing of its output hangs on this process.

Only exit code 0 is done. Whatever it leaves running is ended with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from maos_sup.agents.endings import Interrupt, WorkOutcome
from maos_sup.agents.kinds.shared.needs import program_lack
from maos_sup.agents.kinds.shared.programs import REDACT, Program, never_starts, start_error
from maos_sup.agents.registry import Lack
from maos_sup.agents.tasks.uncertain import LostStepVerdict, judge_uncertain
from maos_sup.agents.work import Work
from maos_sup.system.children import end_descendants
from maos_sup.system.targets import hold_child
from state_layout.shapes.shape import Argv, Field, OneOf, Shape, Text
from state_layout.specs.kinds import BUILT_IN, KindTraits

_POLL_S = 0.05  # where there is no pidfd


class CommandKind:
    """Runs one program per attempt at a task."""

    traits: ClassVar[KindTraits] = BUILT_IN["command"]
    settings: ClassVar[Shape] = Shape(
        fields={
            "command": Field(Argv(), "the program and its arguments; no shell reads it"),
            "shell": Field(Text(least=1), "a line for /bin/sh -c, instead of 'command'"),
            "redact": REDACT,
            "on_pause": Field(
                OneOf(("stop", "freeze")), "end the program, or hold it in memory", default="stop"
            ),
        },
        exactly_one=(("command", "shell"),),
    )

    starts_pulse: ClassVar[bool] = True

    @staticmethod
    def lacks(settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Lack]:
        """Yield the program that PATH does not have; scripts are found when a plan is read."""
        argv = settings.get("command")
        if argv:
            yield from program_lack(argv[0], environment, key="command")

    def run(self, work: Work) -> WorkOutcome:
        """Run the program to its end, or end it. Raises BadInput, StorageError."""
        if work.doubt is not None:
            verdict = judge_uncertain(work, work.doubt)
            if verdict is LostStepVerdict.WAIT:
                return WorkOutcome(ended=Interrupt.ASK)
            if verdict is LostStepVerdict.NOT_AGAIN:
                return WorkOutcome(error=f"{work.doubt} 'maos-sup retry' does it again.", is_final=True)
        if (ending := work.act()) is not None:
            return WorkOutcome(ended=ending)
        work.lay_out()
        program = Program.of(work)
        try:
            process = program.start(work)
        except (OSError, ValueError) as cause:
            return WorkOutcome(error=start_error(program, cause), is_final=never_starts(cause))
        work.pulse.children = {process.pid}
        work.tell_program(process.pid)
        work.pulse.may_reap = True
        work.pulse.start()
        try:
            return _Watch(work, process).until_its_end()
        finally:
            work.tell_program(None)


class _Watch:
    """Waits for a program, holds it, ends it."""

    def __init__(self, work: Work, process: subprocess.Popen[bytes]) -> None:
        self._work, self._process = work, process
        self._target = hold_child(process.pid)
        self._is_frozen = False
        self._charged_s = 0.0

    def until_its_end(self) -> WorkOutcome:
        try:
            while self._process.poll() is None:
                ending = self._work.life.bell.ending
                if ending is Interrupt.PAUSE and self._work.spec.settings.get("on_pause") == "freeze":
                    self._freeze()
                elif self._is_frozen and ending is None:
                    self._thaw()
                elif ending is not None and self._work.act() is not None:
                    return self._end()
                self._wait(None)
            return self._outcome(None)
        finally:
            self._target.close()

    def _wait(self, timeout_s: float | None) -> None:
        if self._target.pidfd >= 0:
            self._work.wait([self._target.pidfd], timeout_s)
        else:
            self._work.wait([], _POLL_S)

    def _end(self) -> WorkOutcome:
        """Send TERM to the program's group, wait for the grace, send KILL to all that descends from it."""
        ending = self._work.act()
        deadline_s = time.monotonic() + self._work.limits.stop_grace_s
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        while self._process.poll() is None and time.monotonic() < deadline_s:
            self._wait(deadline_s - time.monotonic())
        end_descendants(grace_s=max(0.0, deadline_s - time.monotonic()))
        self._process.wait()
        return self._outcome(self._work.act() or ending)

    def _freeze(self) -> None:
        if not self._is_frozen:
            self._is_frozen = True
            self._signal(signal.SIGSTOP)
            self._charged_s = self._work.hold_clock()
            self._work.show("paused")

    def _thaw(self) -> None:
        self._is_frozen = False
        self._signal(signal.SIGCONT)
        self._work.release_clock(self._charged_s)
        self._work.show("running")

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _outcome(self, ending: Interrupt | None) -> WorkOutcome:
        code = self._process.returncode
        if ending is not None:
            told_code, told_signal = (code, None) if code >= 0 else (None, -code)
            return WorkOutcome(ended=ending, exit_code=told_code, signal=told_signal)
        if code == 0:
            return WorkOutcome(exit_code=0)
        if code < 0:
            return WorkOutcome(
                error=f"the program was killed by signal {-code} ({_signal_name(-code)})", signal=-code
            )
        return WorkOutcome(error=f"the program ended with exit code {code}{_hint(code)}", exit_code=code)


def _hint(code: int) -> str:
    """Say what the codes of a shell mean."""
    return {126: " (not executable)", 127: " (command not found)"}.get(code, "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
