"""Wakes the thread that works: by a pipe that it waits on, and by a signal that unwinds a user's code.

The pulse thread and signal handlers ring; whoever works waits on `fileno()` beside its own descriptors. Code
of a user that runs inside our process cannot wait on a pipe, so it is interrupted: only while it is marked as
interruptible, so never in the middle of a record.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from maos_sup.agents.endings import SOFT, Ended, Interrupt
from maos_sup.system.pipes import quiet_pipe

_NUDGE = getattr(signal, "SIGRTMIN", signal.SIGUSR2) + (5 if hasattr(signal, "SIGRTMIN") else 0)
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LONGEST_WAIT_S = 3600.0


class Bell:
    """Belongs to the main thread of an agent's process, which makes it. `ending` is why work is to end."""

    def __init__(self) -> None:
        self._heard, self._rung = quiet_pipe()
        self._main = threading.main_thread().ident or 0
        self._interruptible = False
        self._lock = threading.RLock()  # a signal handler may come in between
        self._sleeper = list[int](), _poll_of(self._heard)
        self.ending: Interrupt | None = None
        self.ended_s = 0.0  # when `ending` was set last, monotonic
        self.is_acted_on = False  # too late to take a soft ending back
        self.was_unwound = False  # a user's code was told to end by an exception
        self.signalled = False  # the process itself was told to stop
        self.on_end: Callable[[], None] = lambda: None  # called when `ending` was set; never waits

    def listen(self) -> None:
        """Take the signals. For the main thread."""
        for number in _STOPS:
            signal.signal(number, self._on_stop)
        signal.signal(_NUDGE, self._on_nudge)

    def ring(self) -> None:
        """Wake the waiting thread. Never waits, never raises."""
        with suppress(BlockingIOError, OSError):
            os.write(self._rung, b".")

    def end(self, ending: Interrupt) -> None:
        """Have the work end because of `ending`, unless a stronger reason is there. From any thread."""
        with self._lock:
            if self.ending is not None and self.ending >= ending:
                return
            self.ending, self.ended_s = ending, time.monotonic()
        self.ring()
        self.on_end()
        if ending not in SOFT:
            signal.pthread_kill(self._main, _NUDGE)

    def withdraw(self) -> None:
        """Take a soft ending back if nobody acted on it yet: it is not wanted any more."""
        with self._lock:
            if self.ending in SOFT and not self.is_acted_on:
                self.ending = None

    def clear(self) -> None:
        """Begin with new work; a stop of the process and trouble stay."""
        with self._lock:
            if self.ending is not Interrupt.TROUBLE:
                self.ending = Interrupt.STOP if self.signalled else None
            self.is_acted_on = self.was_unwound = False

    def act(self) -> Interrupt | None:
        """Take the ending to act on now, if any; from now on it is not taken back."""
        with self._lock:
            self.is_acted_on = self.ending is not None
            return self.ending

    def wait(self, descriptors: Sequence[int], timeout_s: float | None) -> list[int]:
        """Wait for one of `descriptors`, the bell or the end of the time; those that are readable."""
        timeout_s = _LONGEST_WAIT_S if timeout_s is None else min(timeout_s, _LONGEST_WAIT_S)
        ready = self._wait(_poll_of(self._heard, *descriptors), timeout_s)
        return [descriptor for descriptor in ready if descriptor != self._heard]

    def sleep(self, descriptors: Sequence[int], timeout_s: float) -> bool:
        """Do as `wait` does, for one thread that waits for the same again and again; say if it ended
        early."""
        known, poll = self._sleeper
        if known != descriptors:
            poll = _poll_of(self._heard, *descriptors)
            self._sleeper = [*descriptors], poll
        return bool(self._wait(poll, timeout_s))

    def _wait(self, poll: select.poll, timeout_s: float) -> list[int]:
        ready = [found for found, _ in poll.poll(max(0.0, timeout_s) * 1000)]
        if self._heard in ready:
            with suppress(BlockingIOError):
                while len(os.read(self._heard, 4096)) == 4096:
                    pass
        return ready

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Run code of a user that a hard ending may unwind with `Ended`."""
        if self.ending is not None and self.ending not in SOFT:
            raise Ended(self.ending)
        before, self._interruptible = self._interruptible, True
        try:
            yield
        finally:
            self._interruptible = before

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Run our own code that must not be unwound in the middle."""
        before, self._interruptible = self._interruptible, False
        try:
            yield
        finally:
            self._interruptible = before
        if before and self.ending is not None and self.ending not in SOFT:
            raise Ended(self.ending)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self.signalled = True
        self.end(Interrupt.STOP)

    def _on_nudge(self, number: int, frame: FrameType | None) -> None:
        ending = self.ending
        if self._interruptible and ending is not None and ending not in SOFT:
            self._interruptible, self.was_unwound = False, True
            raise Ended(ending)


def _poll_of(*descriptors: int) -> select.poll:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return poll
