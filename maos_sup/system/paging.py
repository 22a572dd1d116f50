"""Gives the memory of a process that rests back to the machine: its pages go where the system swaps.

What a forked process has of its own are pages that were copied because something on them was counted; at rest
it needs few of them. `madvise(MADV_PAGEOUT)` (Linux 5.4) has the kernel move them to swap or zram now, in
place of when memory is short, and whatever is touched comes back by itself. Pages that are shared with other
processes stay where they are. Without swap nothing happens.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

from state_layout.host.kernel import is_linux, read_raw

_MADV_PAGEOUT = 21
_libc = ctypes.CDLL(None, use_errno=True)


def can_page_out() -> bool:
    """This system swaps at all: a line for each swap file, partition or zram follows the heads."""
    if not is_linux():
        return False
    try:
        return read_raw("/proc/swaps").count(b"\n") > 1
    except OSError:
        return False


def page_out() -> int:
    """Have the private memory of this process moved to swap: how many bytes, 0 where it cannot.

    For any thread: nothing waits for it but the caller, some milliseconds. Never raises.
    """
    if not can_page_out():
        return 0
    asked = 0
    for start, size in _private_memory():
        if _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), _MADV_PAGEOUT) == 0:
            asked += size
    return asked


def _private_memory() -> Iterator[tuple[int, int]]:
    """Start and size in bytes of what is private and writable: objects, malloc's, data of libraries."""
    try:
        lines = read_raw("/proc/self/maps").splitlines()
    except OSError:
        return
    for line in lines:
        where, rights, _offset, _device, _inode, *path = line.split(None, 5)
        if rights == b"rw-p" and path != [b"[stack]"]:
            start, _, end = where.partition(b"-")
            yield int(start, 16), int(end, 16) - int(start, 16)
