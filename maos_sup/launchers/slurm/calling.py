"""Says how a command of Slurm is called: with an end to all patience, in a session of its own, never raising.

A command may hang, be a wrapper of the site's that prints what it likes, or not be there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

SLOW_S = 5.0  # without an answer, that is told
PATIENCE_S = 60.0
_LOOK_S = 1.0
_PASSING = re.compile(
    r"unable to contact|timed out|timeout|temporarily|connection|connect failure|zero bytes|communication|"
    r"try again|not responding|in recovery|resource temporarily|violates accounting/qos policy",
    re.IGNORECASE,
)


class Answer(Struct, frozen=True, kw_only=True):
    """An answer is what a command said. `code` None: it could not be called, or did not end in time."""

    code: int | None
    out: str = ""
    error: str = ""
    is_missing: bool = False  # there is no such command here

    @property
    def is_refusal(self) -> bool:
        """Slurm itself said no, and will say it again: everything else may pass."""
        says_no = any(line.startswith("sbatch: ") for line in self.error.splitlines())
        return bool(self.code) and says_no and not _PASSING.search(self.error)


def ask(
    argv: Sequence[str],
    *,
    given: str = "",
    env: Mapping[str, str] | None = None,
    gives_up: Callable[[float], bool] | None = None,
) -> Answer:
    """Call a command of Slurm and wait for it. Never raises.

    `gives_up` is asked about once a second, told for how long nothing was said; PATIENCE_S is the end of all.
    A command that is given up is killed with what it started: what it did until then is not known.
    """
    name, begun_s = argv[0], time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            env=None if env is None else dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as cause:
        return Answer(code=None, error=f"{name} cannot be called here: {cause.strerror}", is_missing=True)
    text: str | None = given
    while True:
        try:
            out, error = process.communicate(text, timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            text, passed_s = None, time.monotonic() - begun_s
            if passed_s < PATIENCE_S and not (gives_up is not None and gives_up(passed_s)):
                continue
            _kill(process)
            return Answer(code=None, error=f"{name} said nothing for {passed_s:.0f} s")
        code, error = process.returncode, error.strip()
        words = f"{name} ended with {code}, without a word" if code != 0 and not error else error
        return Answer(code=code, out=out, error=words)


def _kill(process: subprocess.Popen[str]) -> None:
    """End it and its session. One that hangs in the kernel, on a disk, ends when it can."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LOOK_S)
