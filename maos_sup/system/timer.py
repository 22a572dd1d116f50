"""A descriptor that becomes readable after a time: the kernel's timer, or a thread that sleeps."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Protocol

from maos_sup.system.pipes import quiet_pipe
from state_layout.host.kernel import is_linux


class Timer(Protocol):
    """Goes off once; set again, it goes off at the later wish."""

    def fileno(self) -> int:
        """Give the descriptor that is readable when the timer went off."""

    def set(self, after_s: float | None) -> None:
        """Go off `after_s` seconds from now, once; None: not at all."""

    def drain(self) -> None:
        """Take note that it went off."""

    def close(self) -> None:
        """Go off no more."""


def new_timer() -> Timer:
    """Make a timer, as this system can."""
    if is_linux():
        from maos_sup.system.linux import KernelTimer

        return KernelTimer()
    return ThreadTimer()


class ThreadTimer:
    """A thread sleeps until the time has come and writes to a pipe."""

    def __init__(self) -> None:
        self._read_end, self._write_end = quiet_pipe()
        self._sleeper: threading.Timer | None = None
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._read_end

    def set(self, after_s: float | None) -> None:
        """Go off `after_s` seconds from now, once; None: not at all."""
        with self._lock:
            if self._sleeper is not None:
                self._sleeper.cancel()
            self._sleeper = None if after_s is None else threading.Timer(after_s, self._ring)
        if self._sleeper is not None:
            self._sleeper.daemon = True
            self._sleeper.start()

    def drain(self) -> None:
        """Take note that it went off."""
        with suppress(BlockingIOError):
            os.read(self._read_end, 4096)

    def close(self) -> None:
        """Go off no more."""
        self.set(None)
        with self._lock:
            os.close(self._read_end)
            os.close(self._write_end)
            self._write_end = -1

    def _ring(self) -> None:
        with self._lock, suppress(OSError):
            if self._write_end >= 0:
                os.write(self._write_end, b"!")
