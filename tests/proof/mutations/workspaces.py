"""Bugs of workspaces, restores and landing, shown by kills before one disk operation or another."""

from __future__ import annotations

from functools import partial

from ..plant import Bug as AnyBug

_OF = "maos_sup.workspaces"
Bug = partial(AnyBug, run="workspaces")

BUGS = [
    Bug(
        "a restore is not journaled first",
        f"{_OF}.restoring:_restored",
        'atomic.replace(own.restoring / RESTORING, codec.encode(told) + b"\\n")',
        "pass",
    ),
    Bug(
        "a restore that was cut off is not finished",
        f"{_OF}.restoring:finish",
        "if told is None:",
        "if told is not None or told is None:",
    ),
    Bug(
        "what a restore takes away is not kept",
        f"{_OF}.restoring:_restored",
        "before = camera.take(why=why, seq=NO_SEQ, head=newest.head, is_new=True, seen=now)",
        "before = camera.take(why=why, seq=NO_SEQ, head=newest.head, is_new=True, "
        "seen=manifest_of(camera.store, target))",
    ),
    Bug(
        "a workspace that was removed is not on record as to be made",
        f"{_OF}.record:to_be_made",
        "write_record(paths, anew)",
        "pass",
    ),
    Bug(
        "a half-made worktree is called made",
        f"{_OF}.worktree:make",
        "_clear(paths, repository, record)",
        "_clear(paths, repository, record); write_record(paths, replace(record, state=MADE))",
    ),
    Bug(
        "work is committed and its branch stays",
        f"{_OF}.keeping:keep",
        'move_ref(repository.common, record.ref, commit, old=head, why="work of a task")',
        "pass",
    ),
    Bug("a branch that somebody moved is moved", f"{_OF}.refs:move_ref", "if found != old:", "if False:"),
    Bug(
        "who goes on after a sweep keeps nothing anew",
        f"{_OF}.store:Store._last_sweep",
        "return read_record(self._root / _SWEPT)",
        'return b""',
    ),
    Bug(
        "contents are swept while others keep some",
        f"{_OF}.store:Store.sweep",
        "descriptor = self._locked(fcntl.LOCK_EX)",
        "descriptor = self._locked(fcntl.LOCK_SH)",
    ),
    Bug(
        "a link in a clone is followed",
        f"{_OF}.modes:home_of",
        "cloning.refuse_strange(home)",
        "pass",
    ),
    Bug(
        "what the user changed meanwhile is overwritten",
        f"{_OF}.own:put_into_project",
        "if state_of_project(tree, repository) != start:",
        'if state_of_project(tree, repository) == "":',
    ),
]
