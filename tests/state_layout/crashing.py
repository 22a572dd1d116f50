"""Stop a process at each of its disk operations, and cut the power there.

`crash(act, at=k)` runs `act` in a forked child that ends, without a word, just before its k-th operation that
changes the disk (seen through `state_layout.files.disk.tap`). What it wrote stays: that is a kill. The `Disk`
that comes back knows what was not synced by then, and can take it away in the ways power losses do.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from state_layout.files import disk

CRASHED, FINISHED, FAILED = 7, 8, 9


@dataclass
class Unsynced:
    """A file's bytes that a power loss may take: appended from `start` on, or overwritten at `pieces`."""

    path: Path
    start: int
    pieces: list[tuple[int, int, bytes]] = field(default_factory=list)  # offset, length, bytes before


@dataclass
class Disk:
    """Tells what a process had changed and not synced when it stopped."""

    operations: int = 0
    last: str = ""
    files: dict[tuple[int, int], Unsynced] = field(default_factory=dict)  # by device and inode
    names: list[Path] = field(default_factory=list)  # made, their folder not synced since
    replaced: list[tuple[Path, bytes]] = field(default_factory=list)  # renamed over, folder not synced since
    _last: Callable[[], None] | None = None  # the effect of the operation that is happening

    def see(self, operation: str, arguments: tuple[Any, ...]) -> None:
        """Note the operation that is about to happen; the one before it has."""
        if self._last is not None:
            self._last()
        self._last = None
        self.operations += 1
        self.last = f"{operation} {[item for item in arguments if not isinstance(item, bytes)]}"
        paths = (Path(item) if isinstance(item, str) else item for item in arguments)
        getattr(self, f"_{operation}", lambda *_: None)(*paths)

    def stopped(self) -> Disk:
        """As it is when the process stops before the operation seen last."""
        self._last = None
        return self

    def _create(self, path: Path, flags: int) -> None:
        if not path.exists():
            self._last = lambda: self.names.append(path)

    def _mkdir(self, path: Path) -> None:
        self._last = lambda: self.names.append(path)

    def _link(self, source: Path, target: Path) -> None:
        if not target.exists():
            self._last = lambda: self.names.append(target)

    def _unlink(self, path: Path) -> None:
        def gone() -> None:
            self.names = [name for name in self.names if name != path]

        self._last = gone

    def _rename(self, source: Path, target: Path) -> None:
        if target.exists():
            before = target.read_bytes()
            self._last = lambda: self.replaced.append((target, before))
        else:
            self._last = lambda: self.names.append(target)

    def _write(self, descriptor: int, data: bytes) -> None:
        found = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.files.setdefault((found.st_dev, found.st_ino), Unsynced(path, found.st_size))

    def _pwrite(self, descriptor: int, data: bytes, offset: int) -> None:
        found = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        before = path.read_bytes()[offset : offset + len(data)]
        unsynced = self.files.setdefault((found.st_dev, found.st_ino), Unsynced(path, found.st_size))
        unsynced.pieces.append((offset, len(data), before))

    def _fdatasync(self, descriptor: int) -> None:
        self._fsync(descriptor)

    def _fsync(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()

        def synced() -> None:
            self.files.pop((found.st_dev, found.st_ino), None)
            self.names = [name for name in self.names if name.parent != path]
            self.replaced = [item for item in self.replaced if item[0].parent != path]

        self._last = synced


def crash(act: Callable[[], object], *, at: int | None, earlier: Disk | None = None) -> Disk | None:
    """Run `act` in a child that ends before its operation `at`; None if it finished before that.

    Without `at` it ends when `act` does, and what it had not synced by then is told.

    `earlier` is what processes before it, since the machine was started, had not synced.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(_child(act, at, writing, earlier or Disk()))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {CRASHED, FINISHED}, f"the child failed: {told.decode()}"
    if code == FINISHED:
        return None
    found = pickle.loads(told)
    assert isinstance(found, Disk)
    return found


def _child(act: Callable[[], object], at: int | None, writing: int, seen: Disk) -> int:
    stop = None if at is None else seen.operations + at

    def stop_there(operation: str, arguments: tuple[object, ...]) -> None:
        seen.see(operation, arguments)
        if seen.operations == stop:
            os.write(writing, pickle.dumps(seen.stopped()))
            os._exit(CRASHED)

    disk.tap(stop_there)
    try:
        act()
    except BaseException:  # noqa: BLE001 - the edge of the child: its parent shows it
        os.write(writing, traceback.format_exc().encode())
        return FAILED
    if stop is not None:
        return FINISHED
    seen.see("end", ())
    os.write(writing, pickle.dumps(seen.stopped()))
    return CRASHED


# -- what a power loss may do, besides nothing


def lose(found: Disk) -> None:
    """Everything that was not synced is gone."""
    for unsynced in found.files.values():
        _edit(unsynced, lambda tail: b"")
    for path, before in found.replaced:
        path.write_bytes(before)
    for name in reversed(found.names):
        _remove(name)


def zero(found: Disk) -> None:
    """Names and lengths are there, contents are not."""
    for unsynced in found.files.values():
        _edit(unsynced, lambda tail: bytes(len(tail)))


def tear(found: Disk) -> None:
    """The first half of what was not synced is there."""
    for unsynced in found.files.values():
        _edit(unsynced, lambda tail: tail[: len(tail) // 2])


def shuffle(found: Disk) -> None:
    """Pages were written out of order: the second half is there, the first is not."""
    for unsynced in found.files.values():
        _edit(unsynced, lambda tail: bytes(len(tail) // 2) + tail[len(tail) // 2 :])


Loss = Callable[[Disk], None]
POWER_LOSSES: tuple[Loss, ...] = (lose, zero, tear, shuffle)


def _edit(unsynced: Unsynced, change: Callable[[bytes], bytes]) -> None:
    if not unsynced.path.exists():
        return
    data = bytearray(unsynced.path.read_bytes())
    for offset, length, before in unsynced.pieces:
        new = change(bytes(data[offset : offset + length]))
        data[offset : offset + length] = new + before[len(new) :]
    if not unsynced.pieces:
        data[unsynced.start :] = change(bytes(data[unsynced.start :]))
    unsynced.path.write_bytes(data)


def _remove(path: Path) -> None:
    if path.is_dir():
        for below in path.iterdir():
            _remove(below)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder that costs no disk: what a crash leaves is decided here, not by the disk below."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        yield Path(name)


def at_each_crash(
    act: Callable[[Path], object], check: Callable[[Path], object], *, loss: Loss | None = None
) -> int:
    """Run `act` in fresh folders, stopped at each operation in turn, and `check` what is left; how often."""
    for at in count(1):
        with memory_folder() as folder:
            stopped = crash(partial(act, folder), at=at)
            if stopped is None:
                return at - 1
            if loss is not None:
                loss(stopped)
            try:
                check(folder)
            except BaseException as error:
                error.add_note(f"stopped before operation {at}: {stopped.last}")
                raise
    raise AssertionError  # count() has no end
