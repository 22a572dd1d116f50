"""Keeps writers inside of the tree: no folder on the way to a file may be a link that leads elsewhere.

Files themselves are opened without following links (`disk.create`); this looks at the folders above them.
Called where a process begins to write to a tree, not at each write: who swaps a folder for a link under a
living process may as well write there himself.

A tree that is moved or removed under a living process is not made again at its old place: who lives in a tree
says so (`settle`), and from then on no folder is made below a root that is not there any more.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from state_layout.errors import Damaged, StorageError

_homes: dict[str, tuple[int, int]] = {}  # roots of trees that this process lives in: device and inode


def settle(root: Path) -> None:
    """Live in the tree at `root` from now on: as the folder that it is now."""
    found = root.stat()
    _homes[str(root)] = (found.st_dev, found.st_ino)


def leave(root: Path) -> None:
    """Live there no longer."""
    _homes.pop(str(root), None)


def is_home(root: Path) -> bool:
    """The tree at `root` that this process settled in is still there, as far as can be told."""
    known = _homes.get(str(root))
    if known is None:
        return True
    try:
        found = os.stat(root)  # noqa: PTH116 - at each wake-up
        os.stat(f"{root}/FORMAT")  # noqa: PTH116 - goes first or last when a tree is removed
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # not to be looked at now
    return (found.st_dev, found.st_ino) == known


def refuse_ghost(path: Path) -> None:
    """Raise StorageError where `path` is to be made in a tree that is gone from its place."""
    for home in _homes:
        if f"{path}{os.sep}".startswith(home + os.sep) and not is_home(Path(home)):
            raise gone(Path(home))


def gone(root: Path) -> StorageError:
    """Make the error that is said of a tree that is not at its place any more."""
    return StorageError(
        f"{root}: the orchestration was moved or removed; nothing is made again here. "
        "If it was moved: 'maos-sup resume' at its new place goes on"
    )


def understood(root: Path, error: BaseException) -> BaseException:
    """Give `error`, or in its place that the tree at `root` is gone, of which who raised it need not know.

    For the edges of a process that lives there.
    """
    return error if is_home(root) else gone(root)


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
