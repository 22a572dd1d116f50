"""The mark in the environment by which what a process started is known after it is dead.

`MAOS_MARK=<boot id>:<device>:<inode>:<agent>:<attempt>`: programs inherit it however they detach themselves.
A copy of the tree has another inode, another life another attempt, so neither is ever taken for this one.
The kernel shows the environment a process was *executed* with; what a process that was only forked puts
into its environment is not seen. Hence `wear`, which writes the mark over the one it was executed with.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from state_layout.paths import Tree

MARK_VARIABLE = "MAOS_MARK"
MARK_BYTES = 192  # longest: 36 + 20 + 20 + 64 + 20 and four colons
NO_ONES = "-"  # worn by a process that belongs to no agent (any more)
_KEY = MARK_VARIABLE.encode() + b"="


def mark_of(tree: Tree, agent: str, attempt: int) -> str:
    """The mark of everything that `attempt` of `agent` starts (`supervisor` and its life: of its helpers)."""
    return f"{mark_prefix(tree)}{agent}:{attempt}"


def mark_prefix(tree: Tree) -> str:
    """What all marks of this tree, in this place, begin with."""
    found = tree.root.stat()
    return f"{boot_id()}:{found.st_dev}:{found.st_ino}:"


def tree_place(tree: Tree) -> dict[str, object]:
    """Where the tree is, as in `run/host.json`: boot id, device and inode of its directory."""
    found = tree.root.stat()
    return {"boot_id": boot_id(), "device": found.st_dev, "inode": found.st_ino}


@cache
def boot_id() -> str:
    """The id of this boot of this machine; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_mark(pid: int) -> str | None:
    """The mark `pid` wears: "" for none, None if it cannot be told (gone, or not ours to read)."""
    try:
        environ = read_raw(f"/proc/{pid}/environ")
    except OSError:
        return None
    if environ.startswith(_KEY):
        start = len(_KEY)
    else:
        start = environ.find(b"\0" + _KEY) + 1 + len(_KEY)
        if start == len(_KEY):
            return ""
    end = environ.find(b"\0", start)
    return environ[start : end if end >= 0 else None].rstrip(b" ").decode("ascii", "replace")


def blank_mark() -> str:
    """What to execute a process with that will `wear` marks that are not known yet."""
    return NO_ONES.ljust(MARK_BYTES)


def wear(mark: str) -> bool:
    """Put on `mark`: in the environment that is inherited and, where there is room, in the one that is seen.

    Returns whether it can be seen. Without room `-` is seen there instead of a mark that is no longer true;
    room is what the process was executed with: `blank_mark()` is enough for every mark.
    """
    os.environ[MARK_VARIABLE] = mark
    place = _seen_value()
    if place is None:
        return False
    address, room = place
    text = mark.encode() if len(mark) <= room else NO_ONES.encode()
    _overwrite(address, text.ljust(room), room)
    return len(mark) <= room


def wear_none() -> None:
    """Take off whatever mark this process was started with: a supervisor is nobody's leftover."""
    wear(NO_ONES)
    os.environ.pop(MARK_VARIABLE, None)


def read_raw(path: str) -> bytes:
    """All bytes of a file of /proc, quicker than `Path.read_bytes`. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _seen_value() -> tuple[int, int] | None:
    """Address and length of the mark's value in the environment this process was executed with."""
    try:
        stat = Path("/proc/self/stat").read_bytes()
        environ = Path("/proc/self/environ").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if len(fields) < 49:
        return None
    start, end = int(fields[47]), int(fields[48])
    if end - start != len(environ):
        return None
    at = 0 if environ.startswith(_KEY) else environ.find(b"\0" + _KEY) + 1
    if at == 0 and not environ.startswith(_KEY):
        return None
    value = at + len(_KEY)
    length = environ.find(b"\0", value) - value
    return (start + value, length) if length > 0 else None


def _overwrite(address: int, data: bytes, length: int) -> None:
    import ctypes  # only where it is needed: it takes a few milliseconds

    ctypes.memmove(address, data, length)
