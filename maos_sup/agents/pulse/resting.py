"""Says when an agent at rest gives its memory back: after a minute, and later where that was in vain."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from maos_sup.system.paging import can_merge, offer_pages, page_out, withdraw_pages
from state_layout.records import MERGE

_WORTH_IT = 4  # times as long as was waited before a rest should last after it
_MOST_TIMES = 64  # as long as people said is waited at most


def give_back(way: str) -> None:
    """Give the memory of this process back: offered to be merged if people chose that, else to swap.

    Also to swap where the machine merges nothing now.
    """
    if way == MERGE:
        offer_pages()
        if can_merge():
            return
    page_out()


class MemoryAtRest:
    """The memory is that of one agent, for its second thread, which knows how long nothing has happened.

    `give` gives it back, on one of the ways of `[intervals] at_rest`; `withdraw` takes back what was offered.
    """

    def __init__(
        self,
        agent: str,
        give: Callable[[str], object] = give_back,
        withdraw: Callable[[], object] = withdraw_pages,
    ) -> None:
        self._give, self._withdraw = give, withdraw
        self._is_offered = False  # to be merged, for as long as nobody says otherwise
        self._share = crc32(agent.encode()) / (1 << 32)  # or a hundred would swap in the same moment
        self._times = 1
        self._since_s = self._given_s = 0.0

    def look(self, since_s: float, now_s: float, *, after_s: float, way: str) -> None:
        """Nothing has happened since `since_s` (monotonic): give the memory back if that was `after_s` ago.

        Up to half as much later, by the agent's name, and twice as late for each time that it was woken soon
        after; 0: never. Once in a rest. What is offered to be merged is withdrawn at once where people want
        that no more. Never raises.
        """
        if self._is_offered and (way != MERGE or after_s == 0):
            self._withdraw()
            self._is_offered = False
        if since_s != self._since_s:
            self._learn(since_s, after_s)
        wait_s = after_s * self._times * (1 + self._share / 2)
        if 0 < wait_s <= now_s - since_s and not self._given_s:
            self._give(way)
            self._given_s, self._is_offered = now_s, way == MERGE

    def _learn(self, since_s: float, after_s: float) -> None:
        """Another rest has begun."""
        if self._given_s:
            is_worth_it = since_s - self._given_s >= _WORTH_IT * after_s * self._times
            self._times = max(1, self._times // 2) if is_worth_it else min(2 * self._times, _MOST_TIMES)
        self._since_s, self._given_s = since_s, 0.0
