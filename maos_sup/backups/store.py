"""Says what keeps the objects of a repository: names and bytes, nothing more.

An object is whole and durable when `put` returns, or not there; it never changes afterwards. Names are plain:
letters, digits, `.`, `-` and `/`. Calling anything twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from state_layout.errors import Damaged

LARGEST_OBJECT_BYTES = 1 << 29  # more than any of ours has; nobody reads more into memory


class BackupStore(Protocol):
    """A store is a folder, or a bucket. Every method raises StorageError with its place and a remedy."""

    place: str  # how people name it

    def put(self, name: str, data: bytes) -> bool:
        """Keep `data` as `name`, durably, unless there is one already; whether this call kept it."""

    def get(self, name: str) -> bytes | None:
        """Read the bytes of `name`; None if it is not there. Raises Damaged for more than any of ours has."""

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Name and size of each object whose name begins with `prefix`, which ends with a slash."""

    def remove(self, name: str) -> None:
        """Let go of `name`; no error if it is not there."""

    def held(self, *, alone: bool, note: Callable[[str], None] | None = None) -> AbstractContextManager[None]:
        """Hold the repository: many at once, or `alone`, to take away from it. Raises Locked.

        Who only reads gives a `note`: without the right to put a lock there it goes on, and `note` is told.
        """


def refuse_large(place: str, name: str, size: int) -> None:
    """Raise Damaged for an object that is larger than any of ours."""
    if size > LARGEST_OBJECT_BYTES:
        raise Damaged(f"{place}: {name} has {size} bytes; nothing of maos-sup is so large: take it away")
