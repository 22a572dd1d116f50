"""Which checkpoints a rule keeps."""

from __future__ import annotations

from maos_sup.core.keeping import to_remove
from state_layout.records import Keep

NONE = Keep(last=0, hourly=0, daily=0)


def moments(*at: str) -> list[tuple[int, str]]:
    return [*enumerate(at, start=1)]


def test_newest_few_are_kept() -> None:
    found = moments("2026-11-21T01:00", "2026-11-21T01:01", "2026-11-21T01:02")
    assert to_remove(found, kept=[], rule=Keep(last=2, hourly=0, daily=0)) == [1]


def test_newest_of_each_hour_and_day_is_kept() -> None:
    found = moments("2026-11-20T01:00", "2026-11-20T01:30", "2026-11-20T02:00", "2026-11-21T05:00")
    assert to_remove(found, kept=[], rule=Keep(last=0, hourly=3, daily=0)) == [1]
    assert to_remove(found, kept=[], rule=Keep(last=0, hourly=0, daily=2)) == [1, 2]


def test_named_ones_are_kept_by_a_rule_that_keeps_nothing() -> None:
    assert to_remove(moments("2026-11-20T01:00", "2026-11-21T01:00"), kept=[1], rule=NONE) == [2]
