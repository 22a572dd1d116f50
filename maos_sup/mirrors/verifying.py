"""Hold a mirror against the tree, line for line and byte for byte. Only reads, both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import zip_longest

from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor, Mirror, Sort
from maos_sup.mirrors.sources import source_of
from state_layout.files import atomic
from state_layout.files.chain import ORIGIN, Line
from state_layout.files.journal import Reader
from state_layout.paths import Tree
from state_layout.witness import stands

_CHUNK_BYTES = 1 << 20


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Tells what a comparison found. `differences` and `behind` are texts for people, one for each file."""

    lines: int = 0
    files: int = 0
    behind: list[str] = field(default_factory=list)  # the tree went on: what the mirror has of it is right
    kept: list[str] = field(default_factory=list)  # the tree has them no more
    differences: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """All that the mirror has is as in the tree, and nothing is missing."""
        return not self.differences and not self.behind


def verify(tree: Tree, mirror: Mirror) -> Comparison:
    """Compare everything that `mirror` has of `tree`. Raises MirrorTrouble, StorageError."""
    cursor, verdict = mirror.look(), Comparison()
    looker = Looker(tree, Cursor())
    changed, _ = looker.scanner.look(is_whole=True)
    known = {*cursor.lines, *cursor.pieces, *cursor.contents}
    for path in sorted({*changed, *known}):
        source = source_of(path)
        if source is None:
            continue
        if path not in looker.scanner.files:
            if path in cursor.contents:
                verdict.behind.append(f"{path}: is not there any more")
            else:
                verdict.kept.append(path)
            continue
        verdict.files += 1
        if source.sort is Sort.LINES and _went_back(tree, path, cursor):
            verdict.behind.append(f"{path}: went back with a rollback")
        elif source.sort is Sort.LINES:
            _compare_lines(tree, mirror, path, verdict)
        elif source.sort is Sort.PIECES:
            _compare_bytes(tree, mirror, path, verdict)
        else:
            _compare_content(tree, mirror, path, verdict)
    _compare_counted(tree, cursor, verdict)
    return verdict


def _went_back(tree: Tree, path: str, cursor: Cursor) -> bool:
    """The file is another one since, and what the mirror has of it lies aside."""
    known = cursor.lines.get(path, ORIGIN)
    return not Reader(tree.root / path, known).stands() and stands(tree.root / path, known)


def _compare_lines(tree: Tree, mirror: Mirror, path: str, verdict: Comparison) -> None:
    missing = 0
    lines: Iterator[Line] = iter(Reader(tree.root / path))
    for ours, theirs in zip_longest(lines, mirror.lines(path)):
        if ours is None:
            verdict.differences.append(f"{path}: the mirror has seq {theirs[0]}, which the file has not")
            return
        if theirs is None:
            missing += 1
        elif theirs != (ours.seq, ours.raw):
            verdict.differences.append(f"{path}: seq {ours.seq} is another line in the mirror")
            return
        else:
            verdict.lines += 1
    if missing:
        verdict.behind.append(f"{path}: {missing} {'line' if missing == 1 else 'lines'} behind")


def _compare_bytes(tree: Tree, mirror: Mirror, path: str, verdict: Comparison) -> None:
    with atomic.opened(tree.root / path, os.O_RDONLY) as descriptor:
        offset = 0
        for data in mirror.data(path):
            if os.pread(descriptor, len(data), offset) != data:
                verdict.differences.append(f"{path}: other bytes in the mirror after {offset}")
                return
            offset += len(data)
        if (missing := os.fstat(descriptor).st_size - offset) > 0:
            verdict.behind.append(f"{path}: {missing} bytes behind")


def _compare_content(tree: Tree, mirror: Mirror, path: str, verdict: Comparison) -> None:
    theirs = b"".join(mirror.data(path))
    with atomic.opened(tree.root / path, os.O_RDONLY) as descriptor:
        ours = sha256()
        while data := os.read(descriptor, _CHUNK_BYTES):
            ours.update(data)
    if ours.digest() != sha256(theirs).digest():
        verdict.behind.append(f"{path}: another version")


def _compare_counted(tree: Tree, cursor: Cursor, verdict: Comparison) -> None:
    """Note each file whose lines, taken back by a later life, are marked otherwise than in the tree."""
    fresh = Looker(tree, Cursor())
    fresh.judge_all()
    for path, last in fresh.cursor.counted.items():
        if path in cursor.lines and cursor.counted.get(path) != last:
            told = {None: "all", -1: "none"}
            verdict.behind.append(
                f"{path}: lines up to {told.get(last, last)} count, in the mirror up to "
                f"{told.get(cursor.counted.get(path), cursor.counted.get(path))}"
            )
