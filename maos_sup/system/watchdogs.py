"""Watches folders by watchdog: FSEvents on macOS, kqueue on the BSDs, a look each second where nothing tells.

A thread of watchdog's hears of a change and writes to a pipe, so that who sleeps on descriptors is woken.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from watchdog.events import (
    EVENT_TYPE_CLOSED_NO_WRITE,
    EVENT_TYPE_OPENED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from maos_sup.system.pipes import quiet_pipe

_READING = frozenset({EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED_NO_WRITE})  # what our own looking causes


class WatchdogFolders(FileSystemEventHandler):
    """Watches `folders`; one that is not there yet is watched from the first news after it was made."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises OSError where the system can watch no more."""
        self._observer = Observer()
        self._folders = tuple(folders)
        self._read_end, self._write_end = quiet_pipe()
        self._watched: dict[Path, tuple[int, ObservedWatch]] = {}
        self._observer.daemon = True
        self._observer.start()
        self._watch()

    def fileno(self) -> int:
        """Give the descriptor that is readable when there is news."""
        return self._read_end

    def drain(self) -> bool:
        """Say whether there was news. Folders that were made anew are watched from here on."""
        try:
            os.read(self._read_end, 1 << 16)
        except BlockingIOError:
            return False
        self._watch()
        return True

    def close(self) -> None:
        """Watch no more; ends the thread."""
        self._observer.stop()
        with suppress(RuntimeError):
            self._observer.join()
        os.close(self._read_end)
        os.close(self._write_end)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called in watchdog's thread."""
        if event.event_type not in _READING:
            with suppress(OSError):  # full: it says so already
                os.write(self._write_end, b"!")

    def _watch(self) -> None:
        """Watch each folder that is there, again where another stands in its place."""
        for folder in self._folders:
            try:
                inode = folder.stat().st_ino
            except OSError:
                continue
            known = self._watched.get(folder)
            if known is not None and known[0] == inode:
                continue
            with suppress(OSError, KeyError):
                if known is not None:
                    self._observer.unschedule(known[1])
                self._watched[folder] = inode, self._observer.schedule(self, str(folder), recursive=False)
