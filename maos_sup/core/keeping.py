"""Says which checkpoints are kept, by a rule: the newest few, and the newest of each hour and day. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from state_layout.records import Keep

_HOUR_DIGITS, _DAY_DIGITS = 13, 10  # of `at`: 2026-11-21T01, 2026-11-21


def to_remove(moments: Sequence[tuple[int, str]], *, kept: Iterable[int], rule: Keep) -> list[int]:
    """List the numbers to remove of `moments` (number, `at`), lowest first; those in `kept` stay in any
    case."""
    newest_first = sorted(moments, reverse=True)
    wanted = {*kept, *(number for number, _ in newest_first[: rule.last])}
    for digits, most in ((_HOUR_DIGITS, rule.hourly), (_DAY_DIGITS, rule.daily)):
        newest: dict[str, int] = {}
        for number, at in newest_first:
            newest.setdefault(at[:digits], number)
        wanted |= {*[*newest.values()][:most]}
    return sorted(number for number, _ in moments if number not in wanted)
