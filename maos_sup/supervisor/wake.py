"""What makes the supervisor look sooner: exits, triggers, signals, changes in `spec/` (by watchdog).

All of these are hints; the tick alone would do. watchdog loses events under load and inotify has few
instances per user, so only `spec/` is watched, filtered to the kinds of events that matter, and a system
that refuses to watch costs latency only.
"""

from __future__ import annotations

import os
import selectors
import signal
from pathlib import Path

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

_EVENTS = [FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent]


class Wake:
    """Sleeps until something may have changed."""

    def __init__(self, spec: Path) -> None:
        self._selector = selectors.DefaultSelector()
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._read_end, selectors.EVENT_READ)
        self._observer = _watch(spec, self._write_end)
        self.signalled = False
        self.hinted = True  # something in `spec/` may have changed; whoever looks takes it back

    def listen(self, descriptor: int) -> None:
        """Wake when `descriptor` is readable. Whoever owns it drains it."""
        self._selector.register(descriptor, selectors.EVENT_READ)

    def catch_signals(self) -> None:
        """From now on TERM and INT set `signalled` and wake, instead of ending the process."""
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def sleep(self, longest_s: float) -> bool:
        """Wait for a hint, at most `longest_s`; whether one came. A burst of hints is taken as one."""
        was_woken = bool(self._selector.select(max(0.0, longest_s)))
        self.hinted = self._drain() or self.hinted
        return was_woken

    def close(self) -> None:
        """Stop watching."""
        signal.set_wakeup_fd(-1)
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
        self._selector.close()
        os.close(self._read_end)
        os.close(self._write_end)

    def _drain(self) -> bool:
        """Whether there was a hint."""
        try:
            return bool(os.read(self._read_end, 1 << 16))  # more than the pipe holds
        except BlockingIOError:
            return False

    def _signalled(self, number: int, frame: object) -> None:
        self.signalled = True


class _Hint(FileSystemEventHandler):
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def on_any_event(self, event: FileSystemEvent) -> None:
        try:
            os.write(self._descriptor, b".")
        except (BlockingIOError, OSError):
            return


def _watch(spec: Path, descriptor: int) -> BaseObserver | None:
    """Watch `spec` and its folders; None where the system refuses (too many watches)."""
    observer = Observer()
    try:
        observer.schedule(_Hint(descriptor), str(spec), recursive=True, event_filter=_EVENTS)
        observer.start()
    except OSError:
        return None
    return observer
