"""The mark in the environment by which what a process started is known after it is dead.

`MAOS_MARK=<boot id>:<device>:<inode>:<agent>:<attempt>`: programs inherit it however they detach themselves.
A copy of the tree has another inode, another life another attempt, so neither is ever taken for this one.
The kernel shows the environment a process was *executed* with; what a process that was only forked puts
into its environment is not seen. Hence `wear`, which writes the mark over the one it was executed with:
other systems show the environment from the same memory, where the C library knew it before it was changed.
"""

from __future__ import annotations

import os
import time
from functools import cache

from state_layout.host.kernel import is_linux, read_raw
from state_layout.host.stats import boot_id, read_environment
from state_layout.paths import Tree

MARK_VARIABLE = "MAOS_MARK"
MARK_BYTES = 192  # longest: 36 + 20 + 20 + 64 + 20 and four colons
NO_ONES = "-"  # worn by a process that belongs to no agent (any more)
_EXECUTING_LOOKS, _EXECUTING_PAUSE_S = 50, 0.0002
_FLAGS, _ENV_START, _ENV_END = 6, 47, 48  # fields of /proc/<pid>/stat, counted from the state
_PF_KTHREAD = 0x00200000
_KEY = MARK_VARIABLE.encode() + b"="


def mark_of(tree: Tree, agent: str, attempt: int) -> str:
    """Make the mark of all that `attempt` of `agent` starts (`supervisor` and its life: of its helpers)."""
    return f"{mark_prefix(tree)}{agent}:{attempt}"


def mark_prefix(tree: Tree) -> str:
    """Give the text with which all marks of this tree, in this place, begin."""
    found = tree.root.stat()
    return f"{boot_id()}:{found.st_dev}:{found.st_ino}:"


def tree_place(tree: Tree) -> dict[str, object]:
    """Say where the tree is, as in `run/host.json`: boot id, device and inode of its directory."""
    found = tree.root.stat()
    return {"boot_id": boot_id(), "device": found.st_dev, "inode": found.st_ino}


def read_mark(pid: int) -> str | None:
    """Read the mark `pid` wears: "" for none, None if it cannot be told (gone, or not ours to read).

    A process has no environment for a moment while it executes a program, and while it ends: that moment is
    waited for.
    """
    if not is_linux():
        told = read_environment(pid)
        return None if told is None else told.get(MARK_VARIABLE, "").rstrip(" ")
    try:
        environ = read_raw(f"/proc/{pid}/environ")
        for _ in range(_EXECUTING_LOOKS):
            if environ or not _lacks_memory(pid):
                break
            time.sleep(_EXECUTING_PAUSE_S)
            environ = read_raw(f"/proc/{pid}/environ")
        if not environ and _fields(str(pid))[0] in b"ZXx":
            return None
    except OSError:
        return None
    start, end = _value(environ)
    return environ[start:end].rstrip(b" ").decode("ascii", "replace")


def blank_mark() -> str:
    """Give the mark to execute a process with that will `wear` marks that are not known yet."""
    return NO_ONES.ljust(MARK_BYTES)


def wear(mark: str) -> bool:
    """Put on `mark`: in the environment that is inherited and, where there is room, in the one that is seen.

    Returns whether it can be seen. Without room `-` is seen there instead of a mark that is no longer true;
    room is what the process was executed with: `blank_mark()` is enough for every mark.
    """
    place = _seen_value()
    os.environ[MARK_VARIABLE] = mark
    if place is None:
        return False
    address, room = place
    text = mark.encode() if len(mark) <= room else NO_ONES.encode()
    _overwrite(address, text.ljust(room), room)
    return len(mark) <= room and (is_linux() or read_mark(os.getpid()) == mark)


def wear_none() -> None:
    """Take off whatever mark this process was started with: a supervisor is nobody's leftover."""
    wear(NO_ONES)
    os.environ.pop(MARK_VARIABLE, None)


def keep_blank() -> None:
    """Have nobody inherit the blank mark this process was executed with; it can be worn still."""
    if not is_linux():
        _value_of_libc()  # who does not know any more where it lies cannot write over it
    os.environ.pop(MARK_VARIABLE, None)


def _value(environ: bytes) -> tuple[int, int]:
    """Find from where to where the mark's value lies in an environment; (0, 0) if there is none."""
    at = 0 if environ.startswith(_KEY) else environ.find(b"\0" + _KEY) + 1
    if not environ.startswith(_KEY, at):
        return 0, 0
    start = at + len(_KEY)
    end = environ.find(b"\0", start)
    return start, end if end >= 0 else len(environ)


def _seen_value() -> tuple[int, int] | None:
    """Address and length of the mark's value in the environment this process was executed with."""
    if not is_linux():
        return _value_of_libc()
    try:
        environ = read_raw("/proc/self/environ")
        fields = _fields("self")
    except OSError:
        return None
    start, end = _value(environ)
    if start == end or len(fields) <= _ENV_END:
        return None
    first, last = int(fields[_ENV_START]), int(fields[_ENV_END])
    return (first + start, end - start) if last - first == len(environ) else None


@cache
def _value_of_libc() -> tuple[int, int] | None:
    """The same as the C library has it, asked before this process first changes its environment."""
    import ctypes

    getenv = ctypes.CDLL(None).getenv
    getenv.restype, getenv.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    address = getenv(MARK_VARIABLE.encode())
    return (address, len(ctypes.string_at(address))) if address else None


def _lacks_memory(pid: int) -> bool:
    """The process `pid` is between two programs, or ending. The dead and the kernel's own never have any."""
    fields = _fields(str(pid))
    is_process = fields[0] not in b"ZXx" and not int(fields[_FLAGS]) & _PF_KTHREAD
    return is_process and len(fields) > _ENV_END and fields[_ENV_END] == b"0"


def _fields(pid: str) -> list[bytes]:
    """Read the fields of /proc/<pid>/stat after the name. Raises OSError."""
    stat = read_raw(f"/proc/{pid}/stat")
    return stat[stat.rindex(b")") + 2 :].split()


def _overwrite(address: int, data: bytes, length: int) -> None:
    import ctypes  # only where it is needed: it takes a few milliseconds

    ctypes.memmove(address, data, length)
