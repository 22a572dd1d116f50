"""Puts a process between a program and its output files where `redact` is set: it lets no secret pass.

A pipe must not cost what a file does not: so it is a process of its own, nobody's child and no leftover of
the agent's, that ends when the last writer has closed the pipe. Whoever kills the agent or the program, what
was written is read to its end, redacted and appended. It holds a lock on `stdout.log` as long as it works:
whoever wants to read the files to their end waits for that. Killing it is the one thing that loses lines:
what was in the pipe, and the program finds the pipe broken.
"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from maos_sup.system.linux import become_subreaper
from state_layout.errors import storage_error
from state_layout.files import atomic
from state_layout.host.marks import MARK_VARIABLE
from state_layout.paths import AttemptPaths

_FORK = '"$@" </dev/null >/dev/null 2>&1 & :'
_PROCESS = "maos_sup.agents.redacting_process"
_LOOK_S, _PATIENCE_S = 0.005, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipes:
    """The ends that a program writes to."""

    stdout: int
    stderr: int
    control: int


@contextmanager
def redacted(files: AttemptPaths, environment: Mapping[str, str]) -> Iterator[Pipes]:
    """Start the process for one program; its pipes, closed here at the end of the block. Raises StorageError.

    `environment` is the program's: the values of its secret variables are kept out. Call it while nothing of
    a program is left.
    """
    ends = [os.pipe() for _ in range(3)]
    reading, writing = [end[0] for end in ends], [end[1] for end in ends]
    try:
        _start(files, reading, environment)
        yield Pipes(stdout=writing[0], stderr=writing[1], control=writing[2])
    finally:
        for descriptor in (*reading, *writing):
            os.close(descriptor)


@contextmanager
def redirected(targets: Mapping[int, int]) -> Iterator[None]:
    """Have descriptors of this process, by number, lead to others for a while."""
    before = {number: os.dup(number) for number in targets}
    for number, descriptor in targets.items():
        os.dup2(descriptor, number, inheritable=os.get_inheritable(number))
    try:
        yield
    finally:
        for number, descriptor in before.items():
            os.dup2(descriptor, number, inheritable=os.get_inheritable(number))
            os.close(descriptor)


def await_end(files: AttemptPaths, *, patience_s: float = _PATIENCE_S) -> bool:
    """Wait until all that programs of a life wrote is in its files; false if somebody holds the pipe open."""
    deadline_s = time.monotonic() + patience_s
    try:
        with atomic.opened(files.stdout, os.O_RDONLY) as descriptor:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    if time.monotonic() >= deadline_s:
                        return False
                    time.sleep(_LOOK_S)
    except OSError:
        return True  # no such file: nothing was written


def _start(files: AttemptPaths, reading: list[int], environment: Mapping[str, str]) -> None:
    """By a double fork, and not as a child of the reaper of orphans that an agent is."""
    kept = {key: value for key, value in environment.items() if key != MARK_VARIABLE}
    try:
        with atomic.opened(files.stdout, os.O_RDONLY) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # handed over: it is held without a gap
            argv = [sys.executable, "-P", "-m", _PROCESS, str(files.root), str(lock), *map(str, reading)]
            become_subreaper(is_one=False)
            try:
                subprocess.run(
                    ["/bin/sh", "-c", _FORK, "sh", *argv],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(lock, *reading),
                    env=kept,
                    cwd="/",
                    start_new_session=True,
                    check=True,
                )
            finally:
                become_subreaper(is_one=True)
    except (OSError, subprocess.CalledProcessError) as cause:
        error = cause if isinstance(cause, OSError) else OSError(errno.EAGAIN, "could not be started")
        raise storage_error("redact the output to", files.stdout, error) from cause
