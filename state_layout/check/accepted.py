"""Says what people stand by: findings that they looked at and accepted, with the state of the file at that
time.

A finding stays accepted while the file is as it was then, or has grown by lines that fit; any further edit
brings it back. Accepting changes no record and makes no damaged journal readable: it says who knew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TypedDict

from state_layout.check.problem import Finding, Problem, Severity, is_of_people
from state_layout.check.scan import FileScan, ScanBounds, judge
from state_layout.check.scene import Scene
from state_layout.files.journal import Journal, Reader
from state_layout.files.locks import editing
from state_layout.files.looking import is_link, is_regular
from state_layout.files.reading import opened_record
from state_layout.paths import Tree
from state_layout.witness import Witness, end_of

_CHUNK_BYTES = 1 << 20
_SUFFIX = ".jsonl"


class FileState(TypedDict):
    """The state says what was at a path: both are None if no regular file was."""

    size: int | None
    sha256: str | None


class Acceptance(FileState):
    """A line of the file says who stands by which finding."""

    at: str
    by: str
    finding: str
    path: str
    line: int | None
    what: str


AcceptanceKey = tuple[str, str, int | None, str]


def accept(tree: Tree, problems: Iterable[Problem], *, by: str) -> list[Problem]:
    """Record that `by` stands by each problem of `problems`, durably; those that were recorded.

    Mistakes in `spec/` are left out: they are mended by editing. Raises Damaged, Locked, StorageError.
    """
    taken = [each for each in problems if each.severity is Severity.PROBLEM and not is_of_people(each)]
    if not taken:
        return []
    with editing(tree.spec_lock):
        journal = Journal.open(tree.acceptances)
        try:
            for problem in taken:
                named = {"finding": str(problem.finding), "line": problem.line, "what": problem.what}
                state = _state(tree.root / problem.path)
                journal.append("accepted", {"by": by, "path": problem.path, **named, **state})
            journal.sync()
        finally:
            journal.close()
    witness = Witness.named(tree)
    if witness is not None and any(each.finding in _OF_WITNESS for each in taken):
        witness.note(is_accepted=True)
    return taken


_OF_WITNESS = (Finding.ROLLED_BACK, Finding.OTHER_SEEN)


def with_acceptances(scene: Scene) -> list[Problem]:
    """List the problems of `scene`, those that somebody stands by marked as accepted."""
    known = {_key(found): found for found in _acceptances(scene)}
    return [_judged(scene.tree, problem, known) for problem in scene.problems] if known else scene.problems


def _judged(tree: Tree, problem: Problem, known: dict[AcceptanceKey, Acceptance]) -> Problem:
    found = known.get((str(problem.finding), problem.path, problem.line, problem.what))
    if found is None or problem.severity is not Severity.PROBLEM:
        return problem
    if not _is_as_then(tree.root / problem.path, found):
        return replace(problem, what=f"{problem.what}, and was changed since {found['by']} accepted it")
    remedy = f"{found['by']} stands by it since {found['at']}"
    return replace(problem, severity=Severity.ACCEPTED, remedy=remedy, is_repairable=False)


def _acceptances(scene: Scene) -> Iterator[Acceptance]:
    scan = FileScan(scene, scene.tree.acceptances)
    for line in scan:
        fields = line.fields()
        if {"finding", "path", "line", "what", "size", "sha256", "by"} <= fields.keys():
            yield fields
    judge(scene, scan, ScanBounds(is_continued=True), is_written=lambda: False)


def _key(found: Acceptance) -> AcceptanceKey:
    return found["finding"], found["path"], found["line"], found["what"]


def _state(path: Path) -> FileState:
    """Read the state of `path`: the size and digest of a regular file, nothing of all else."""
    if is_link(path) or not is_regular(path):
        return {"size": None, "sha256": None}
    size = path.stat().st_size
    return {"size": size, "sha256": _digest(path, size)}


def _is_as_then(path: Path, found: Acceptance) -> bool:
    """The file is as it was accepted, or has only grown by lines that fit."""
    now, size = _state(path), found["size"]
    if size is None or now["size"] is None or now["size"] == size:
        return now["sha256"] == found["sha256"]
    if now["size"] < size or path.suffix != _SUFFIX or _digest(path, size) != found["sha256"]:
        return False
    end = end_of(path, before=size)
    if end is None or end.offset != size:
        return False
    reader = Reader(path, end)
    for _ in reader:
        pass
    return reader.damage is None or reader.damage.is_partial


def _digest(path: Path, size: int) -> str:
    digest, left = sha256(), size
    with opened_record(path) as file:
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()
