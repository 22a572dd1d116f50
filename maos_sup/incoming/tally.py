"""Says what came of everything that was found: taken, changed or left out, how often, and why."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import NamedTuple


class RowFate(StrEnum):
    """Says what came of something; `CHANGED` is taken too, in another form."""

    TAKEN = "taken"
    CHANGED = "changed"
    LEFT_OUT = "left out"


class TallyRow(NamedTuple):
    """A row is one line of the table."""

    what: str
    fate: RowFate
    number: int
    why: str


class Tally:
    """Counts by what, fate and why, in the order in which they came."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, RowFate, str]] = Counter()

    def take(self, what: str, count: int = 1) -> None:
        """`count` of `what` are there as they were."""
        self._counts[what, RowFate.TAKEN, ""] += count

    def change(self, what: str, why: str, count: int = 1) -> None:
        """`count` of `what` are there in another form."""
        self._counts[what, RowFate.CHANGED, why] += count

    def leave_out(self, what: str, why: str, count: int = 1) -> None:
        """`count` of `what` are not there."""
        self._counts[what, RowFate.LEFT_OUT, why] += count

    @property
    def rows(self) -> list[TallyRow]:
        """The table, grouped by what it is about."""
        order = list(dict.fromkeys(what for what, _, _ in self._counts))
        found = [TallyRow(what, fate, count, why) for (what, fate, why), count in self._counts.items()]
        return sorted(
            (row for row in found if row.number),
            key=lambda row: (order.index(row.what), [*RowFate].index(row.fate)),
        )

    def count(self, what: str, *fates: RowFate) -> int:
        """Count those of `what` that had one of `fates`."""
        return sum(row.number for row in self.rows if row.what == what and row.fate in fates)
