"""`check --repair`: mends only what is safe to mend, and keeps what it sets aside.

Nothing that a process could still read as a fact is thrown away: bad files become `<file>.torn-<n>`, torn
tails too; only temporaries of a replace that did not happen are deleted. After etcd's wal repair. What needs
a person (hand edits, corruption, lost lines) is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from state_layout.check import Finding, Problem, check
from state_layout.check.scene import Scene
from state_layout.check.walk import walk
from state_layout.errors import Locked, storage_error
from state_layout.files import atomic, disk
from state_layout.files.fence import refuse_links
from state_layout.files.journal import Journal
from state_layout.files.locks import editing
from state_layout.files.reading import read_regular
from state_layout.lives.attempts import seal_exit
from state_layout.paths import Tree
from state_layout.records import ExitReason
from state_layout.specs import Kinds
from state_layout.tree.stillness import held_still

LARGEST_SET_ASIDE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A repair is what was done about a problem; `path` is relative to the tree."""

    path: str
    done: str

    def __str__(self) -> str:
        return f"{self.path}: {self.done}"


def repair(
    tree: Tree, problems: Iterable[Problem], *, kinds: Kinds | None = None, patience_s: float = 10.0
) -> list[Repair]:
    """Mend those of `problems` that are repairable and still there; what was done.

    Raises Locked while a supervisor or an agent lives, or somebody edits the specs for longer than
    `patience_s`; StorageError. Can be repeated.
    """
    wanted = {(problem.finding, problem.path) for problem in problems if problem.is_repairable}
    if not wanted:
        return []
    try:
        refuse_links(tree.root, tree.spec)
        with held_still(tree), editing(tree.spec_lock, patience_s=patience_s):
            found = check(tree, kinds=kinds, is_held_still=True)
            return [
                Repair(path=problem.path, done=text)
                for problem in found
                if problem.is_repairable and (problem.finding, problem.path) in wanted
                for text in _mend(tree, problem)
            ]
    except Locked as cause:
        raise Locked(f"{cause}; nothing is repaired while somebody works here: stop it first") from cause


def _mend(tree: Tree, problem: Problem) -> list[str]:
    path = tree.root / problem.path
    try:
        return _MENDINGS[problem.finding](tree, path)
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise storage_error("repair", path, cause) from cause


def _set_tail_aside(tree: Tree, path: Path) -> list[str]:
    """As its next writer would; Journal.open refuses what is no tail."""
    before = path.stat().st_size
    Journal.open(path).close()
    cut = before - path.stat().st_size
    return [f"set {cut} bytes of a torn tail aside in {path.name}.torn-*"]


def _set_aside(tree: Tree, path: Path) -> list[str]:
    return [f"set aside as {_kept_aside(path)}"]


def _seal(tree: Tree, path: Path) -> list[str]:
    agent, attempt = path.parents[2].name, int(path.parent.name)
    is_sealed = seal_exit(tree, agent, attempt, by="repair", reason=ExitReason.LOST)
    return [f"sealed as {ExitReason.LOST}"] if is_sealed else []


def _seal_anew(tree: Tree, path: Path) -> list[str]:
    return [*_set_aside(tree, path), *_seal(tree, path)]


def _remove(tree: Tree, path: Path) -> list[str]:
    disk.unlink(path)
    return ["removed"]


def _close_to_others(tree: Tree, path: Path) -> list[str]:
    """Take the rights of other users from every listed file and folder."""
    changed = 0
    for found in walk(Scene(tree)):
        if found.mode & 0o077:
            disk.chmod(found.path, found.mode & 0o700)
            changed += 1
    return [f"taken from other users, with all else: {changed} files and folders"]


def _put_back(tree: Tree, path: Path) -> list[str]:
    data, _ = read_regular(tree.accepted_copy(path))
    atomic.make_folder(path.parent)
    is_back = atomic.create_once(path, data)
    return ["put back the last good version"] if is_back else []


def _kept_aside(path: Path) -> str:
    """Move the file `path` to the next free `<path>.torn-<n>`, durably; its name."""
    data, _ = read_regular(path, most_bytes=LARGEST_SET_ASIDE_BYTES)
    number = 1
    while not atomic.create_once(path.with_name(f"{path.name}.torn-{number}"), data):
        number += 1
    disk.unlink(path)
    atomic.fsync_folder(path.parent)
    return f"{path.name}.torn-{number}"


_MENDINGS: Mapping[Finding, Callable[[Tree, Path], list[str]]] = {
    Finding.TORN: _set_tail_aside,
    Finding.ZEROS: _set_tail_aside,
    Finding.CORRUPT: _set_tail_aside,
    Finding.TEMPORARY: _remove,
    Finding.READABLE_BY_OTHERS: _close_to_others,
    Finding.SPEC_MISSING: _put_back,
    Finding.EXIT_MISSING: _seal,
    Finding.EXIT_BAD: _seal_anew,
    Finding.SNAPSHOT_BAD: _set_aside,
    Finding.CHECKPOINT_BAD: _set_aside,
    Finding.CHECKPOINT_AHEAD: _set_aside,
}
