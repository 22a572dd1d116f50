"""Room on the disk: how much is free where a tree lies, and what is said when it is too little to start.

Whoever looks can see it for himself: on a full disk the supervisor may have no room left to say so.
"""

from __future__ import annotations

import os
from pathlib import Path

from state_layout.paths import Tree

ROOM_BYTES = 1 << 19  # less than this free: nothing is started
NO_ROOM = f"no space left: less than {ROOM_BYTES >> 10} KiB are free; nothing is started until there is more"


def has_room(tree: Tree) -> bool:
    """Whether there is room on the disk for a start. Raises OSError."""
    return free_bytes(tree.root) >= ROOM_BYTES


def free_bytes(path: Path) -> int:
    """Free space for this user where `path` lies, bytes. Raises OSError."""
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize
