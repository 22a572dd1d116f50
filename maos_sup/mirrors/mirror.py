"""Says what a mirror is, and what is handed to one.

A mirror holds the records of a tree as they are: every line of a chained file, what programs wrote, small
files whole. What it holds of a file and how far that goes (its cursor) change together, in one transaction,
so whoever is killed goes on from the cursor. A follower reads the tree, makes batches, applies them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from state_layout.errors import LayoutError, Locked
from state_layout.files.chain import Position, Run

ALL = None  # every line of a journal counts
NONE = -1  # no line of it does


class MirrorTrouble(LayoutError):
    """The mirror cannot be used now: it is down, full, locked by others. Trying again later may do."""


class Superseded(Locked):
    """Another follower has opened the mirror of this tree since: this one has to end."""


class Sort(StrEnum):
    """Says how a file is followed: line by line, byte by byte as it grows, or whole whenever it changes."""

    LINES = "lines"
    PIECES = "pieces"
    CONTENT = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The next lines of a chained file are these; `is_anew`: what the mirror has of it goes first."""

    path: str  # relative to the tree
    runs: tuple[Run, ...]  # at least one, each following the one before
    is_anew: bool = False

    @property
    def end(self) -> Position:
        """Give the position at which the last of the lines ends."""
        return self.runs[-1].end


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePiece:
    """The next bytes of a file that grows; `tail` is the hash of what ends there (`tail_of`)."""

    path: str
    offset: int
    data: bytes
    tail: str
    is_anew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A small file is whole; `data` is None where it is not there any more."""

    path: str
    data: bytes | None
    sha256: str  # of the data, with a + behind it where the file may be executed


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorBatch:
    """Holds changes of the tree; applied all or not at all, and twice is once."""

    lines: tuple[Lines, ...] = ()
    pieces: tuple[FilePiece, ...] = ()
    contents: tuple[Content, ...] = ()
    counted: Mapping[str, int | None] = field(default_factory=dict)  # by journal: the last `seq` that counts
    gone: Mapping[str, bool] = field(
        default_factory=dict
    )  # files of lines or pieces: gone (they are kept), back
    at: str = ""

    @property
    def size_bytes(self) -> int:
        """Count the bytes that the batch brings of files that grow."""
        lines = sum(each.end.offset - each.runs[0].after.offset for each in self.lines)
        return lines + sum(len(piece.data) for piece in self.pieces)

    @property
    def is_empty(self) -> bool:
        """Nothing has changed."""
        return not (self.lines or self.pieces or self.contents or self.counted or self.gone)


@dataclass(slots=True, kw_only=True)
class Cursor:
    """Tells how far a mirror has come, by path relative to the tree."""

    lines: dict[str, Position] = field(default_factory=dict)
    pieces: dict[str, tuple[int, str]] = field(default_factory=dict)  # size and the hash of its end
    contents: dict[str, str] = field(default_factory=dict)  # SHA-256
    counted: dict[str, int | None] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


class Mirror(Protocol):
    """A mirror is the part of a database that mirrors one tree. Every method but `close` may raise
    MirrorTrouble.

    `cursor` makes this object the only one that may write: another one's next `apply` raises Superseded.
    """

    def cursor(self) -> Cursor:
        """Take the mirror over, and say how far it has come."""

    def apply(self, batch: MirrorBatch) -> None:
        """Take `batch` and the cursor after it, in one transaction. Raises Superseded."""

    def rebuild(self, batches: Iterable[MirrorBatch]) -> None:
        """Forget what is known of the tree and take `batches`, all in one transaction, as fast as can be.

        Readers see what was there before until it is done. Takes the mirror over.
        """

    def look(self) -> Cursor:
        """Tell how far the mirror has come, without taking it over; later reads are of this moment, too.

        In Redis, which knows no such moments, it is as new as when it is read.
        """

    def keep_alive(self) -> None:
        """Say that the mirror is still followed: called at least twice a minute by who is at `cursor`."""

    def lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """The lines that it has of a chained file: `seq` and the bytes without the line feed, in order."""

    def data(self, path: str) -> Iterator[bytes]:
        """The bytes that it has of a file of pieces, or of one content, in order."""

    def trees(self) -> list[str]:
        """List the ids of the orchestrations that the whole database mirrors."""

    def identity(self) -> str:
        """A word that two have in common only if they are the same database, whatever URLs lead there now."""

    def forget(self) -> None:
        """Remove everything of the tree from the database."""

    def close(self) -> None:
        """Let go of the connection. Never raises."""
