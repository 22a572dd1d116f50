"""Examines many files of a large tree on all processors at once, each share of them in a forked process.

Nobody else's state is touched: a share only reads, and what it found comes back through a pipe. A process
that has other threads does not fork, since a lock that one of them holds would be held for ever in the fork;
a share whose process dies, or is not to be had, is examined by the caller.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from state_layout.check.scene import Scene

LEAST_BYTES = 16 << 20  # of files: below it a fork costs more than it brings
_CHUNK_BYTES = 1 << 20
_Told = TypeVar("_Told")


class Examination(NamedTuple, Generic[_Told]):
    """It is independent of all others. `size_bytes` is about what it reads; what `run` returns is pickled."""

    size_bytes: int
    run: Callable[[], _Told]


def examined(scene: Scene, examinations: Sequence[Examination[_Told]]) -> list[_Told]:
    """Run all, and give what each returned, in their order; what they report is in `scene`."""
    count = min(_processors(), len(examinations))
    is_large = sum(each.size_bytes for each in examinations) >= LEAST_BYTES
    if count < 2 or not is_large or not _is_alone():
        return [each.run() for each in examinations]
    shares = _shares(examinations, count)
    begun = list[tuple[int, int]]()
    found: dict[int, _Told] = {}
    try:
        with suppress(OSError):  # where no more processes are to be had, what is left is examined here
            for share in shares[1:]:
                begun.append(_begun(scene, [examinations[number] for number in share]))
        found |= zip(shares[0], [examinations[number].run() for number in shares[0]], strict=True)
        for share, descriptor in zip_longest(shares[1:], [reading for _, reading in begun]):
            data = b"" if descriptor is None else _read(descriptor)
            if data:
                told, problems = pickle.loads(data)
                scene.problems += problems
            else:
                told = [examinations[number].run() for number in share]
            found |= zip(share, told, strict=True)
    finally:
        for pid, reading in begun:
            os.close(reading)
            os.kill(pid, signal.SIGKILL)  # not waited for yet, so it is still this one
            os.waitpid(pid, 0)
    return [found[number] for number in range(len(examinations))]


def bytes_below(folder: Path) -> int:
    """About how many bytes the files below `folder` have; never raises."""
    return sum(
        os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 - for each file of a large tree
        for where, _, names in os.walk(folder)
        for name in names
        if os.path.lexists(os.path.join(where, name))  # noqa: PTH118
    )


def _processors() -> int:
    if not hasattr(os, "sched_getaffinity"):
        return 1
    return len(os.sched_getaffinity(0))


def _is_alone() -> bool:
    """This process has one thread, also of libraries in other languages; false where nobody can tell."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - names are all we want
    except OSError:
        return False


def _shares(examinations: Sequence[Examination[_Told]], count: int) -> list[list[int]]:
    """Deal the numbers of `examinations` out, the largest first, to whom has least."""
    shares: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    order = sorted(range(len(examinations)), key=lambda number: -examinations[number].size_bytes)
    for number in order:
        least = loads.index(min(loads))
        shares[least].append(number)
        loads[least] += examinations[number].size_bytes + 1
    return [sorted(share) for share in shares]


def _begun(scene: Scene, examinations: Sequence[Examination[_Told]]) -> tuple[int, int]:
    """Fork a process that runs `examinations`: its number, where it tells what it found. Raises OSError."""
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if pid:
        os.close(writing)
        return pid, reading
    try:
        scene.problems = []
        findings = ([each.run() for each in examinations], scene.problems)
        told = pickle.dumps(findings)
        data = memoryview(len(told).to_bytes(8, "big") + told)
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)  # whatever happened: nothing of the caller's goes on here


def _read(descriptor: int) -> bytes:
    """Read to the end; nothing for what was cut off."""
    parts = []
    while part := os.read(descriptor, _CHUNK_BYTES):
        parts.append(part)
    data = b"".join(parts)
    return data[8:] if len(data) == 8 + int.from_bytes(data[:8], "big") else b""
