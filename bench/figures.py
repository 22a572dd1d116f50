"""Rounds, medians, tables: what every measurement shares."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

ROUNDS = int(os.environ.get("BENCH_ROUNDS") or "5")
QUICK = bool(os.environ.get("BENCH_QUICK"))  # everything is smaller: shows that it runs, and no more
MARK = "MAOS_SUP_BENCH_PART"  # in the environment of every process of a part
SCRATCH = "BENCH_SCRATCH"  # where a part may put its folders
Contestant = Callable[[Path], float]  # in an empty folder; its figure
Figures = dict[str, list[float]]  # by contestant, round by round


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report; `target` is text such as `>= 0.8x raw`, empty where there is none."""

    name: str
    value: str
    ratio: str = ""
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """One group of the chart: a figure for each contestant."""

    title: str
    unit: str
    better: Literal["more", "less"]
    values: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the report. `lost`: in words, where another is better than we are."""

    title: str
    note: str
    rows: list[Row]
    lost: list[str] = field(default_factory=list)
    bars: list[Bars] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `from_json` takes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Section:
        """Read what another process measured."""
        rows = [Row(**row) for row in value["rows"]]
        bars = [Bars(**group) for group in value["bars"]]
        return cls(title=value["title"], note=value["note"], rows=rows, lost=value["lost"], bars=bars)


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder on the disk of the working directory (not on tmpfs, where a sync costs nothing)."""
    folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=os.environ.get(SCRATCH) or Path.cwd()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sized(full: int, quick: int) -> int:
    """Choose how much of something: `full`, or `quick` in a quick run."""
    return quick if QUICK else full


def interleaved(
    contestants: Mapping[str, Contestant], rounds: int = ROUNDS, *, failed: dict[str, str] | None = None
) -> Figures:
    """Run every contestant once a round, each in a fresh folder; the figures by name, round by round.

    With `failed`, a contestant that cannot be measured is left out, and `failed` says why.
    """
    figures: Figures = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            if failed is not None and name in failed:
                continue
            try:
                with scratch() as folder:
                    figures[name].append(run(folder))
            except Exception as cause:
                if failed is None:
                    raise
                failed[name] = words(cause)
    return {name: values for name, values in figures.items() if name not in (failed or ())}


def words(cause: BaseException) -> str:
    """Say why something failed, in one short line of a table."""
    text = " ".join(f"{type(cause).__name__}: {cause}".split())
    return text.replace("|", "/")[:300]


def not_run(name: str, why: str) -> Row:
    """The row of a contestant that could not be measured."""
    return Row(name=name, value=f"not run: {why}")


def ratio(figures: Figures, name: str, other: str) -> float:
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
