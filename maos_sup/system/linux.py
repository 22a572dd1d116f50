"""The few Linux calls that Python has no name for: subreaper, titles, timers, the exit kept with a pidfd."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from state_layout.host.kernel import is_linux

_PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 15, 36
_CLOCK_MONOTONIC = 1
_PIDFD_INFO = struct.Struct("=QQ11Ii")  # mask, cgroup, ids, wait status
_PIDFD_GET_INFO = 3 << 30 | _PIDFD_INFO.size << 16 | 0xFF << 8 | 11
_PIDFD_INFO_EXIT = 1 << 3

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """An exit says how a process ended; both are None if nobody can say."""

    code: int | None = None
    signal: int | None = None

    @classmethod
    def of_status(cls, status: int) -> Exit:
        """Read a wait status."""
        if os.WIFSIGNALED(status):
            return cls(signal=os.WTERMSIG(status))
        return cls(code=os.WEXITSTATUS(status))

    @classmethod
    def of_end(cls, end: os.waitid_result) -> Exit:
        """Read what `waitid` tells of a process that ended."""
        if end.si_code == os.CLD_EXITED:
            return cls(code=end.si_status)
        return cls(signal=end.si_status)


def become_subreaper(*, is_one: bool = True) -> bool:
    """Have orphans among the descendants of this process become its children; whether this system can."""
    if not is_linux():
        return False
    try:
        return bool(_libc.prctl(_PR_SET_CHILD_SUBREAPER, int(is_one), 0, 0, 0) == 0)
    except AttributeError:
        return False


def raise_open_limit() -> tuple[int, int]:
    """Let this process open as many files as it may (it needs one for each agent); the limits before."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    return before


def set_open_limit(pid: int, limits: tuple[int, int]) -> None:
    """Give a child the limits it would have had: programs that use `select` rely on a low one."""
    with suppress(OSError, ValueError, AttributeError):  # elsewhere it has as many as we
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def exit_of(pidfd: int) -> Exit | None:
    """Find how the process behind `pidfd` ended; None if it lives, or if that cannot be known (yet).

    Reaps it if it is our child. For the children of others the kernel keeps it from 6.15 on, from the moment
    they are reaped.
    """
    try:
        found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
        if found is None:
            return None
        return Exit.of_end(found)
    except OSError:  # no child of ours, or (Linux 5.3) no such way to ask
        return _kept_exit(pidfd)


def set_title(title: str) -> None:
    """Show `title` in place of the command line that this process was executed with, as far as it fits."""
    if not is_linux():
        return
    text = os.fsencode(title)
    name = text[:15].replace(b" ", b"-")  # Slurm's proctrack/linuxproc does not find who has a space in it
    _libc.prctl(_PR_SET_NAME, name, 0, 0, 0)
    start, room = _title_place()
    if room > 0:
        ctypes.memmove(start, text[:room].ljust(room, b"\0"), room)


class KernelTimer:
    """A timer is a descriptor that is readable after a time (of a clock that stands while the machine
    sleeps)."""

    def __init__(self) -> None:
        self._descriptor = _libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "cannot make a timer")

    def fileno(self) -> int:
        return int(self._descriptor)

    def set(self, after_s: float | None) -> None:
        """Go off `after_s` seconds from now, once; None: not at all."""
        after_ns = 0 if after_s is None else max(1, int(after_s * 1e9))
        spec = (ctypes.c_long * 4)(0, 0, *divmod(after_ns, 10**9))
        _libc.timerfd_settime(self._descriptor, 0, spec, None)

    def drain(self) -> None:
        """Take note that it went off."""
        with suppress(BlockingIOError):
            os.read(self._descriptor, 8)

    def close(self) -> None:
        os.close(self._descriptor)


@cache
def _title_place() -> tuple[int, int]:
    """Find where the command line lies, and how long it is without its last zero. The same in forked
    children."""
    try:
        stat = Path("/proc/self/stat").read_bytes()
        fields = stat[stat.rindex(b")") + 2 :].split()
        return int(fields[45]), int(fields[46]) - int(fields[45]) - 1
    except (OSError, ValueError, IndexError):
        return 0, 0


def _kept_exit(pidfd: int) -> Exit | None:
    buffer = bytearray(_PIDFD_INFO.pack(_PIDFD_INFO_EXIT, *[0] * 13))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer)
    except OSError:
        return None
    mask, *_, status = _PIDFD_INFO.unpack(buffer)
    return Exit.of_status(status) if mask & _PIDFD_INFO_EXIT else None
