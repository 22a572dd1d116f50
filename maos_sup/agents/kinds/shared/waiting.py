"""Waits in the open: the agent shows as paused, says why and until when, and its clock stands still.

While it waits it still hears when it is wanted otherwise: then the wait ends with `kind.Ended`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from maos_sup.agents.endings import Ended
from maos_sup.agents.kinds.shared.holds import hold_on
from maos_sup.agents.work import Work
from state_layout.ledger import Refusal

LOOK_S = 0.5  # how often a wait looks whether it is over
_SHOWN_FROM_S = 1.0  # shorter waits are nobody's business


class ProviderWaits:
    """Waits of one piece of work."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def for_provider(self, provider: str) -> None:
        """Wait while any agent was told to leave `provider` alone. Raises kind.Ended."""
        while (hold := hold_on(self._work.life.tree, provider)) is not None:
            self.until(hold.until_s, hold.reason)

    def for_budget(self, reserve: Callable[[], Refusal | None]) -> None:
        """Wait while `reserve` refuses. Raises kind.Ended, and what `reserve` raises."""
        refusal = reserve()
        if refusal is None:
            return
        self._work.life.warn(str(refusal))
        with self.shown(str(refusal)):
            while refusal is not None:
                self.look_up()
                refusal = reserve()

    def until(self, until_s: float, reason: str) -> None:
        """Wait until `until_s`, monotonic. Raises kind.Ended."""
        left_s = until_s - time.monotonic()
        if left_s < _SHOWN_FROM_S:
            while (left_s := until_s - time.monotonic()) > 0:
                self.look_up(left_s)
            return
        with self.shown(until_text(reason, left_s)):
            while (left_s := until_s - time.monotonic()) > 0:
                self.look_up(min(LOOK_S, left_s))

    def look_up(self, wait_s: float = LOOK_S) -> None:
        """Wait a moment. Raises kind.Ended if the work is to end or pause."""
        work = self._work
        work.life.beats.progress(wait_s + 60.0)
        work.wait([], wait_s)
        ending = work.act()
        if ending is not None:
            raise Ended(ending)

    @contextmanager
    def shown(self, reason: str, *, phase: str = "paused") -> Iterator[None]:
        """Show as paused and stop the clock."""
        work, publisher = self._work, self._work.life.publisher
        charged_s = work.hold_clock()
        publisher.reason = reason
        work.show(phase)
        try:
            yield
        finally:
            publisher.reason = None
            work.show("running")
            work.release_clock(charged_s)


def until_text(reason: str, left_s: float) -> str:
    """Word `reason`, and when it goes on."""
    goes_on = datetime.now(UTC) + timedelta(seconds=left_s)
    return f"{reason}; goes on at {goes_on.isoformat(timespec='seconds').replace('+00:00', 'Z')}"
