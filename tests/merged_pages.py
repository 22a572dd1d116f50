"""The merging of equal pages (KSM) for tests of memory: set going while they run, where that may be."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_KSM = Path("/sys/kernel/mm/ksm")
_FAST = {"pages_to_scan": "20000", "run": "1"}


@contextmanager
def merged_pages() -> Iterator[None]:
    """The machine merges what is offered meanwhile, fast; the test is skipped where that cannot be.

    One test at a time: who sets it back would stop it for others.
    """
    if not offers_pages() or "KSM:" not in Path("/proc/self/smaps_rollup").read_text():
        pytest.skip("this kernel does not merge pages (KSM) and count them (Linux 6.7)")
    with (Path(tempfile.gettempdir()) / "maos-sup-tests-ksm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = {name: (_KSM / name).read_text() for name in _FAST}
        try:
            _set(_FAST)
        except OSError as error:
            pytest.skip(f"the merging of pages cannot be set going: {error}")
        try:
            yield
        finally:
            _set(found)


def _set(values: dict[str, str]) -> None:
    for name, value in values.items():
        (_KSM / name).write_text(value)


def offers_pages() -> bool:
    """This kernel takes memory to be merged, whether it merges now or not."""
    return _KSM.exists()


def merged_bytes(pid: int | str = "self") -> int:
    """Tell how much of a process is merged with pages like its own."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("KSM:"))


def offered_bytes(pid: int | str = "self", *, flag: str = "mg") -> int:
    """Tell how much of a process is offered to be merged, by the flags of its areas; or has another flag."""
    size = total = 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith("Size:"):
            size = int(line.split()[1]) << 10
        elif line.startswith("VmFlags:") and flag in line.split():
            total += size
    return total
