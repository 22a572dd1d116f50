"""Ends a set of processes that is found by looking, until looking finds none.

No process is signalled by its pid: a pidfd is opened, the process is looked at again, and only if nothing
about it changed is the signal sent through the pidfd. All are stopped first, since what is stopped cannot
fork; then all are killed; then it looks again.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from maos_sup.launchers.base import Swept
from maos_sup.launchers.table import Row, read_row

PATIENCE_S = 0.5  # a killed process is gone in a millisecond, unless the kernel holds it
MOST_GLANCES = 100  # at a machine on which strangers come and go as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a look found, parents before their children; the rest as in `table.Listing`."""

    rows: Sequence[Row]
    pids: AbstractSet[int] = frozenset()
    is_torn: bool = False


Look = Callable[[AbstractSet[int]], Sighting]  # called with the pids that need no second look


def end_all(look: Look, *, patience_s: float = PATIENCE_S, glances: int = MOST_GLANCES) -> Swept:
    """End whatever `look` finds, to a fixed point."""
    deadline_s = time.monotonic() + patience_s
    ended, refused = 0, set[int]()
    while True:
        held = _Held()
        try:
            while True:
                found = _find(look, deadline_s, glances=glances)
                is_new = held.stop_new([row for row in found.rows if row.pid not in refused])
                if not is_new or time.monotonic() > deadline_s:
                    break
            if not held:
                return Swept(ended=ended, left=tuple(sorted(refused)), is_sure=not found.is_torn)
            refused |= held.kill()
            left = held.wait(deadline_s)
            ended += len(held) - len(left)
        finally:
            held.close()
        if left or time.monotonic() > deadline_s:
            return Swept(ended=ended, left=tuple(sorted(left | refused)))


def _find(look: Look, deadline_s: float, *, glances: int) -> Sighting:
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


def send(pidfd: int, *signals: signal.Signals) -> bool:
    """Send signals to the process behind `pidfd`; false if it is not ours to signal. Gone is fine."""
    try:
        for number in signals:
            signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


class _Held:
    """Processes whose identity is held by a pidfd."""

    def __init__(self) -> None:
        self._pidfds: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._pidfds)

    def stop_new(self, rows: Sequence[Row]) -> bool:
        """Hold and stop those of `rows` that are not held yet; whether there were any, sure or not."""
        fresh = [row for row in rows if row.pid not in self._pidfds]
        chosen = {row.pid for row in rows}
        for row in fresh:
            if row.parent in chosen and row.parent not in self._pidfds:
                continue  # its parent was not sure, so neither is it: look again
            pidfd = open_row(row)
            if pidfd is not None:
                self._pidfds[row.pid] = pidfd
                send(pidfd, signal.SIGSTOP)
        return bool(fresh)

    def kill(self) -> set[int]:
        """Kill all; the pids that are not ours to kill, which are let go."""
        refused = {pid for pid, pidfd in self._pidfds.items() if not send(pidfd, signal.SIGKILL)}
        for pid in refused:
            os.close(self._pidfds.pop(pid))
        return refused

    def wait(self, deadline_s: float) -> set[int]:
        """Wait for their ends; the pids that have not ended by `deadline_s`."""
        waiting = {pidfd: pid for pid, pidfd in self._pidfds.items()}
        poll = select.poll()
        for pidfd in waiting:
            poll.register(pidfd, select.POLLIN)
        while waiting:
            ready = poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000)
            if not ready:
                break
            for pidfd, _ in ready:
                poll.unregister(pidfd)
                del waiting[pidfd]
        return set(waiting.values())

    def close(self) -> None:
        for pidfd in self._pidfds.values():
            os.close(pidfd)


def open_row(row: Row) -> int | None:
    """A pidfd of the very process that `row` tells of; None if it is gone or anything about it changed."""
    with suppress(OSError):
        pidfd = os.pidfd_open(row.pid)
        if read_row(row.pid) == row:
            return pidfd
        os.close(pidfd)
    return None
