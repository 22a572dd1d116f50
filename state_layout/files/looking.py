"""Says what is at a path, or that nobody can tell: a closed folder or a disk that fails is no absence.

`pathlib` did the same until Python 3.13; from 3.14 on its own methods of these names call a file absent that
cannot be looked at. Whoever wants False for that asks `state_layout.files.reading`.
"""

from __future__ import annotations

import stat
from errno import EBADF, ELOOP, ENOENT, ENOTDIR
from pathlib import Path

_ABSENT = frozenset((ENOENT, ENOTDIR, EBADF, ELOOP))


def exists(path: Path) -> bool:
    """Something is at `path`, links followed. Raises OSError where nobody can tell."""
    return _mode(path) is not None


def is_dir(path: Path) -> bool:
    """A folder is at `path`, links followed. Raises OSError where nobody can tell."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def is_regular(path: Path) -> bool:
    """A regular file is at `path`, links followed. Raises OSError where nobody can tell."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_link(path: Path) -> bool:
    """A symbolic link is at `path`, wherever it leads. Raises OSError where nobody can tell."""
    mode = _mode(path, follows=False)
    return mode is not None and stat.S_ISLNK(mode)


def _mode(path: Path, *, follows: bool = True) -> int | None:
    try:
        return path.stat(follow_symlinks=follows).st_mode
    except OSError as cause:
        if cause.errno in _ABSENT:
            return None
        raise
    except ValueError:  # a zero character: no file has it
        return None
