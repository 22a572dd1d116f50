"""Slow or hung? Two counters tell: one moved by an agent's loop, one by its work.

Judged by the observer's own monotonic clock: what counts is for how long the observer has seen no change,
so no two clocks are compared and a suspended machine is forgiven (the observer slept as well).
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

PATIENCE_S = 60.0  # without progress, where an agent announced nothing


class Liveness(StrEnum):
    """The counters of an agent say this. A missing beat is unknown, never dead."""

    UNKNOWN = "unknown"
    LIVELY = "lively"
    SLOW = "slow"  # beats, but its work has not moved for longer than it said
    HUNG = "hung"  # no beat


class Watch(Struct, frozen=True, kw_only=True):
    """A watch is what an observer remembers of one agent's counters. Times are its own monotonic seconds."""

    beat: int
    beat_since_s: float
    progress: int
    progress_since_s: float
    looked_s: float


def look(
    before: Watch | None, counters: tuple[int, int] | None, *, now_s: float, tick_s: float
) -> Watch | None:
    """Update a watch with `counters` (beat, progress) read now; None when there are none.

    If the observer itself did not look for much longer than its tick, the gap is not held against the agent.
    """
    if counters is None:
        return None
    beat, progress = counters
    if before is None:
        return Watch(beat=beat, beat_since_s=now_s, progress=progress, progress_since_s=now_s, looked_s=now_s)
    gap_s = now_s - before.looked_s
    pardon_s = gap_s if gap_s > 5 * tick_s else 0.0
    return Watch(
        beat=beat,
        beat_since_s=now_s if beat != before.beat else before.beat_since_s + pardon_s,
        progress=progress,
        progress_since_s=now_s if progress != before.progress else before.progress_since_s + pardon_s,
        looked_s=now_s,
    )


def liveness(watch: Watch | None, *, hang_s: float, expect_s: float) -> Liveness:
    """Judge a watch: `hang_s` without a beat is hung; no progress for longer than announced is slow.

    `expect_s` is what the agent announced; 0: nothing, then `PATIENCE_S` counts.
    """
    if watch is None:
        return Liveness.UNKNOWN
    if watch.looked_s - watch.beat_since_s > hang_s:
        return Liveness.HUNG
    if watch.looked_s - watch.progress_since_s > (expect_s or PATIENCE_S):
        return Liveness.SLOW
    return Liveness.LIVELY
