"""Asks the kernel about processes, for tests. Linux only, as the tests that use it.

Nothing here trusts a file of the tree: a leak that the tree does not know of is still found.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def is_running(pid: int) -> bool:
    """There is such a process and it has not ended; a zombie has."""
    return state_of(pid) not in (None, "Z", "X")


def state_of(pid: int) -> str | None:
    """The kernel's letter for the state of `pid`; None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return chr(text[text.rindex(b")") + 2])


def environment_of(pid: int) -> list[bytes]:
    """The environment `pid` shows, empty if it ended or is not ours to read."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def all_pids() -> Iterator[int]:
    """Every process but this one."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            yield int(path.name)


def with_variable(assignment: str) -> set[int]:
    """The processes whose environment has `assignment` (`NAME=value`)."""
    wanted = assignment.encode()
    return {pid for pid in all_pids() if wanted in environment_of(pid) and is_running(pid)}


def with_mark(prefix: str) -> dict[int, str]:
    """The processes that wear a mark beginning with `prefix`: pid -> mark."""
    wanted = b"MAOS_MARK=" + prefix.encode()
    found = {}
    for pid in all_pids():
        for entry in environment_of(pid):
            if entry.startswith(wanted) and is_running(pid):
                found[pid] = entry.partition(b"=")[2].decode().rstrip()
    return found


def children_of(pid: int) -> list[int]:
    """The children of all threads of `pid`."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += [int(word) for word in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> str:
    """Read how `pid` calls itself."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def kill(*pids: int, with_signal: int = signal.SIGKILL) -> None:
    """Send a signal; who is gone already is fine.

    Several are killed at once: they are frozen first, so nobody answers the end of another.
    """
    assert all(pid > 0 for pid in pids), "0 would be everybody in our group"
    is_at_once = len(pids) > 1 and with_signal == signal.SIGKILL
    for number in (signal.SIGSTOP, with_signal) if is_at_once else (with_signal,):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def can_bubblewrap() -> bool:
    """Bubblewrap is here and the kernel lets it make namespaces."""
    if shutil.which("bwrap") is None:
        return False
    argv = ["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "true"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
