"""Tells who holds a `flock`, without trying it."""

from __future__ import annotations

import os
from pathlib import Path

from state_layout.files import atomic
from state_layout.host.kernel import is_linux, read_raw


def lock_holder(lock: Path) -> int | None:
    """Find who holds the `flock` on `lock`, as the kernel tells it; None if nobody, or if it does not
    tell.

    The kernel tells of no holder in a pid namespace that is not below ours.
    """
    if not is_linux():
        return None
    try:
        places = _places(lock)
        lines = read_raw("/proc/locks").decode("ascii", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] in places and int(fields[4]) > 0:
            return int(fields[4])
    return None


def _places(lock: Path) -> set[str]:
    """List how /proc/locks may name the file: by the device of `stat` or, on btrfs, by that of its mount.

    A btrfs has a device of its own for each subvolume, which only `stat` tells.
    """
    with atomic.opened(lock, os.O_RDONLY) as descriptor:
        found = os.fstat(descriptor)
        devices = {(os.major(found.st_dev), os.minor(found.st_dev)), _mounted_device(descriptor)}
    return {f"{device[0]:02x}:{device[1]:02x}:{found.st_ino}" for device in devices if device is not None}


def _mounted_device(descriptor: int) -> tuple[int, int] | None:
    """Major and minor number of the device that the open file's mount is of, as mountinfo has it."""
    told = read_raw(f"/proc/self/fdinfo/{descriptor}").split()
    if b"mnt_id:" not in told:
        return None
    mount = told[told.index(b"mnt_id:") + 1]
    for line in read_raw("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if fields[0] == mount:
            major, _, minor = fields[2].partition(b":")
            return int(major), int(minor)
    return None
