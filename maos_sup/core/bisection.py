"""Says which of many moments to look at next, to find the first bad one with few looks. Pure.

The moments have numbers from 0, which is good, to the last, which is bad. A look says good, bad, or that it
cannot tell; then the nearest other one in the middle is next, as git does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class BisectionVerdict(StrEnum):
    """The verdict is what a look at a moment said."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


def bounds(last: int, verdicts: Mapping[int, BisectionVerdict]) -> tuple[int, int]:
    """Find the first bad moment that is known, and the last good one before it: (good, bad)."""
    bad = min(
        (number for number, verdict in verdicts.items() if verdict is BisectionVerdict.BAD), default=last
    )
    good = max(
        (number for number, verdict in verdicts.items() if verdict is BisectionVerdict.GOOD and number < bad),
        default=0,
    )
    return good, bad


def next_look(last: int, verdicts: Mapping[int, BisectionVerdict]) -> int | None:
    """Choose the moment to look at next; None when nothing is left between the last good and the first bad
    one."""
    good, bad = bounds(last, verdicts)
    middle = (good + bad) // 2
    left = [number for number in range(good + 1, bad) if number not in verdicts]
    return min(left, key=lambda number: (abs(number - middle), number), default=None)
