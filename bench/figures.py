"""Rounds, medians, tables: what every measurement shares."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report; `target` is text such as `>= 0.8x raw`, None where there is none."""

    name: str
    value: str
    ratio: str = ""
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the report."""

    title: str
    note: str
    rows: list[Row]


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder on the disk of the working directory (not on tmpfs, where a sync costs nothing)."""
    folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=Path.cwd()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def interleaved(
    contestants: Mapping[str, Callable[[Path], float]], rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Run every contestant once a round, each in a fresh folder; the figures by name, round by round."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            with scratch() as folder:
                figures[name].append(run(folder))
    return figures


def ratio(figures: Mapping[str, list[float]], name: str, other: str) -> float:
    """The median over rounds of `name` / `other`."""
    return statistics.median(a / b for a, b in zip(figures[name], figures[other], strict=True))


def spread(values: list[float], unit: str, digits: int = 0) -> str:
    """`median (least to most) unit`."""
    low, mid, high = min(values), statistics.median(values), max(values)
    return f"{mid:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f}) {unit}"


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
