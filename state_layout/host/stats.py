"""Says what the system says of a process: who started it, when, and whether it is over. By /proc, or by
psutil.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from functools import cache
from typing import Any

from msgspec import Struct

from state_layout.host.kernel import is_linux, read_raw

GONE_STATES = frozenset("ZXx")  # a zombie runs no more: its files are closed, its locks are free
_EXECUTING_LOOKS, _EXECUTING_PAUSE_S = 20, 0.0005
_LETTERS = {"zombie": "Z", "dead": "X", "stopped": "T", "tracing-stop": "t"}  # of psutil's words


class ProcessStat(Struct, frozen=True, kw_only=True):
    """A process has these numbers; `start_time` is in ticks since the boot, elsewhere in hundredths of a
    second."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_time: int

    @property
    def is_gone(self) -> bool:
        """The process has ended and only waits to be reaped."""
        return self.state in GONE_STATES


def read_stat(pid: int) -> ProcessStat | None:
    """Ask what the system says of `pid` now; None if there is no such process, or nothing is told."""
    if not is_linux():
        return _read_portable(pid)
    try:
        text = read_raw(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before may hold blanks and parentheses
    return ProcessStat(
        pid=pid,
        state=chr(fields[0][0]),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start_time=int(fields[19]),
    )


def read_environment(pid: int) -> dict[str, str] | None:
    """Read the environment that `pid` was executed with, by psutil; None if it may not be, or is over.

    On Linux it has none for a moment while it executes a program: that moment is waited for.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        told: dict[str, str] = process.environ()
        for _ in range(_EXECUTING_LOOKS if sys.platform == "linux" and not told and process.exe() else 0):
            time.sleep(_EXECUTING_PAUSE_S)
            if told := process.environ():
                break
    except (psutil.Error, OSError):
        return None
    return told


def all_pids() -> frozenset[int]:
    """List the numbers of all processes."""
    if is_linux():
        return frozenset(int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208
    import psutil

    return frozenset(psutil.pids())


@cache
def boot_id() -> str:
    """Give the id of this boot of this machine; its time where the system has no id, empty where not even
    that.

    A boot's time moves where somebody sets the clock by hand: then a tree is taken for one that was copied.
    """
    with suppress(OSError):
        return read_raw("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()
    if sys.platform == "darwin" and (told := _session_of_boot()):
        return told
    import psutil

    with suppress(psutil.Error, OSError):
        return f"boot-{round(psutil.boot_time())}"
    return ""


def _read_portable(pid: int) -> ProcessStat | None:
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            state, parent, start_time = process.status(), process.ppid(), _start_of(psutil, process)
        return ProcessStat(
            pid=pid,
            state=_LETTERS.get(state, "S"),
            parent=parent,
            group=_of(os.getpgid, pid),
            session=_of(os.getsid, pid),
            start_time=start_time,
        )
    except (psutil.Error, OSError):
        return None


def _of(ask: Any, pid: int) -> int:
    """Ask for the group or session of `pid`; 0 if it is over, or a system tells it of our own session
    only."""
    try:
        return int(ask(pid))
    except OSError:
        return 0


def _start_of(psutil: Any, process: Any) -> int:
    """Find when a process was born, by a clock that nobody sets: ticks on Linux, else hundredths of a second.

    psutil tells the time of day, which moves when the clock is set. The figure of the kernel it tells to
    itself only, from 7.1 on; older ones are asked for the time of the boot before and after.
    """
    per_second = os.sysconf("SC_CLK_TCK") if sys.platform == "linux" else 100
    try:
        return round(float(process._proc.create_time(monotonic=True)) * per_second)
    except (TypeError, AttributeError):
        pass
    if sys.platform != "linux":
        return round(process.create_time() * per_second)
    while True:
        boot_s, born_s = psutil.boot_time(), psutil.Process(process.pid).create_time()
        if psutil.boot_time() == boot_s:
            return round(float(born_s - boot_s) * per_second)


def _session_of_boot() -> str:
    """Ask macOS for its name of this boot; empty where it has none."""
    import ctypes

    size = ctypes.c_size_t(64)
    room = ctypes.create_string_buffer(size.value)
    asked = ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", room, ctypes.byref(size), None, 0)
    return room.value.decode("ascii", "replace").lower() if asked == 0 else ""
