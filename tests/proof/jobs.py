"""Runs jobs side by side, each in a forked process of its own: what one plants or breaks touches no other."""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

LONGEST_JOB_S = 3600.0  # on a machine that does other things first; what hangs is told then


class JobFailed(RuntimeError):
    """A job did not come to its end."""


@dataclass(slots=True)
class _Running:
    name: str
    pid: int
    deadline_s: float
    parts: list[bytes] = field(default_factory=list)


def in_parallel(
    jobs: Iterable[tuple[str, Callable[[], Any]]], *, width: int, longest_s: float = LONGEST_JOB_S
) -> Iterator[tuple[str, Any]]:
    """Do all jobs, `width` at a time; yield the name and the result of each as it ends, or JobFailed."""
    waiting = deque(jobs)
    running: dict[int, _Running] = {}  # by the pipe's descriptor
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            while waiting and len(running) < width:
                name, job = waiting.popleft()
                descriptor, pid = _begin(job)
                running[descriptor] = _Running(name, pid, time.monotonic() + longest_s)
                selector.register(descriptor, selectors.EVENT_READ)
            for key, _ in selector.select(timeout=1.0):
                part = os.read(key.fd, 1 << 20)
                running[key.fd].parts.append(part)
                if not part:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    yield _ended(running.pop(key.fd))
            for job_running in running.values():
                if time.monotonic() > job_running.deadline_s:
                    with suppress(ProcessLookupError):
                        os.killpg(job_running.pid, signal.SIGKILL)


def _begin(job: Callable[[], Any]) -> tuple[int, int]:
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a test runner may have threads
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be(job, writing)
    os.close(writing)
    return reading, pid


def _be(job: Callable[[], Any], writing: int) -> None:
    try:
        os.setsid()
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 2)  # what agents complain of in a thousand torn trees
        os.dup2(silence, 1)
        try:
            result = job()
        except BaseException:  # noqa: BLE001 - the edge of the child: its parent shows it
            result = JobFailed(traceback.format_exc())
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(result))
    finally:
        os._exit(0)


def _ended(job: _Running) -> tuple[str, Any]:
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)  # what it may have left
    os.waitpid(job.pid, 0)
    told = b"".join(job.parts)
    if not told:
        return job.name, JobFailed("killed: it took too long, or died without a word")
    return job.name, pickle.loads(told)
