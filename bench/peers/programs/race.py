"""Runs an act many times, in several processes at once; prints how many a second, all together."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

TEXT = "x" * 1000
Act = Callable[[], object]
Prepare = Callable[[Path, int], Act]  # folder, number of the process


def race(prepare: Prepare, folder: Path, processes: int, count: int) -> None:
    """Each process prepares, waits for the others, acts `count` times; prints acts per second as JSON."""
    context = multiprocessing.get_context("fork")
    preparing = context.Lock()  # a schema is made by one
    barrier = context.Barrier(processes + 1)
    ended = context.Barrier(processes + 1)

    def work(number: int) -> None:
        with preparing:
            act = prepare(folder, number)
        barrier.wait(60)
        for _ in range(count):
            act()
        ended.wait(600)

    workers = [context.Process(target=work, args=(number,)) for number in range(processes)]
    for worker in workers:
        worker.start()
    barrier.wait(60)
    began_s = time.perf_counter()
    ended.wait(600)
    took_s = time.perf_counter() - began_s
    print(json.dumps(count * processes / took_s), flush=True)
    for worker in workers:
        worker.join(10)
        worker.kill()


def times(act: Act, count: int) -> None:
    """Print the microseconds of each of `count` acts as JSON."""
    taken = []
    for _ in range(count):
        began_s = time.perf_counter()
        act()
        taken.append(1e6 * (time.perf_counter() - began_s))
    print(json.dumps(taken), flush=True)
