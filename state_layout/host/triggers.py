"""Triggers: a FIFO per reader; a byte in it means "look again" and nothing else (after qmail).

A line in it, a name and a line feed, says whom to look at first; a reader that knows no names, finds
something else, or so much that a name may not have had room, looks at everything. To an agent that stays
while nothing is ready, the name `supervisor` says to give way.

They live outside the tree (a tree may lie where FIFOs do not work, and a copy must not wake the original).
Losing one costs latency only, so a writer ignores every error. The folder is refused if it is not ours.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from state_layout.errors import StorageError, storage_error
from state_layout.paths import Tree, is_name

_FIFO_MODE, _FOLDER_MODE = 0o600, 0o700
_READ_AND_WRITE = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
MOST_SWEPT = 200  # folders, whenever an orchestration ends
_YOUNG_S = 60.0
_MUCH_BYTES = 1 << 11  # in a FIFO that may hold only twice as much
GIVE_WAY = "supervisor"  # said to an agent: end, if there is nothing to do
LOOK_AFTER_S = 0.02  # of a writer, at whether a trigger is still the one that it has open
MOST_OPEN = 64  # triggers that one writer keeps open


def trigger_folder(tree: Tree) -> Path:
    """Name the folder of this tree's triggers. Raises OSError without a tree."""
    found = tree.root.stat()
    return _runtime_folder() / f"{found.st_dev}-{found.st_ino}"


def _runtime_folder() -> Path:
    """Name the folder of the triggers of all trees of this user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp"
    return Path(runtime) / f"maos-sup-{os.getuid()}"


def trigger_path(tree: Tree, reader: str) -> Path:
    """Name the FIFO that wakes `reader`, an agent's name or `supervisor`. Raises OSError without a tree."""
    return trigger_folder(tree) / reader


def pull(tree: Tree, reader: str, *, about: str = "") -> None:
    """Wake `reader` if it listens, to look at the agent `about` if one is named. Never raises or waits."""
    with suppress(OSError):
        path = trigger_path(tree, reader)
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, f"{about}\n".encode() if about else b".")
        finally:
            os.close(descriptor)


class TriggerWriter:
    """Pulls the triggers of one tree again and again, for a fifth of the cost: it keeps them open.

    They are opened for reading as well, so that a write without a reader is no SIGPIPE; what it leaves wakes
    the next one to listen once too often. That one was made anew is seen at the first pull that comes
    `LOOK_AFTER_S` after a look. Safe to use from several threads.
    """

    def __init__(self, tree: Tree, *, now: Callable[[], float] = time.monotonic) -> None:
        self._tree, self._folder, self._now = tree, "", now
        self._open: dict[str, tuple[int, float]] = {}  # the descriptor, and until when it is believed
        self._lock = threading.Lock()

    def pull(self, reader: str) -> None:
        """Wake `reader` if it listens. Never raises, never waits."""
        with self._lock:
            try:
                known, now_s = self._open.get(reader), self._now()
                if known is None or now_s >= known[1]:
                    known = self._looked_at(reader, known, now_s)
                os.write(known[0], b".")
            except OSError:
                pass  # nobody listens, or it was pulled often enough

    def close(self) -> None:
        """Close what is open; the next `pull` opens it again."""
        with self._lock:
            for descriptor, _ in self._open.values():
                os.close(descriptor)
            self._open.clear()

    def _looked_at(self, reader: str, known: tuple[int, float] | None, now_s: float) -> tuple[int, float]:
        """Open the trigger of `reader` again if it was made anew. Raises OSError."""
        is_linked = known is not None and os.fstat(known[0]).st_nlink > 0
        descriptor = known[0] if known is not None and is_linked else self._opened(reader)
        self._open[reader] = descriptor, now_s + LOOK_AFTER_S
        return self._open[reader]

    def _opened(self, reader: str) -> int:
        self._folder = self._folder or os.fspath(trigger_folder(self._tree))
        if (old := self._open.pop(reader, None)) is not None:
            os.close(old[0])
        if len(self._open) >= MOST_OPEN:
            os.close(self._open.pop(next(iter(self._open)))[0])
        descriptor = os.open(f"{self._folder}/{reader}", _READ_AND_WRITE)
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{reader}: no trigger")
        return descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A trigger told this: of whom there is news, or that everything is to be looked at."""

    names: frozenset[str] = frozenset()
    is_general: bool = False


class TriggerReader:
    """A reader is the reading end of a trigger; `fileno()` is readable when it was pulled."""

    def __init__(self, tree: Tree, reader: str) -> None:
        """Raises StorageError if no FIFO can be made there, or the tree was moved away."""
        try:
            self.path = trigger_path(tree, reader)
        except OSError as cause:
            raise storage_error("make the trigger of", tree.root, cause) from cause
        self._descriptor = _open_fifo(self.path)

    def fileno(self) -> int:
        return self._descriptor

    def drain(self) -> bool:
        """Empty the trigger, and say whether it was pulled since the last time. Never waits."""
        return bool(self._drained())

    def said(self) -> frozenset[str]:
        """Empty the trigger; what was said since the last time, `GIVE_WAY` or else anything. Never waits."""
        data = self._drained()
        return frozenset({GIVE_WAY} if f"{GIVE_WAY}\n".encode() in data else {"."} if data else ())

    def heard(self) -> Heard:
        """Empty the trigger, and say what was said since the last time. Never waits."""
        data = self._drained()
        *lines, rest = data.split(b"\n")
        names = {line.decode("ascii", "replace") for line in lines}
        is_clear = not rest and len(data) <= _MUCH_BYTES and all(map(is_name, names))
        return Heard(names=frozenset(names)) if is_clear else Heard(is_general=True)

    def _drained(self) -> bytes:
        whole = b""
        with suppress(BlockingIOError):
            while data := os.read(self._descriptor, 4096):
                whole += data
                if len(data) < 4096:
                    break
        return whole

    @property
    def is_in_place(self) -> bool:
        """The FIFO that others would pull is this one: nobody removed it."""
        try:
            return self.path.stat().st_ino == os.fstat(self._descriptor).st_ino
        except OSError:
            return False

    def mend(self) -> bool:
        """Make the FIFO anew if it was removed (temporary folders get cleaned); whether `fileno()` changed.

        Where that fails the old one is kept: the reader's tick has to do.
        """
        if self.is_in_place:
            return False
        try:
            descriptor = _open_fifo(self.path)
        except StorageError:
            return False
        os.close(self._descriptor)
        self._descriptor = descriptor
        return True

    def close(self) -> None:
        """Stop listening. The FIFO stays: the next life of the reader may listen on it already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def remove_triggers(tree: Tree) -> None:
    """Remove the triggers of a tree that nobody works on any more. Never raises."""
    with suppress(OSError):
        _remove(trigger_folder(tree))


def remove_stale_triggers(*, most: int = MOST_SWEPT) -> None:
    """Remove the triggers of up to `most` other trees on which nobody listens any more. Never raises.

    A reader keeps its FIFO open, so one without a reader is nobody's, unless it is being made just now.
    """
    with suppress(OSError):
        newest_s = time.time() - _YOUNG_S
        for folder in islice(_runtime_folder().iterdir(), most):
            with suppress(OSError):
                if folder.lstat().st_mtime < newest_s and not any(map(_has_reader, folder.iterdir())):
                    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder of FIFOs. Raises OSError where it holds anything else."""
    for path in folder.iterdir():
        if stat.S_ISFIFO(path.lstat().st_mode):
            path.unlink(missing_ok=True)
    folder.rmdir()


def _has_reader(fifo: Path) -> bool:
    """Somebody listens, or this is no FIFO at all."""
    if not stat.S_ISFIFO(fifo.lstat().st_mode):
        return True
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW))
    except OSError as cause:
        return cause.errno != errno.ENXIO
    return True


def _open_fifo(path: Path) -> int:
    try:
        _own_folder(path.parent.parent)
        _own_folder(path.parent)
        _make_fifo(path)
        # Read and write: so it never is at end of file when the last writer goes.
        return os.open(path, _READ_AND_WRITE)
    except OSError as cause:
        raise storage_error("make the trigger", path, cause) from cause


def _make_fifo(path: Path) -> None:
    try:
        os.mkfifo(path, _FIFO_MODE)
    except FileExistsError:
        if not stat.S_ISFIFO(path.lstat().st_mode):
            path.unlink()
            os.mkfifo(path, _FIFO_MODE)
    if _FIFO_MODE & ~path.lstat().st_mode:
        path.chmod(_FIFO_MODE)  # a umask may take even the owner's rights


def _own_folder(path: Path) -> None:
    """Make `path`, or see that it is a folder of ours alone: /tmp is everybody's. Raises PermissionError."""
    with suppress(FileExistsError):
        path.mkdir(_FOLDER_MODE)
        path.chmod(_FOLDER_MODE)  # a umask may take even the owner's rights
    found = path.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_ours or found.st_mode & 0o022:
        raise PermissionError(0, f"{path} belongs to somebody else or is writable by others; remove it")
