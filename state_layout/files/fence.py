"""Keeps writers inside of the tree: no folder on the way to a file may be a link that leads elsewhere.

Files themselves are opened without following links (`disk.create`); this looks at the folders above them.
Called where a process begins to write to a tree, not at each write: who swaps a folder for a link under a
living process may as well write there himself.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from state_layout.errors import Damaged


def refuse_links(root: Path, *folders: Path) -> None:
    """Raise Damaged if one of `folders`, or one between it and `root`, is a link or no folder at all.

    What is not there is fine: it will be made.
    """
    seen = set[str]()
    for folder in folders:
        place = ""
        for name in folder.parts[len(root.parts) :]:
            place = os.path.join(place, name)  # noqa: PTH118 - at each start of an agent: a Path costs more
            if place not in seen:
                seen.add(place)
                _refuse_link(root, place)


def _refuse_link(root: Path, folder: str) -> None:
    try:
        mode = os.lstat(f"{root}/{folder}").st_mode
    except OSError:
        return  # not there, or not to be looked at: whoever writes there is told why
    if not stat.S_ISDIR(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "no folder"
        raise Damaged(
            f"{folder}: is {what} where a folder of the tree belongs; put the folder "
            "itself there (nothing is written through links, they may lead out of the tree)"
        )
