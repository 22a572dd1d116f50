"""The lives of an agent on a line of time, and which of their lines count: from pin to pin. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maos_sup.projection.journal_lines import seconds_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSpan:
    """A span is one attempt: when it began and ended (None: it lives, or nobody knows), why, what of it
    counts.

    `void_above`: lines with a higher number do not count; None: all count; 0: none does.
    """

    attempt: int
    begun_s: float | None = None
    ended_s: float | None = None
    reason: str | None = None  # as `exit.json` says it
    by: str | None = None
    detail: str | None = None
    pin: tuple[int, int] | None = None  # attempt, seq
    is_rewind: bool = False
    void_above: int | None = None

    @property
    def is_void(self) -> bool:
        """Nothing of it counts."""
        return self.void_above == 0


def life_of(attempt: int, first: Mapping[str, Any] | None, ended: Mapping[str, Any] | None) -> LifeSpan:
    """A life by its first line and its `exit.json`, each None where it is not there."""
    first, ended = first or {}, ended or {}
    pin = first.get("pin")
    place = None
    if isinstance(pin, dict) and isinstance(pin.get("attempt"), int) and isinstance(pin.get("seq"), int):
        place = (pin["attempt"], pin["seq"])
    synced = ended.get("synced_seq")
    is_poisoned = ended.get("reason") == "poisoned" and isinstance(synced, int)
    return LifeSpan(
        attempt=attempt,
        begun_s=seconds_of(first.get("at")),
        ended_s=seconds_of(ended.get("at")),
        reason=_text(ended.get("reason")),
        by=_text(ended.get("by")),
        detail=_text(ended.get("detail")),
        pin=place,
        is_rewind="rewound" in first,
        void_above=synced if is_poisoned and isinstance(synced, int) else None,
    )


def judged(lives: Sequence[LifeSpan]) -> list[LifeSpan]:
    """Mark in `lives`, oldest first, what the pins of their successors make void."""
    by_number = {life.attempt: life for life in lives}
    counts = dict[int, int | None]()
    life = next((life for life in reversed(lives) if life.begun_s is not None), None)
    above = None if life is None else life.void_above
    while life is not None and life.attempt not in counts:
        counts[life.attempt] = above
        life, above = (by_number.get(life.pin[0]), life.pin[1]) if life.pin else (None, None)
    return [replace(life, void_above=counts.get(life.attempt, 0)) for life in lives]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
