"""Tells that something in a few folders changed: by inotify, or by watchdog where the system is another.

Watched are the folders that people and commands edit, not what lies below them. All of it is a hint: who
waits for news looks by himself from time to time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from state_layout.host.kernel import is_linux


class Folders(Protocol):
    """The folders are watched."""

    def fileno(self) -> int:
        """Give the descriptor that is readable when there is news; -1: there never is."""

    def drain(self) -> bool:
        """Say whether there was news. Folders that were made anew are watched from here on."""

    def close(self) -> None:
        """Watch no more."""


def watch_folders(folders: Sequence[Path]) -> Folders:
    """Watch `folders`, as this system can."""
    if is_linux():
        from maos_sup.system.inotify import InotifyFolders

        return InotifyFolders(folders)
    from maos_sup.system.watchdogs import WatchdogFolders

    try:
        return WatchdogFolders(folders)
    except OSError:  # too many watchers of this user, say
        return Unwatched()


class Unwatched:
    """The system tells nothing of these folders: who waits for news looks by himself."""

    def fileno(self) -> int:
        """Never readable."""
        return -1

    def drain(self) -> bool:
        """There is no news."""
        return False

    def close(self) -> None:
        """Nothing is watched."""
