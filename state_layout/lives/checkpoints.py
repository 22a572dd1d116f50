"""Checkpoints: an agent's journals folded into one line, in two slots that are overwritten in turn.

Overwriting in place is ten times cheaper than a replace and a copy never catches a file vanishing; what a
crash leaves half written is told by its hash, and the other slot stands. A checkpoint must never be ahead of
what it covers: `Checkpointer` syncs the journal and the mail files first. It only saves reading: everything
in it can be made anew from the journals.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from state_layout.errors import StorageError, storage_error
from state_layout.files import atomic, codec, disk
from state_layout.files.chain import utc_now
from state_layout.files.journal import Journal
from state_layout.files.reading import read_record
from state_layout.lives.history import History, Mark
from state_layout.paths import AttemptPaths

_OPENING, _CLOSING = b',"sha256":"', b'"}'
_BLOCK_BYTES = 4096
SLOTS = (0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint is whole and valid, as it was read."""

    attempt: int
    at: str
    history: History


class Mail(Protocol):
    """A checkpoint must know this of an agent's outgoing mail (`state_layout.mail.outbox.Outbox`)."""

    def covers(self, history: History) -> bool:
        """Every message that `history` sent is in its mail file."""

    def sync(self) -> dict[str, Mark]:
        """Make the mail files durable, and give their ends by recipient."""


class Checkpointer:
    """Writes the checkpoints of one life. Not for use by several threads at once."""

    def __init__(self, paths: AttemptPaths, *, now: Callable[[], str] = utc_now) -> None:
        self._slots, self._now = Slots(paths), now
        self._turn, self._last_seq = 0, 0

    def save(self, history: History, journal: Journal, mail: Mail) -> bool:
        """Write a checkpoint of `history`, whose last line is in `journal`; whether one was written.

        None is written when nothing is new or mail is still to be appended. Empties `history.unmailed`.
        Raises StorageError; then the checkpoint before stands.
        """
        if history.seq == self._last_seq or not mail.covers(history):
            return False
        journal.sync()
        history.mailed = mail.sync()
        self._slots.write(self._turn, history=history, at=self._now())
        history.unmailed.clear()
        self._turn, self._last_seq = 1 - self._turn, history.seq
        return True

    def close(self) -> None:
        """Close the files."""
        self._slots.close()


class Slots:
    """The object writes the two slots of one life: they stay open between checkpoints. Close them."""

    def __init__(self, paths: AttemptPaths) -> None:
        self._paths = paths
        self._open: dict[int, int] = {}  # by slot

    def write(self, slot: int, *, history: History, at: str) -> None:
        """Overwrite `slot` with `history`, durably. Raises StorageError; then the slot may be invalid."""
        path = self._paths.checkpoint(slot)
        data = _filled(_parts(history, at=at))
        try:
            descriptor = self._descriptor(slot, path)
            size = os.lseek(descriptor, 0, os.SEEK_END)  # after a stat the time of change is written as well
            _overwrite(descriptor, data, size)
            disk.fdatasync(descriptor)
        except OSError as cause:
            raise storage_error("write", path, cause) from cause
        if size == 0:
            atomic.fsync_folder(path.parent)

    def close(self) -> None:
        """Close the files; `write` opens them again."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def _descriptor(self, slot: int, path: Path) -> int:
        if slot in self._open and not os.access(path, os.F_OK):  # somebody removed it
            os.close(self._open.pop(slot))
        if slot not in self._open:
            self._open[slot] = disk.create(path, os.O_WRONLY | os.O_CREAT, atomic.FILE_MODE)
        return self._open[slot]


def read_checkpoints(paths: AttemptPaths) -> list[Checkpoint]:
    """Read the valid checkpoints among the two slots, the newest first."""
    found = [checkpoint for slot in SLOTS if (checkpoint := _read(paths.checkpoint(slot))) is not None]
    return sorted(found, key=lambda checkpoint: checkpoint.history.seq, reverse=True)


def encoded(history: History, *, at: str) -> bytes:
    """Encode the line of a checkpoint."""
    return b"".join(_parts(history, at=at))


def _parts(history: History, *, at: str) -> list[bytes | memoryview]:
    """Make the parts that the line consists of, the long one not copied."""
    value = {
        "seq": history.seq,
        "at": at,
        "h": history.h,
        "attempt": history.attempt,
        "history": history.to_json(),
    }
    body = memoryview(codec.encode(value))[:-1]
    return [body, _OPENING, sha256(body).hexdigest().encode(), _CLOSING, b"\n"]


def decoded(data: bytes) -> Checkpoint | None:
    """Decode the checkpoint in `data`; None if it is not whole. What follows its line is of an older one."""
    line, feed, _ = data.partition(b"\n")
    body, _, tail = line.rpartition(_OPENING)
    if not feed or tail != sha256(body).hexdigest().encode() + _CLOSING:
        return None
    try:
        value = codec.decode_object(body + b"}")
        history = History.from_json(value["history"])
        return Checkpoint(attempt=value["attempt"], at=value["at"], history=history)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _filled(parts: list[bytes | memoryview]) -> bytes:
    """Join `parts` and blanks up to a whole block: a file that keeps its length is synced without its
    inode."""
    blanks = -(sum(map(len, parts)) + 1) % _BLOCK_BYTES
    return b"".join((*parts, b" " * blanks, b"\n"))


def _overwrite(descriptor: int, data: bytes, size: int) -> None:
    """Put `data` in place of the `size` bytes that are there."""
    written = 0
    while written < len(data):
        written += disk.pwrite(descriptor, data[written:], written)
    if size > len(data):
        disk.truncate(descriptor, len(data))


def _read(path: Path) -> Checkpoint | None:
    try:
        return decoded(read_record(path))
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise StorageError(f"{path}: cannot read: {cause.strerror}") from cause
