"""Room on the disk: how much is free where a tree lies, and what is said when it is too little to start.

Whoever looks can see it for himself: on a full disk the supervisor may have no room left to say so. A file
system that does not tell (FUSE ones without `statfs` answer zeros, some count no files) is taken to have
room.
"""

from __future__ import annotations

import os
from pathlib import Path

from state_layout.paths import Tree

ROOM_BYTES = 1 << 19  # less than this free: nothing is started
ROOM_FILES = 64  # or fewer files than this that may be made: a start makes a dozen
NO_ROOM = f"no space left: less than {ROOM_BYTES >> 10} KiB are free; nothing is started until there is more"
NO_FILES = (
    f"no space left: fewer than {ROOM_FILES} more files can be made here (df -i); nothing is started until "
    "some are removed"
)


def has_room(tree: Tree) -> bool:
    """There is room on the disk for a start, as far as the file system tells."""
    return want_of_room(tree.root) is None


def want_of_room(path: Path) -> str | None:
    """Say in words what is lacking for a start where `path` lies; None: nothing that is known."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    if found.f_blocks and found.f_bavail * found.f_frsize < ROOM_BYTES:
        return NO_ROOM
    if found.f_files and found.f_favail < ROOM_FILES:
        return NO_FILES
    return None
