"""The one ender: it ends a set of processes that is found by looking, until looking finds none.

No process is signalled by its number alone: it is held (`targets`), looked at again, and signalled only if
nothing about it changed. All are stopped first, since what is stopped cannot fork; then all are killed; then
it looks again. One empty look is no end: what forks and exits at once is between two looks most of the time.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from maos_sup.system.processes import ProcessRow
from maos_sup.system.targets import Target, await_ends, hold_row

PATIENCE_S = 0.5  # a killed process is gone in a millisecond, unless the kernel holds it
MOST_GLANCES = 100  # at a machine on which strangers come and go as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Ending processes came to this."""

    ended: int  # processes
    left: tuple[int, ...] = ()  # pids that did not go in time (stuck in the kernel): sweep again later
    is_sure: bool = True  # False: some came and went too quickly to be looked at, or time was up: sweep again


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A look found this, parents before their children; the rest as in `processes.Listing`."""

    rows: Sequence[ProcessRow]
    pids: AbstractSet[int] = frozenset()
    is_torn: bool = False


Look = Callable[[AbstractSet[int]], Sighting]  # called with the pids that need no second look


def end_all(look: Look, *, patience_s: float = PATIENCE_S, glances: int = MOST_GLANCES) -> Swept:
    """End whatever `look` finds, to a fixed point.

    Looking goes on for `patience_s`. What was killed has as long to end, however late it was found: where
    processes are many, or by other ways than Linux's, one look may take longer than that.
    """
    deadline_s = time.monotonic() + patience_s
    ended, refused = 0, set[int]()
    while True:
        held = _Held()
        try:
            while True:
                found = find(look, deadline_s, glances=glances)
                is_new = held.stop_new([row for row in found.rows if row.pid not in refused])
                if not is_new or time.monotonic() > deadline_s:
                    break
            if not held:
                return Swept(ended=ended, left=tuple(sorted(refused)), is_sure=not found.is_torn)
            refused |= held.kill()
            left = held.wait(max(deadline_s, time.monotonic() + patience_s))
            ended += len(held) - len(left)
        finally:
            held.close()
        if left or time.monotonic() > deadline_s:
            return Swept(ended=ended, left=tuple(sorted(left | refused)), is_sure=False)


def find(look: Look, deadline_s: float, *, glances: int) -> Sighting:
    """Look until something is found, or nothing with certainty, or patience ends.

    What forks and ends all the time is gone before it can be looked at, and its child was not there yet when
    the processes were listed. So if some were gone, glance at those that came since, which is quick.
    """
    sighting = look(frozenset())
    count = 0
    while sighting.is_torn and not sighting.rows and count < glances and time.monotonic() < deadline_s:
        sighting = look(sighting.pids)
        count += 1
    if count > 1 and not sighting.rows:  # numbers may be in use again: once more
        again = look(frozenset())
        return again if again.rows else sighting
    return sighting


class _Held:
    """The processes are held fast, by number."""

    def __init__(self) -> None:
        self._targets: dict[int, Target] = {}

    def __len__(self) -> int:
        return len(self._targets)

    def stop_new(self, rows: Sequence[ProcessRow]) -> bool:
        """Hold and stop those of `rows` that are not held yet; whether there were any, sure or not."""
        fresh = [row for row in rows if row.pid not in self._targets]
        chosen = {row.pid for row in rows}
        for row in fresh:
            if row.parent in chosen and row.parent not in self._targets:
                continue  # its parent was not sure, so neither is it: look again
            target = hold_row(row)
            if target is not None:
                self._targets[row.pid] = target
                target.send(signal.SIGSTOP)
        return bool(fresh)

    def kill(self) -> set[int]:
        """Kill all; the pids that are not ours to kill, which are let go."""
        refused = {pid for pid, target in self._targets.items() if not target.send(signal.SIGKILL)}
        for pid in refused:
            self._targets.pop(pid).close()
        return refused

    def wait(self, deadline_s: float) -> set[int]:
        """Wait for their ends; the pids that have not ended by `deadline_s`."""
        return {target.pid for target in await_ends(self._targets.values(), deadline_s)}

    def close(self) -> None:
        for target in self._targets.values():
            target.close()
