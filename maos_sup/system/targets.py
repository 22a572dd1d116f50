"""A hold on one process: tells whether it has ended, and signals it but never a later owner of its number.

The hold is a pidfd. Where the system refuses pidfds (kernels before 5.3, seccomp profiles of old container
engines, which answer ENOSYS or EPERM) or no descriptor is left, it is the number together with the start
time, both looked at again before each signal. psutil does the same with the same two figures; reading them
here costs no import.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from time import monotonic

from maos_sup.system.linux import Exit, exit_of
from maos_sup.system.processes import ProcessRow, read_row
from state_layout.host.identity import open_pidfd
from state_layout.host.stats import read_stat

LOOK_S = 0.005  # between two looks at a process that has no pidfd
_REFUSED = (errno.ENOSYS, errno.EPERM)
_RESERVE = 8  # descriptors that are left for reading while many are held


@dataclass(slots=True, kw_only=True, eq=False)
class Target:
    """A target is one process; `pidfd` is -1 where there is none, then `start_time` (ticks since the boot)
    counts."""

    pid: int
    start_time: int = 0
    pidfd: int = -1

    @property
    def has_ended(self) -> bool:
        """The process runs no more, reaped or not."""
        if self.pidfd >= 0:
            return is_readable(self.pidfd)
        stat = read_stat(self.pid)
        if stat is None:  # or no descriptor was left to look
            return not _exists(self.pid)
        return stat.is_gone or stat.start_time != self.start_time

    def send(self, *signals: signal.Signals) -> bool:
        """Send signals; false if the process is not ours to signal. Gone is fine."""
        try:
            for number in signals:
                self._send(number)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return True

    def _send(self, number: signal.Signals) -> None:
        if self.pidfd >= 0 and can_signal_by_pidfd():
            signal.pidfd_send_signal(self.pidfd, number)
        elif not self.has_ended:
            os.kill(self.pid, number)

    def exit(self) -> Exit | None:
        """Find how the process ended; None if it runs or if that cannot be known (yet). Reaps it if it is
        our child."""
        if self.pidfd >= 0:
            return exit_of(self.pidfd)
        if not self.has_ended:
            return None
        with suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return Exit.of_status(status) if pid else None
        return None

    def spare_descriptor(self, reserve: int) -> None:
        """Let go of the descriptor if fewer than `reserve` are left: the number and start time have to do."""
        if self.pidfd >= 0 and not _can_spare(self.pidfd, reserve):
            self.start_time = self.start_time or _start_of(self)
            self.close()

    def close(self) -> None:
        """Let go of the descriptor. The target can still be asked and signalled if it has a start time."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def hold_child(pid: int) -> Target:
    """Hold a child of this process that nobody has reaped: its number is its own until then."""
    with suppress(OSError):
        pidfd = open_pidfd(pid)
        if pidfd >= 0:
            return Target(pid=pid, pidfd=pidfd)
    stat = read_stat(pid)
    return Target(pid=pid, start_time=0 if stat is None else stat.start_time)


def hold_received(pid: int, pidfd: int, *, parent: int) -> Target:
    """Hold what `parent` says that it started; `pidfd` came along, or is -1.

    Without it the start time is believed only of a child of that parent: it has not been reaped.
    """
    if pidfd >= 0:
        return Target(pid=pid, pidfd=pidfd)
    stat = read_stat(pid)
    is_its_own = stat is not None and stat.parent == parent
    return Target(pid=pid, start_time=stat.start_time if stat is not None and is_its_own else 0)


def _start_of(target: Target) -> int:
    """Read the start time of a process that is held by a pidfd; 0 if it has ended."""
    stat = read_stat(target.pid)
    return 0 if stat is None or target.has_ended else stat.start_time


def hold_row(row: ProcessRow) -> Target | None:
    """Hold the very process that `row` tells of; None if it is gone or anything about it changed."""
    try:
        pidfd = open_pidfd(row.pid)
    except ProcessLookupError:
        return None
    except OSError:  # no descriptor left
        pidfd = -1
    target = Target(pid=row.pid, start_time=row.start_time, pidfd=pidfd)
    if read_row(row.pid) == row:
        target.spare_descriptor(_RESERVE)
        return target
    target.close()
    return None


def await_ends(targets: Iterable[Target], until_s: float) -> list[Target]:
    """Wait until all have ended, at most until the monotonic time `until_s`; those that have not."""
    waiting = list(targets)
    poll = select.poll()
    for target in waiting:
        if target.pidfd >= 0:
            poll.register(target.pidfd, select.POLLIN)
    while waiting:
        left_s = max(0.0, until_s - monotonic())
        is_blind = any(target.pidfd < 0 for target in waiting)
        poll.poll(1000 * (min(left_s, LOOK_S) if is_blind else left_s))
        ended = [target for target in waiting if target.has_ended]
        for target in ended:
            if target.pidfd >= 0:
                poll.unregister(target.pidfd)
        waiting = [target for target in waiting if target not in ended]
        if not ended and left_s <= 0:
            break
    return waiting


def await_end(target: Target, until_s: float) -> bool:
    """Wait until `target` has ended, at most until `until_s`; whether it has."""
    return not await_ends([target], until_s)


def is_readable(descriptor: int, *, patience_s: float = 0.0) -> bool:
    """The `descriptor` is readable, now or soon. A pidfd is when its process ended, reaped or not."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(patience_s * 1000))


def _exists(pid: int) -> bool:
    """Some process has this number, as far as can be told without a descriptor."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _can_spare(descriptor: int, reserve: int) -> bool:
    """At least `reserve` are left beside `descriptor`: the system gives the lowest that is free."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return most == resource.RLIM_INFINITY or descriptor < most - reserve


@cache
def can_signal_by_pidfd() -> bool:
    """This system lets us signal through a pidfd; a profile may allow to open one and no more."""
    try:
        pidfd = open_pidfd(os.getpid())
    except OSError:
        return True  # no descriptor left: asked again by whoever has one
    if pidfd < 0:
        return False
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except OSError as cause:
        return cause.errno not in _REFUSED
    finally:
        os.close(pidfd)
    return True
