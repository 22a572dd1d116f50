"""Notes every change of the disk that passes the door of `state_layout`, and what outsiders were told.

One log for all processes of a run, opened for appending: each record is one write, so the order in the file
is the order in which things happened, whoever did them. A change leaves two records, before it and after it;
what is told (`tell`) leaves one. Nothing is synced: the log is not what loses power.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import marshal
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from state_layout.files import disk

VARIABLE = "MAOS_SUP_PROOF_LOG"
BEFORE, AFTER, TOLD = 0, 1, 2
Record = tuple[Any, ...]  # (BEFORE, pid, number, operation, facts), (AFTER, pid, number, facts), (TOLD, ...)

_DESCRIPTOR = ("write", "pwrite", "fdatasync", "fsync", "truncate")
_PATHS = ("rename", "link", "unlink", "mkdir", "rmdir")
_SYNCS = ("fdatasync", "fsync")
_numbers = itertools.count()
_log, _path, _is_installed = -1, "", False


def start(path: Path | str) -> None:
    """Record into the log at `path`, made if needed, from now on: this process and those forked from it."""
    global _path, _is_installed
    _path = os.fspath(path)
    _open(_path)
    if not _is_installed:
        _is_installed = True
        for name in (*_DESCRIPTOR, *_PATHS, "create"):
            setattr(disk, name, _recorded(name, getattr(disk, name)))


def stop() -> None:
    """Record no more in this process."""
    global _log
    if _log >= 0:
        os.close(_log)
    _log = -1


def tell(what: str, *value: Any) -> None:
    """Note that somebody outside knows something now: from here on it may not be taken back."""
    if _log >= 0:
        _note((TOLD, os.getpid(), time.monotonic_ns(), what, value))


def append(path: Path, what: str, *value: Any) -> None:
    """`tell` into the log at `path`, by a process that does not record."""
    data = marshal.dumps((TOLD, os.getpid(), time.monotonic_ns(), what, value))
    with path.open("ab", buffering=0) as log:
        log.write(len(data).to_bytes(4, "little") + data)


def read(path: Path) -> Iterator[Record]:
    """The records of a log, in order."""
    with path.open("rb") as file:
        while head := file.read(4):
            yield marshal.loads(file.read(int.from_bytes(head, "little")))


def _open(path: str) -> None:
    """Open the log away from the numbers that agents and the programs they start use."""
    global _log
    low = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _log = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 250)
    os.close(low)


def _note(record: Record) -> None:
    data = marshal.dumps(record)
    data = len(data).to_bytes(4, "little") + data
    try:
        os.write(_log, data)
    except OSError as error:  # a forked agent closes all that it inherits
        if error.errno != errno.EBADF:
            raise
        _open(_path)
        os.write(_log, data)


@contextmanager
def _one_at_a_time(is_wanted: bool) -> Iterator[None]:
    """Keep the records of several processes in the order of what they did.

    What one has written, made or renamed others see at once. Where it is held up before it notes that it has,
    another may read that, sync it and rely on it, or put a file into the new folder; the log would have the
    sync begin before the write had ended, and a file in a folder that is not there.
    """
    if not is_wanted:
        yield
        return
    try:
        fcntl.lockf(_log, fcntl.LOCK_EX)
    except OSError as error:  # as in `_note`
        if error.errno != errno.EBADF:
            raise
        _open(_path)
        fcntl.lockf(_log, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(_log, fcntl.LOCK_UN)


def _recorded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    before = _before_path if name in _PATHS else _before_create if name == "create" else _before_descriptor

    def recorded(*arguments: Any) -> Any:
        if _log < 0 or (name == "create" and not arguments[1] & os.O_CREAT):
            return real(*arguments)
        key = (os.getpid(), next(_numbers))
        with _one_at_a_time(name in _SYNCS):
            _note((BEFORE, *key, name, before(arguments)))
        with _one_at_a_time(name not in _SYNCS):
            try:
                result = real(*arguments)
            except BaseException:
                _note((AFTER, *key, None))
                raise
            _note((AFTER, *key, _after(name, arguments, result)))
        return result

    return recorded


def _before_descriptor(arguments: Record) -> Record:
    found = os.fstat(arguments[0])
    if stat.S_ISDIR(found.st_mode):
        return (found.st_ino, os.fspath(Path(f"/proc/self/fd/{arguments[0]}").readlink()), 0, None)
    data = bytes(arguments[1]) if len(arguments) > 1 and not isinstance(arguments[1], int) else None
    number = arguments[-1] if len(arguments) > 1 and isinstance(arguments[-1], int) else None
    return (found.st_ino, None, number, data)


def _before_path(arguments: Record) -> Record:
    return tuple(os.fspath(item) for item in arguments if not isinstance(item, int))


def _before_create(arguments: Record) -> Record:
    return (os.fspath(arguments[0]),)


def _after(name: str, arguments: Record, result: Any) -> Record:
    if name == "create":
        return (os.fstat(result).st_ino,)
    if name == "write":
        return (_offset(arguments[0]) - result, result)
    return (result,) if isinstance(result, int) else ()


def _offset(descriptor: int) -> int:
    try:
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError:
        return 0
