"""Tells that something was written in one folder: the kernel's dnotify, so that nobody has to look for it.

Older and plainer than inotify, and the only one that each of a hundred agents of a user can have: there is no
limit of instances. It says "something" and nothing else, once for each time that it is armed, so a program
that writes much costs one signal, not one for each line. A hint: where the system has no such thing nothing
is ever told.

The signal is sent to one thread alone, which keeps it blocked and reads it from a descriptor; its action
would be to be ignored. No program that is started gets any of it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
import threading
from contextlib import suppress
from pathlib import Path

from state_layout.host.kernel import is_linux

_SIGNAL = signal.SIGURG
_F_SETSIG, _F_SETOWN_EX, _OWNER_IS_THREAD = 10, 15, 0
_MASK_WORDS = 16  # of a signal set of libc
_libc = ctypes.CDLL(None)


class WatchedFolder:
    """Watches the files in `path`, for the thread that makes it and no other. Never raises."""

    def __init__(self, path: Path) -> None:
        self.is_armed = False
        self._folder = self._signals = -1
        if not is_linux():
            return
        with suppress(OSError, AttributeError):
            self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.fcntl(self._folder, _F_SETSIG, _SIGNAL)
            owner = struct.pack("=ii", _OWNER_IS_THREAD, threading.get_native_id())
            fcntl.fcntl(self._folder, _F_SETOWN_EX, owner)
            signal.pthread_sigmask(signal.SIG_BLOCK, {_SIGNAL})
            mask = (ctypes.c_ulong * _MASK_WORDS)(1 << (_SIGNAL - 1))
            self._signals = _libc.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Give the descriptor that is readable when there is news; -1: there never is."""
        return self._signals

    def arm(self) -> None:
        """Be told of the next write. What was written before is not told: look after this, not before."""
        if self._signals >= 0 and not self.is_armed:
            with suppress(OSError, AttributeError):
                fcntl.fcntl(self._folder, fcntl.F_NOTIFY, fcntl.DN_MODIFY)
                self.is_armed = True

    def drain(self) -> bool:
        """Say whether something was written since `arm`; then it is not armed any more."""
        if not self.is_armed:
            return False
        try:
            os.read(self._signals, 4096)
        except OSError:
            return False
        self.is_armed = False
        return True

    def close(self) -> None:
        """Watch no more."""
        for descriptor in (self._folder, self._signals):
            if descriptor >= 0:
                os.close(descriptor)
        self._folder = self._signals = -1
        self.is_armed = False
