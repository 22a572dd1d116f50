"""What a durable step of a real agent costs at turn 10, 1,000 and 10,000: it must not grow."""

from __future__ import annotations

import statistics

from bench import figures
from bench.figures import Row, Section, scratch, spread
from bench.orchestras import make, result_of, supervised

ROUNDS = min(figures.ROUNDS, 3)
AROUND = 10  # steps to either side whose median counts as "at" a turn
TURNS = (10, 1000, 10_000)
MOST_GROWTH = 1.2
STEPPER = """
import time

def main(ctx):
    times = []
    for number in range(COUNT):
        began = time.perf_counter()
        ctx.step("turn", str, TEXT)
        times.append(time.perf_counter() - began)
    return {"times_s": [times[turn - AROUND:turn + AROUND] for turn in TURNS]}
"""


def measure() -> list[Section]:
    """The table of this file."""
    rounds = [_one_round() for _ in range(ROUNDS)]
    rows = []
    for place, turn in enumerate(TURNS):
        times_us = [times[place] for times in rounds]
        growth = statistics.median(times[place] / times[0] for times in rounds)
        is_first = place == 0
        rows.append(
            Row(
                name=f"a step at turn {turn:,}",
                value=spread(times_us, "us"),
                ratio="" if is_first else f"{growth:.2f}x turn {TURNS[0]}",
                target="" if is_first else f"<= {MOST_GROWTH}x turn {TURNS[0]}",
                met=None if is_first else growth <= MOST_GROWTH,
            )
        )
    note = (
        f"`ctx.step` with a result of 1 KB, journaled and synced before it returns; the median of "
        f"{2 * AROUND} steps around the turn, in {ROUNDS} runs."
    )
    return [Section(title="A durable step of a running agent", note=note, rows=rows)]


def _one_round() -> list[float]:
    """Microseconds at each of the turns."""
    with scratch() as folder:
        module = folder / "stepper.py"
        constants = f"COUNT, AROUND, TURNS, TEXT = {TURNS[-1] + AROUND}, {AROUND}, {TURNS}, 'x' * 1000\n"
        module.write_text(constants + STEPPER)
        agents = {"stepper": {"kind": "python", "callable": "stepper:main"}}
        tree = make(folder / "tree", agents, {"stepper.py": module})
        with supervised(tree) as supervisor:
            supervisor.wait(120)
        windows = result_of(tree, "stepper")["times_s"]
    return [1e6 * statistics.median(window) for window in windows]
