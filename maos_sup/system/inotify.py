"""Tells that something in a few folders changed: the kernel's inotify, three system calls through ctypes.

No thread, no queue of its own: the descriptor is readable when there is news, and when the kernel had to drop
news it says that too. Watched are the folders that people and commands edit, not what lies below them.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _ONLYDIR = 0x400, 0x800, 0x1000000
_MASK = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLYDIR
_MOST_BYTES = 1 << 16


class InotifyFolders:
    """Watches `folders`. Where the system has no inotify, or no instance left for us, it never has news."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [os.fsencode(folder) for folder in folders]
        self._libc = ctypes.CDLL(None)
        self._descriptor = -1
        with suppress(AttributeError):
            self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._watch()

    def fileno(self) -> int:
        """Give the descriptor that is readable when there is news; -1: there never is."""
        return int(self._descriptor)

    def drain(self) -> bool:
        """Say whether there was news. Folders that were made anew are watched from here on."""
        if self._descriptor < 0:
            return False
        try:
            os.read(self._descriptor, _MOST_BYTES)
        except BlockingIOError:
            return False
        self._watch()
        return True

    def close(self) -> None:
        """Watch no more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _watch(self) -> None:
        """Watch what is there; to watch again what is watched changes nothing."""
        if self._descriptor >= 0:
            for folder in self._folders:
                self._libc.inotify_add_watch(self._descriptor, folder, _MASK)
