"""Several processes that do the same durable work at once: how much they get done in a second."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

Worker = Callable[[Path, int, int], None]  # folder, number of the worker, how often


def rate_of(worker: Worker, processes: int, folder: Path, *, total: int) -> float:
    """Measure how often a second `processes` workers do it, `total` times in all. Raises RuntimeError."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes + 1)
    each = total // processes

    def work(number: int) -> None:
        barrier.wait()
        worker(folder, number, each)

    workers = [context.Process(target=work, args=(number,)) for number in range(processes)]
    for process in workers:
        process.start()
    barrier.wait()
    began_s = time.perf_counter()
    for process in workers:
        process.join()
    took_s = time.perf_counter() - began_s
    if any(process.exitcode for process in workers):
        raise RuntimeError("a worker failed")
    return each * processes / took_s
