"""Ends what a program left running, whatever it did to hide: other sessions, other process groups.

While an agent lives it is the subreaper of all that it started, so every orphan is its child again. What a
dead agent left is known by its mark. No process is signalled by its pid alone: a pidfd is opened, the process
is looked at again, then the signal goes through the pidfd.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress

from state_layout.host.identity import ProcessStat, read_stat
from state_layout.host.marks import read_mark

_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.005
_KILL_PATIENCE_S = 2.0
_libc = ctypes.CDLL(None)
Find = Callable[[], Iterable[ProcessStat]]


def set_subreaper(*, is_one: bool) -> bool:
    """Have orphans among our descendants become our children; whether this system can."""
    try:
        return bool(_libc.prctl(_PR_SET_CHILD_SUBREAPER, int(is_one), 0, 0, 0) == 0)
    except AttributeError:
        return False


def has_children() -> bool:
    """Whether this process has any child, dead or alive."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descendants() -> list[ProcessStat]:
    """All that descends from this process and lives, parents first.

    Without a child there is none, for orphans become our children: a hundred agents that end together do not
    look at all processes of the machine each.
    """
    if not has_children():
        return []
    children: dict[int, list[ProcessStat]] = {}
    for stat in _processes():
        children.setdefault(stat.parent, []).append(stat)
    found = list(children.get(os.getpid(), ()))
    for stat in found:
        found += children.get(stat.pid, ())
    return [stat for stat in found if not stat.is_gone]


def marked(marks: AbstractSet[str]) -> list[ProcessStat]:
    """All living processes but this one that wear one of `marks`."""
    wearers = (stat for stat in _processes() if not stat.is_gone and read_mark(stat.pid) in marks)
    return [stat for stat in wearers if stat.pid != os.getpid()]


def end_all(find: Find, *, grace_s: float) -> int:
    """End what `find` finds, to a fixed point: TERM, `grace_s`, KILL. How many there were."""
    seen: set[int] = set()
    deadline_s = time.monotonic() + grace_s
    while found := [*find()]:
        for stat in found:
            if stat.pid not in seen:
                _send(stat, signal.SIGTERM, signal.SIGCONT)
                seen.add(stat.pid)
        if time.monotonic() >= deadline_s:
            _kill_all(find)
            break
        _pause(found, min(deadline_s, time.monotonic() + 0.1))
    return len(seen)


def reap(*, but: AbstractSet[int] = frozenset()) -> None:
    """Take note of the ends of children that are nobody's business; those of `but` are left to others."""
    with suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid in but:
                return  # it hides others for the moment
            os.waitpid(found.si_pid, os.WNOHANG)


def _kill_all(find: Find) -> None:
    """KILL until nothing is found; what the kernel holds fast is left after a while."""
    deadline_s = time.monotonic() + _KILL_PATIENCE_S
    while (found := [*find()]) and time.monotonic() < deadline_s:
        for stat in found:
            _send(stat, signal.SIGKILL)
        _pause(found, time.monotonic() + 0.1)


def _pause(found: Iterable[ProcessStat], until_s: float) -> None:
    """Wait until one of `found` is gone, a moment at most."""
    waiting = {stat.pid: stat.start_time for stat in found}
    while time.monotonic() < until_s:
        for pid, start_time in waiting.items():
            now = read_stat(pid)
            if now is None or now.is_gone or now.start_time != start_time:
                return
        time.sleep(_POLL_S)


def _send(stat: ProcessStat, *signals: signal.Signals) -> None:
    with suppress(OSError):
        if not hasattr(os, "pidfd_open"):
            for number in signals:
                os.kill(stat.pid, number)
            return
        pidfd = os.pidfd_open(stat.pid)
        try:
            now = read_stat(stat.pid)
            if now is None or now.start_time != stat.start_time:
                return
            for number in signals:
                signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)


def _processes() -> Iterable[ProcessStat]:
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - names are all we want
    except OSError:
        return
    for name in names:
        if name.isdecimal() and (stat := read_stat(int(name))) is not None:
            yield stat
