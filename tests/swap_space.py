"""Swap for tests of memory: what this machine has, or a file of our own while they run."""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maos_sup.system.paging import can_page_out
from state_layout.host.kernel import read_raw

_BYTES = 256 << 20


@contextmanager
def swap_space(folder: Path) -> Iterator[None]:
    """There is some meanwhile, or the test is skipped with what the system says. One test at a time:

    who takes its own away would take back what others have in it.
    """
    with (Path(tempfile.gettempdir()) / "maos-sup-tests-swap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _some_swap(folder):
            yield


@contextmanager
def _some_swap(folder: Path) -> Iterator[None]:
    if can_page_out():
        yield
        return
    path = folder / "swap"
    for command in (
        ["fallocate", "-l", str(_BYTES), path],
        ["chmod", "600", path],
        ["mkswap", path],
        ["swapon", path],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"no swap to be had: {error}")
        if done.returncode:
            pytest.skip(f"no swap to be had: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["swapoff", path], check=True)


def swapped_bytes(pid: int | str = "self") -> int:
    """Tell how much of a process lies in swap; 0 where the system does not tell."""
    try:
        status = read_raw(f"/proc/{pid}/status")
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith(b"VmSwap:"):
            return int(line.split()[1]) << 10
    return 0
