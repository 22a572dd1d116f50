"""Measures what cuts of a living team cost senders: eight processes step and sync while it is cut, or not.

Seconds with cuts and seconds without them alternate, so whatever else the machine does meets both alike.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random

from bench.figures import Row, percentile, sized
from bench.large_trees import Talker, made
from maos_sup.cuts.take import take_cut
from maos_sup.cuts.traces import TeamReader
from state_layout.paths import Tree

SENDERS, SECONDS, CUTS = 8, sized(60, 6), sized(300, 30)
MOST_RATIO = 1.2
_PAUSE_S = 0.01  # of each sender between two steps: an agent that only sends is none


def rows(folder: Path) -> Iterable[Row]:
    """The 99th percentile of a sender's step, without cuts and with them."""
    names = [f"a{number}" for number in range(SENDERS)]
    tree = made(folder / "beside", names)
    context = multiprocessing.get_context("fork")
    with context.Pool(SENDERS) as pool:
        begin_s = time.monotonic() + 1
        asked = [(tree, name, names[number - 1], begin_s) for number, name in enumerate(names)]
        running = pool.starmap_async(_send, asked)
        _cut(tree, begin_s)
        steps = [step for each in running.get() for step in each]
    without, beside = (
        percentile([took_ms for at_s, took_ms in steps if _has_cuts(at_s) is wanted], 0.99)
        for wanted in (False, True)
    )
    name = f"a sender's step, p99, of {SENDERS} that each step and sync"
    yield Row(name=f"{name}, no cuts", value=f"{without:.2f} ms")
    yield Row(
        name=f"the same, {CUTS} cuts in half of {SECONDS} s",
        value=f"{beside:.2f} ms, {beside / without:.2f} times",
        target=f"<= {MOST_RATIO} times",
        met=beside <= MOST_RATIO * without,
    )


def _has_cuts(after_s: float) -> bool:
    """The second that `after_s` is in is one with cuts."""
    return int(after_s) % 2 == 1


def _cut(tree: Tree, begin_s: float) -> None:
    """Take `CUTS` cuts at random instants of the seconds that have them."""
    random, reader = Random(5), TeamReader(tree)
    seconds = [second for second in range(SECONDS) if _has_cuts(second)]
    for at_s in sorted(random.choice(seconds) + random.random() for _ in range(CUTS)):
        time.sleep(max(0.0, begin_s + at_s - time.monotonic()))
        cut = take_cut(tree, by="bench", why="beside", reader=reader)
        reader.forget_before(cut.places)


def _send(tree: Tree, agent: str, to: str, begin_s: float) -> list[tuple[float, float]]:
    """Step for `SECONDS`; when each step began, in seconds after the beginning, and its milliseconds."""
    talker = Talker(tree, agent, before=agent, to=to)  # nobody is ahead of who he has read from
    steps = list[tuple[float, float]]()
    time.sleep(max(0.0, begin_s - time.monotonic()))
    while (began_s := time.monotonic()) < begin_s + SECONDS:
        talker.step()
        talker.sync()
        steps.append((began_s - begin_s, 1e3 * (time.monotonic() - began_s)))
        time.sleep(_PAUSE_S)
    talker.end()
    return steps
