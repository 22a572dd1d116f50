"""Notes every change of the disk that passes the door of `state_layout`, and what outsiders were told.

One log for all processes of a run, opened for appending: each record is one write, so the order in the file
is the order in which things happened, whoever did them. A change leaves two records, before it and after it;
what is told (`tell`) leaves one. Nothing is synced: the log is not what loses power.
"""

from __future__ import annotations

import itertools
import marshal
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from state_layout.files import disk

VARIABLE = "MAOS_SUP_PROOF_LOG"
BEFORE, AFTER, TOLD = 0, 1, 2
Record = tuple[Any, ...]  # (BEFORE, pid, number, operation, facts), (AFTER, pid, number, facts), (TOLD, ...)

_DESCRIPTOR = ("write", "pwrite", "fdatasync", "fsync", "truncate")
_PATHS = ("rename", "link", "unlink", "mkdir", "rmdir")
_numbers = itertools.count()
_log = -1


def start(path: Path | str) -> None:
    """Record into the log at `path`, made if needed, from now on: this process and those forked from it."""
    global _log
    is_first = _log < 0
    _log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if is_first:
        _move_up()
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


def read(path: Path) -> Iterator[Record]:
    """The records of a log, in order."""
    with path.open("rb") as file:
        while head := file.read(4):
            yield marshal.loads(file.read(int.from_bytes(head, "little")))


def _move_up() -> None:
    """Away from the numbers that agents and the programs they start use."""
    global _log
    import fcntl

    high = fcntl.fcntl(_log, fcntl.F_DUPFD_CLOEXEC, 250)
    os.close(_log)
    _log = high


def _note(record: Record) -> None:
    data = marshal.dumps(record)
    os.write(_log, len(data).to_bytes(4, "little") + data)


def _recorded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    before = _before_path if name in _PATHS else _before_create if name == "create" else _before_descriptor

    def recorded(*arguments: Any) -> Any:
        if _log < 0 or (name == "create" and not arguments[1] & os.O_CREAT):
            return real(*arguments)
        key = (os.getpid(), next(_numbers))
        _note((BEFORE, *key, name, before(arguments)))
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
