"""Under which names a place can be reached: mounts show parts of a file system elsewhere.

Read from `/proc/self/mountinfo`. What a file system in user space (bindfs) shows again under another name
cannot be seen there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """The mount shows the part `root` of the file system `device` at the place `point`."""

    device: str
    root: Path
    point: Path


def read_mounts(path: Path = Path("/proc/self/mountinfo")) -> list[Mount]:
    """List the mounts that this process sees; none where there is no such thing."""
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    fields = [line.split(" ") for line in lines]
    return [
        Mount(device=parts[2], root=Path(_plain(parts[3])), point=Path(_plain(parts[4])))
        for parts in fields
        if len(parts) > 5
    ]


def names_of(place: Path, mounts: Sequence[Mount]) -> list[Path]:
    """`place`, an absolute path without links, and where else it, or a part of it, can be seen."""
    inside = [mount for mount in mounts if place.is_relative_to(mount.point)]
    if not inside:
        return [place]
    deepest = max(len(mount.point.parts) for mount in inside)
    home = [mount for mount in inside if len(mount.point.parts) == deepest][-1]  # the last one covers others
    within = home.root / place.relative_to(home.point)
    found = [place]
    for mount in mounts:
        if mount.device != home.device:
            continue
        if within.is_relative_to(mount.root):
            found.append(mount.point / within.relative_to(mount.root))
        elif mount.root.is_relative_to(within):
            found.append(mount.point)
    return [*dict.fromkeys(found)]


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
