"""A finding of `doctor`, and how probes are run: all at once, each with a limit, in the order they are named.

A probe that raises or does not end is a finding too: whatever a host is like, the others are told.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

LONGEST_S = 10.0  # of one probe
_LEAST_S = 0.05  # that a probe is waited for, whatever the others took
_MOST_CHARACTERS = 100


class Grade(StrEnum):
    """Says how it stands with something."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFinding:
    """Tells what was found of one thing. `remedy` is what to do, empty where there is nothing to do.

    `is_needed`: no orchestration can run without it.
    """

    name: str
    grade: Grade
    text: str
    remedy: str = ""
    is_needed: bool = False

    def to_json(self) -> dict[str, object]:
        """Give the finding, with keys as in `doctor --json`."""
        return {
            "name": self.name,
            "grade": str(self.grade),
            "text": self.text,
            "remedy": self.remedy,
            "needed": self.is_needed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Looks at something. `look` may raise anything and may hang."""

    name: str
    look: Callable[[], Iterator[ProbeFinding]]


def examine(probes: Sequence[Probe], *, longest_s: float = LONGEST_S) -> list[ProbeFinding]:
    """List what all probes found, in their order, after at most about `longest_s` seconds."""
    found: dict[str, list[ProbeFinding]] = {}

    def look(probe: Probe) -> None:
        try:
            found[probe.name] = [*probe.look()]
        except Exception as cause:  # noqa: BLE001 a host is full of surprises, and each is a finding
            text = f"cannot be looked at: {cause or type(cause).__name__}"
            found[probe.name] = [ProbeFinding(name=probe.name, grade=Grade.WARN, text=text)]

    threads = [threading.Thread(target=look, args=(probe,), daemon=True) for probe in probes]
    for thread in threads:
        thread.start()
    ends_s = time.monotonic() + longest_s
    for thread in threads:
        thread.join(max(_LEAST_S, ends_s - time.monotonic()))
    return [
        finding
        for probe in probes
        for finding in found.get(probe.name)
        or [ProbeFinding(name=probe.name, grade=Grade.WARN, text=f"did not answer within {longest_s:g} s")]
    ]


def first_line_of(argv: Sequence[str], *, longest_s: float = LONGEST_S / 2) -> str:
    """The first line that a program prints, whatever it is. Raises OSError, TimeoutError.

    It and what it started are ended after `longest_s`.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=longest_s)
    except subprocess.TimeoutExpired as cause:
        raise TimeoutError(f"{argv[0]} did not answer within {longest_s:g} s") from cause
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    lines = said.decode("utf-8", "replace").strip().splitlines()
    if process.returncode:
        raise OSError(f"{argv[0]} ended with {process.returncode}: {' '.join(lines[-1:])[:_MOST_CHARACTERS]}")
    return lines[0].strip()[:_MOST_CHARACTERS] if lines else ""
