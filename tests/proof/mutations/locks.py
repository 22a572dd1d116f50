"""Bugs that only two processes show: locks released early, shared, passed on; changes made without them."""

from __future__ import annotations

from ..plant import Bug

_LOCKS, _EDIT = "state_layout.files.locks", "state_layout.specs.edit"

BUGS = [
    Bug(
        "a lock that another holds is taken",
        f"{_LOCKS}:try_lock",
        "return False",
        "return True",
        run="rivals",
    ),
    Bug(
        "a lock is released early",
        f"{_LOCKS}:try_lock",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB); fcntl.flock(descriptor, fcntl.LOCK_UN)",
        run="rivals",
    ),
    Bug(
        "readers and writers share a lock",
        f"{_LOCKS}:try_lock",
        "fcntl.LOCK_EX",
        "fcntl.LOCK_SH",
        run="rivals",
    ),
    Bug(
        "a lock lives on in a forked child",
        f"{_LOCKS}:LifeLock.__init__",
        "os.register_at_fork(after_in_child=self._close_in_child)",
        "pass",
        run="rivals",
    ),
    Bug(
        "a removed lock is held",
        f"{_LOCKS}:_is_at",
        "return os.path.samestat(path.stat(), os.fstat(descriptor))",
        "return True",
        run="rivals",
    ),
    Bug(
        "an edit overwrites one made meanwhile",
        f"{_EDIT}:_is_still",
        "return read_regular(path)[0] == data",
        "return True",
        run="rivals",
    ),
]
