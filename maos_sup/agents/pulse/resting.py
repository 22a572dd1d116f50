"""Says when an agent at rest gives its memory back: after a minute, and later where that was in vain."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from maos_sup.system.paging import page_out

_WORTH_IT = 4  # times as long as was waited before a rest should last after it
_MOST_TIMES = 64  # as long as people said is waited at most


class MemoryAtRest:
    """The memory is that of one agent, for its second thread, which knows how long nothing has happened.

    `give` gives it back.
    """

    def __init__(self, agent: str, give: Callable[[], object] = page_out) -> None:
        self._give = give
        self._share = crc32(agent.encode()) / (1 << 32)  # or a hundred would swap in the same moment
        self._times = 1
        self._since_s = self._given_s = 0.0

    def look(self, since_s: float, now_s: float, *, after_s: float) -> None:
        """Nothing has happened since `since_s` (monotonic): give the memory back if that was `after_s` ago.

        Up to half as much later, by the agent's name, and twice as late for each time that it was woken soon
        after; 0: never. Once in a rest. Never raises.
        """
        if since_s != self._since_s:
            self._learn(since_s, after_s)
        wait_s = after_s * self._times * (1 + self._share / 2)
        if 0 < wait_s <= now_s - since_s and not self._given_s:
            self._give()
            self._given_s = now_s

    def _learn(self, since_s: float, after_s: float) -> None:
        """Another rest has begun."""
        if self._given_s:
            is_worth_it = since_s - self._given_s >= _WORTH_IT * after_s * self._times
            self._times = max(1, self._times // 2) if is_worth_it else min(2 * self._times, _MOST_TIMES)
        self._since_s, self._given_s = since_s, 0.0
