"""One sync for all that was recorded within a few milliseconds, where `[intervals] sync` is `group`.

What is acknowledged before it is durable may be gone after a loss of power, and then all of it is, as if it
had not been done: its messages leave when it is durable. A process that is killed loses nothing by it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from state_layout.errors import LayoutError

LATEST_S = 0.005  # until the sync begins
# What may be late: what says that something was done. That something is about to be done, must not be done
# twice or was paid for, and how a task stands, is durable when it is acknowledged.
MAY_BE_LATE = frozenset({"sent", "step"})
_TOGETHER_S = 0.004  # the rest of the time is for a busy machine


class Latecomers:
    """Calls `sync` once for all calls of `expect`, soon after the first, in a thread that begins with it."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._thread: threading.Thread | None = None
        self._is_expected = False
        self._woken, self._closing = threading.Event(), threading.Event()

    def expect(self) -> None:
        """Have what is recorded by now made durable within `LATEST_S`. One thread at a time calls this."""
        if self._is_expected:
            return
        self._is_expected = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="latecomers", daemon=True)
            self._thread.start()
        self._woken.set()

    def close(self) -> None:
        """End the thread; what is expected then is left to the caller."""
        self._closing.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while not self._closing.is_set():  # asked after each `clear`, which may hide that somebody closes
            self._woken.wait()
            if self._closing.is_set():
                return
            time.sleep(_TOGETHER_S)
            self._woken.clear()
            self._is_expected = False  # what is recorded from now on may miss this sync
            try:
                self._sync()
            except LayoutError:
                return  # the file is given up: whoever records next is told, or the pulse at its next sync
