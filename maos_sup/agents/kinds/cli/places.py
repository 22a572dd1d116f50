"""Says where a session is at home, and what has to be done where that has moved.

Command lines write absolute paths into what they keep: a copy of a tree would go on in the session of the
original, a moved one would not find its own. So each process says on record where it works, by digests, for
no path of a host stands in a tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from state_layout.errors import storage_error

HOME, FOLDER, TREE = "home", "folder", "tree"
_DIGITS = 16


def digests(*, tree: Path, folder: Path, home: Path | None) -> dict[str, str]:
    """Name the places of a process, each as a digest of its path."""
    found = {TREE: _digest(tree), FOLDER: _digest(folder)}
    return found if home is None else found | {HOME: _digest(home)}


def moved(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of the places that are not, or not known to be, where they were."""
    return [name for name, digest in now.items() if before.get(name) != digest]


def drop(home: Path, patterns: Sequence[str]) -> None:
    """Remove the files of `home` that fit; no harm if they are gone. Raises StorageError."""
    for pattern in patterns:
        for path in sorted(home.glob(pattern)):
            try:
                with suppress(FileNotFoundError):
                    path.unlink()
            except OSError as cause:
                raise storage_error("remove", path, cause) from cause


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
