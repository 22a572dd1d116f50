"""Makes this Python forget what only Linux has, as a stand-in for another system: names, and /proc for us.

psutil keeps what it needs: there it has ways of its own on each system.
"""

import ctypes
import os
import sys
from importlib import import_module

from linux_names import NAMES

CALLS = frozenset(
    {"prctl", "inotify_init1", "inotify_add_watch", "timerfd_create", "timerfd_settime", "signalfd"}
)
OURS = ("maos_sup", "state_layout")

for module, names in NAMES.items():
    for name in names & set(dir(import_module(module))):
        delattr(import_module(module), name)


class _Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name in CALLS:
            raise AttributeError(f"this system has no {name}")
        return super().__getattr__(name)


ctypes.CDLL = _Library


def _hide(event, arguments):
    if event == "open" or event.startswith("os."):
        path = arguments[0] if arguments else None
        path = os.fsdecode(path) if isinstance(path, (str, bytes)) else ""
        if path.startswith("/proc") and _asks_ours():
            raise FileNotFoundError(2, "no such file on this system", path)


def _asks_ours():
    """Our own code asked: the first that is neither Python's nor this file."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith("psutil"):
            return False
        if name.startswith(OURS):
            return True
        frame = frame.f_back
    return False


sys.addaudithook(_hide)
