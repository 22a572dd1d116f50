"""Holds starts back after the disk refused something for want of room, though it may say that it has some.

Quotas and exhausted inodes do not show in the free space. Without a pause the supervisor would journal the
same intent again at each look, and start agents that die for the same want.
"""

from __future__ import annotations

FIRST_S, LONGEST_S = 2.0, 15.0


class DiskHold:
    """A hold is a pause that doubles each time it is needed again. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self._until_s = 0.0
        self._next_s = FIRST_S

    def begin(self, now_s: float) -> None:
        """Something was refused just now. What is refused during a pause does not lengthen it."""
        if self.is_on(now_s):
            return
        self._until_s, self._next_s = now_s + self._next_s, min(2 * self._next_s, LONGEST_S)

    def is_on(self, now_s: float) -> bool:
        """Nothing is to be started yet."""
        return now_s < self._until_s

    def end(self) -> None:
        """There is room again, or what was asked for was done: go on, and the next pause is short."""
        self._until_s, self._next_s = 0.0, FIRST_S
