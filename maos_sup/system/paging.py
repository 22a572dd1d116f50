"""Gives the memory of a process that rests back to the machine: to swap, or merged with pages like its own.

What a forked process has of its own are pages that were copied because something on them was counted; at rest
it needs few of them. `madvise(MADV_PAGEOUT)` (Linux 5.4) has the kernel move them to swap or zram now, in
place of when memory is short, and whatever is touched comes back by itself. Pages that are shared with other
processes stay where they are. Without swap nothing happens.

A process may also offer its memory to be merged (`madvise(MADV_MERGEABLE)`, KSM): where somebody has set that
going on the machine, the kernel looks for pages with the same bytes, of whatever process, keeps one of them,
and copies it for whoever writes on it. Who times its own writes can tell that another process has the same
page; so nothing is offered that people did not ask for.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from itertools import groupby

from state_layout.host.kernel import is_linux, read_raw

_MADV_MERGEABLE, _MADV_UNMERGEABLE, _MADV_PAGEOUT, _MADV_POPULATE_WRITE = 12, 13, 21, 23
_MERGES = b"1"  # 0: stopped, with what is merged left as it is; 2: stopped, and all undone
_PAGE_BYTES, _ENTRY_BYTES = os.sysconf("SC_PAGE_SIZE"), 8
_ITS_OWN = 1 << 56 | 1 << 62  # in `pagemap`: mapped by no other process; swapped
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
    return _advise(_MADV_PAGEOUT) if can_page_out() else 0


def can_merge() -> bool:
    """This system merges pages with the same bytes: Linux with KSM that somebody has set going."""
    if not is_linux():
        return False
    try:
        return read_raw("/sys/kernel/mm/ksm/run").strip() == _MERGES
    except OSError:
        return False


def offer_pages() -> int:
    """Offer the private memory of this process to be merged, now or once the machine does: how many bytes.

    It stays offered, whatever is written on it later. 0 where the kernel cannot. Never raises.
    """
    return _advise(_MADV_MERGEABLE) if is_linux() else 0


def withdraw_pages() -> int:
    """Take back what `offer_pages` did: each merged page is copied before this returns; how many bytes."""
    return _advise(_MADV_UNMERGEABLE) if is_linux() else 0


def _advise(advice: int) -> int:
    """Tell the kernel `advice` on all private memory; how many bytes it took that for."""
    taken = 0
    for start, size in _private_memory():
        if _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), advice) == 0:
            taken += size
    return taken


def copy_pages_like(pid: int) -> int:
    """Copy the pages that `pid`, forked from the same process as this one, has for itself; how many.

    What it needed another one will need: so it is copied before anybody waits for it. 0 where the system does
    not tell, or cannot (Linux 5.14 can). Never raises.
    """
    try:
        pages = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    copied = 0
    try:
        for start, size in _private_memory():
            count = size // _PAGE_BYTES
            found = os.pread(pages, count * _ENTRY_BYTES, start // _PAGE_BYTES * _ENTRY_BYTES)
            if len(found) != count * _ENTRY_BYTES:
                continue
            for first, length in _runs(struct.unpack(f"{count}Q", found)):
                where = ctypes.c_void_p(start + first * _PAGE_BYTES)
                if _libc.madvise(where, ctypes.c_size_t(length * _PAGE_BYTES), _MADV_POPULATE_WRITE):
                    return copied
                copied += length
    except OSError:
        pass
    finally:
        os.close(pages)
    return copied


def _runs(entries: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and length of each run of pages that are a process's own."""
    first = 0
    for is_own, run in groupby(entries, lambda entry: bool(entry & _ITS_OWN)):
        length = len(list(run))
        if is_own:
            yield first, length
        first += length


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
