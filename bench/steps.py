"""Measures a durable step of a real agent at turn 10, 1,000 and 10,000, beside peers: it must not grow."""

from __future__ import annotations

import statistics

from bench import figures
from bench.figures import Bars, Row, Section, not_run, scratch, sized, spread, words
from bench.orchestras import make, result_of, supervised
from bench.peers.stores import STORES, Store, step_times_us, why_absent

ROUNDS = min(figures.ROUNDS, 3)
AROUND = 10  # steps to either side whose median counts as "at" a turn
TURNS = (10, sized(1000, 100), sized(10_000, 300))
OURS = "maos-sup"
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
_Times = dict[int, list[float]]  # microseconds at each turn, round by round


def measure() -> list[Section]:
    """The table of this file."""
    times: dict[str, _Times] = {name: {turn: [] for turn in TURNS} for name in _names()}
    failed = {store.name: why for store in STORES if (why := why_absent(store))}
    for _ in range(ROUNDS):
        for turn, value_us in zip(TURNS, _one_round(), strict=True):
            times[OURS][turn].append(value_us)
        for store in STORES:
            if store.name not in failed:
                _ask(store, times[store.name], failed)
    rows = [
        row
        for name in _names()
        if name not in failed
        for row in _rows(name, times[name], is_ours=name == OURS)
    ]
    rows += [not_run(name, why) for name, why in failed.items()]
    last = TURNS[-1]
    at_last = {name: statistics.median(of[last]) for name, of in times.items() if name not in failed}
    note = (
        f"`ctx.step` with a result of 1 KB, journaled and synced before it returns; the median of "
        f"{2 * AROUND} steps around the turn, in {ROUNDS} runs. LangGraph: a checkpoint with all turns "
        "in one channel; DBOS: a step of one long workflow; MAOS: a turn added to a session."
    )
    lost = [
        f"a step at turn {turn:,}: {name} takes {statistics.median(of[turn]):,.0f} us"
        for name, of in times.items()
        for turn in TURNS
        if name not in failed and statistics.median(of[turn]) < statistics.median(times[OURS][turn])
    ]
    bars = Bars(title=f"A durable step at turn {last:,}", unit="microseconds", better="less", values=at_last)
    return [Section(title="A durable step", note=note, rows=rows, lost=lost, bars=[bars])]


def _names() -> list[str]:
    return [OURS, *(store.name for store in STORES)]


def _rows(name: str, times: _Times, *, is_ours: bool) -> list[Row]:
    rows = []
    for turn, times_us in times.items():
        growth = statistics.median(now / first for now, first in zip(times_us, times[TURNS[0]], strict=True))
        is_first = turn == TURNS[0]
        is_judged = is_ours and not is_first
        rows.append(
            Row(
                name=f"{name}, at turn {turn:,}",
                value=spread(times_us, "us"),
                ratio="" if is_first else f"{growth:.2f}x turn {TURNS[0]}",
                target=f"<= {MOST_GROWTH}x turn {TURNS[0]}" if is_judged else "",
                met=growth <= MOST_GROWTH if is_judged else None,
            )
        )
    return rows


def _ask(store: Store, times: _Times, failed: dict[str, str]) -> None:
    """One round of a peer, each turn in a store of its own."""
    try:
        for turn in TURNS:
            with scratch() as folder:
                taken_us = step_times_us(store, folder, turn=turn, count=2 * AROUND)
            times[turn].append(statistics.median(taken_us))
    except Exception as cause:  # noqa: BLE001 - whatever stops a peer is its row
        failed[store.name] = words(cause)


def _one_round() -> list[float]:
    """Our microseconds at each of the turns."""
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
