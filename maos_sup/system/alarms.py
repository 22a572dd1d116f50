"""Wakes who sleeps until something changes in one of many folders: inotify, each watched for one event.

A folder that rang rings no more until it is watched again: whoever writes there all the time pays for one
event and not for each, and the kernel's queue holds no more than there are folders. All of it is a hint:
whoever waits looks by himself from time to time, and where no alarm is to be had (another system, all
instances of this user taken, no watch left) he looks more often.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
from collections.abc import Set
from contextlib import suppress

_MODIFY, _ATTRIB, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x4, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _ONLYDIR, _ONESHOT = 0x400, 0x800, 0x1000000, 0x80000000
_CHANGES = _MODIFY | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_MASK = _CHANGES | _DELETE_SELF | _MOVE_SELF | _ONLYDIR | _ONESHOT
_EVENT = struct.Struct("=iIII")  # watch, mask, cookie, length of the name
_MOST_BYTES = 1 << 16


class FolderAlarm:
    """Watches folders that are handed to `watch`. Where it cannot, `covers` is never true."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = -1
        self._is_given_up = False
        self._watched = dict[str, int]()
        self._folders = dict[int, str]()  # by the number of the watch
        self._rung = set[str]()  # since the last time they were watched again

    def watch(self, folders: Set[str]) -> None:
        """Watch `folders`, those that rang too, and no others. What changes from now on is heard."""
        if self._descriptor < 0 and not self._opened():
            return
        self._drain()
        for folder in self._watched.keys() - folders:
            self._forget(folder)
        for folder in (folders - self._watched.keys()) | self._doubtful():
            watch = self._libc.inotify_add_watch(
                self._descriptor, os.fsencode(folder), ctypes.c_uint32(_MASK)
            )
            cause = ctypes.get_errno() if watch < 0 else 0
            if self._watched.get(folder, watch) != watch:
                self._forget(folder)  # another one stands in its place now, or none
            if watch >= 0:
                self._watched[folder], self._folders[watch] = watch, folder
            elif cause in (errno.ENOSPC, errno.ENOMEM):  # others need watches as well
                self._is_given_up = True
                self.close()
                return

    def covers(self, folders: Set[str]) -> bool:
        """Say whether each of `folders` is watched and has not been heard to ring since."""
        return self._descriptor >= 0 and folders <= self._watched.keys()

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a folder rings, at most `timeout_s`; whether one did."""
        poll = select.poll()
        if self._descriptor >= 0:
            poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000)) and self._drain()

    def close(self) -> None:
        """Watch nothing any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._watched.clear()
        self._folders.clear()
        self._rung.clear()

    def _forget(self, folder: str) -> None:
        watch = self._watched.pop(folder)
        self._folders.pop(watch, None)
        self._libc.inotify_rm_watch(self._descriptor, watch)

    def _doubtful(self) -> set[str]:
        """The watched folders below one that rang: it may have been renamed, and another be in its place,
        and of what lies within nothing is told then. To be watched by their paths once more."""
        tops = tuple(f"{folder}/" for folder in self._rung)
        self._rung.clear()
        return {folder for folder in self._watched if folder.startswith(tops)}

    def _opened(self) -> bool:
        with suppress(AttributeError):  # another system
            if not self._is_given_up:
                self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        return self._descriptor >= 0

    def _drain(self) -> bool:
        """Take note of the folders that rang; whether any did."""
        has_rung = False
        with suppress(BlockingIOError):
            while data := os.read(self._descriptor, _MOST_BYTES):
                has_rung = True
                at = 0
                while at < len(data):
                    watch, _, _, length = _EVENT.unpack_from(data, at)
                    at += _EVENT.size + length
                    folder = self._folders.pop(watch, None)
                    if folder is not None:
                        del self._watched[folder]
                        self._rung.add(folder)
                    elif watch < 0:  # the kernel had to drop some: any may have rung
                        self._watched.clear()
                        self._folders.clear()
        return has_rung
