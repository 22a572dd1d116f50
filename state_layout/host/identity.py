"""Says which process is which: handles, held against what the system says before anything is believed.

A pid alone says nothing, it is used again; so a process is the same only if boot, pid, start time and the
inode of its pidfd (where there are pidfds) are. This module looks and never signals.
Marks, by which the leftovers of a dead process are known, are in `state_layout.host.marks`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from state_layout.files import codec
from state_layout.files.reading import read_record
from state_layout.host.kernel import is_linux
from state_layout.host.marks import mark_of, tree_place
from state_layout.host.stats import ProcessStat, boot_id, read_stat
from state_layout.records import fields_of

__all__ = [
    "Handle",
    "ProcessStat",
    "boot_id",
    "handle_of",
    "is_alive",
    "is_of_other_namespace",
    "mark_of",
    "open_pidfd",
    "open_process",
    "own_handle",
    "read_handle",
    "read_stat",
    "tree_place",
]

_INCOMPLETE = "no handle: boot_id, pid, start_time, pidfd_inode or attempt is missing"


class Handle(Struct, frozen=True, kw_only=True):
    """A handle identifies a process, as in `run/**.handle.json`; `start_time` is in ticks since the boot."""

    boot_id: str
    pid: int
    start_time: int
    pidfd_inode: int  # 0: this system has no pidfd
    attempt: int
    program_pid: int | None = None
    pid_ns: int = 0  # inode of the pid namespace that the numbers are of; 0: not told
    host: str = ""

    def to_json(self) -> dict[str, object]:
        return {key: value for key, value in fields_of(self).items() if value is not None}

    def with_program(self, pid: int | None) -> Handle:
        """Copy the handle, naming the program that the agent runs now."""
        return replace(self, program_pid=pid)

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Handle:
        """Raises ValueError for anything that is no handle."""
        boot, pid, start_time = value.get("boot_id"), value.get("pid"), value.get("start_time")
        inode, attempt, program_pid = value.get("pidfd_inode"), value.get("attempt"), value.get("program_pid")
        pid_ns, host = value.get("pid_ns") or 0, value.get("host") or ""
        if not isinstance(boot, str) or type(pid) is not int or type(start_time) is not int:
            raise ValueError(_INCOMPLETE)
        if type(inode) is not int or type(attempt) is not int:
            raise ValueError(_INCOMPLETE)
        if type(pid_ns) is not int or not isinstance(host, str):
            raise ValueError("no handle: pid_ns is a whole number, host a text")
        if pid <= 0 or not isinstance(program_pid, int | None):
            raise ValueError("no handle: pids are whole numbers above 0")
        return cls(
            boot_id=boot,
            pid=pid,
            start_time=start_time,
            pidfd_inode=inode,
            attempt=attempt,
            program_pid=program_pid,
            pid_ns=pid_ns,
            host=host,
        )


def own_handle(attempt: int) -> Handle:
    """Make the handle of this process."""
    handle = handle_of(os.getpid(), attempt=attempt)
    if handle is None:  # no /proc: nothing can be checked later, so nothing is claimed
        return Handle(
            boot_id=boot_id(), pid=os.getpid(), start_time=0, pidfd_inode=0, attempt=attempt, host=_host()
        )
    return handle


def handle_of(pid: int, *, attempt: int) -> Handle | None:
    """Make the handle of the process that has `pid` now, None if there is none."""
    stat = read_stat(pid)
    if stat is None:
        return None
    return Handle(
        boot_id=boot_id(),
        pid=pid,
        start_time=stat.start_time,
        pidfd_inode=_inode_of(pid),
        attempt=attempt,
        pid_ns=_pid_namespace(),
        host=_host(),
    )


def read_handle(path: Path) -> Handle | None:
    """Read the handle in `path`; None if it is missing or no handle (which is *unknown*, never dead)."""
    try:
        return Handle.from_json(codec.decode_object(read_record(path)))
    except (OSError, ValueError):
        return None


def is_alive(handle: Handle) -> bool | None:
    """Say whether that very process runs: False if it ended or another has its pid now, None if unknown.

    A handle of an earlier boot (or of another host) is not alive here. The handle of a copied tree may
    name a living process of the original: compare `run/host.json` first. Of another pid namespace nothing is
    known: its numbers mean others here.
    """
    if handle.boot_id != boot_id():
        return False
    if is_of_other_namespace(handle):
        return None
    if not _can_look():
        return None
    try:
        descriptor = open_process(handle)
    except OSError:
        return None
    if descriptor is None:
        return False
    if descriptor >= 0:
        os.close(descriptor)
    return True


def open_process(handle: Handle) -> int | None:
    """Open a pidfd of that very, living process, checked once it is open; None if it is not there any more.

    Returns -1 for a living process on a system without pidfd. The caller closes it. Raises OSError if it
    cannot be told (no descriptor left).
    """
    if handle.boot_id != boot_id() or is_of_other_namespace(handle):
        return None
    try:
        descriptor = open_pidfd(handle.pid)
    except ProcessLookupError:
        return None
    stat = read_stat(handle.pid)
    is_same = stat is not None and stat.start_time == handle.start_time and not stat.is_gone
    if descriptor >= 0:
        inode = handle.pidfd_inode or os.fstat(descriptor).st_ino  # 0: whoever wrote it was refused pidfds
        is_same = is_same and os.fstat(descriptor).st_ino == inode
        if not is_same:
            os.close(descriptor)
    return descriptor if is_same else None


def is_of_other_namespace(handle: Handle) -> bool:
    """The numbers in `handle` are of another pid namespace of this machine: a container's, say."""
    return handle.boot_id == boot_id() and bool(handle.pid_ns) and handle.pid_ns != _pid_namespace()


@cache
def _pid_namespace() -> int:
    """Ask for the inode that names our pid namespace; 0 where there is none."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - a file of /proc
    except OSError:
        return 0


@cache
def _host() -> str:
    return os.uname().nodename


def _inode_of(pid: int) -> int:
    with suppress(OSError):
        descriptor = open_pidfd(pid)
        if descriptor >= 0:
            try:
                return os.fstat(descriptor).st_ino
            finally:
                os.close(descriptor)
    return 0


def open_pidfd(pid: int) -> int:
    """Open a pidfd; -1 where the system has none or refuses them (a seccomp profile answers EPERM).

    Raises OSError: no such process, no descriptor left.
    """
    if not is_linux() or not hasattr(os, "pidfd_open"):
        return -1
    try:
        return os.pidfd_open(pid)
    except OSError as cause:
        if cause.errno in (errno.ENOSYS, errno.EPERM):
            return -1
        raise


@cache
def _can_look() -> bool:
    return read_stat(os.getpid()) is not None
