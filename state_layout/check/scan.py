"""Reads one chained file to its end or to its first bad line, and says what that line means.

Streaming: lines are seen once and forgotten. A file that its writer is working on is looked at twice, so that
a line in the middle of being written is never called torn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from state_layout.check.first_bad_line import FirstBadLine, examine
from state_layout.check.problem import CATALOGUE, Finding, FindingEntry, Severity, as_note
from state_layout.check.scene import Scene
from state_layout.files import codec
from state_layout.files.chain import Line, Position, Run
from state_layout.files.journal import Damage, Reader

_AT_ONCE = 64  # lines
AS_IN_A_COPY = "as in a copy of a living tree: resume goes on from there, what came after may be done again"
_CORRUPT_REMEDY = "restore the file from a copy; its agent does not start like this"
_SET_ASIDE_REMEDY = "never acknowledged, nothing is lost: the next writer sets it aside, or --repair"
_LEFT_OUT_REMEDY = "never acknowledged, nothing is lost: the next life goes on from the line before"


class Passage(NamedTuple):
    """A passage is lines of a file that follow each other, and what stands in each: None where that is no
    JSON object."""

    run: Run
    first_line: int  # its number in the file, from 1
    entries: Sequence[Mapping[str, Any] | None]


class FileScan:
    """Iterates the whole valid lines of `path`; `position` and `damage` say where and why it ended.

    A file that is missing, or no regular file, has no lines. What cannot be read is reported.
    """

    def __init__(self, scene: Scene, path: Path) -> None:
        self.path = path
        self.line = 0  # of the line last given
        self._scene = scene
        self._reader = Reader(path)

    def __iter__(self) -> Iterator[Line]:
        if not self._scene.is_file(self.path):
            return
        with self._scene.reading(self.path):
            yield from self._lines()
            if self.damage is not None:
                yield from self._lines()  # what was being written is written by now

    def passages(self) -> Iterator[Passage]:
        """Iterate the same lines many at once, with what stands in each."""
        if not self._scene.is_file(self.path):
            return
        with self._scene.reading(self.path):
            yield from self._passages()
            if self.damage is not None:
                yield from self._passages()

    def _passages(self) -> Iterator[Passage]:
        for run in self._reader.runs():
            for part in run.parts(_AT_ONCE):
                first = self.line + 1
                self.line += len(part.raws)
                yield Passage(part, first, _decoded(part.raws))

    def _lines(self) -> Iterator[Line]:
        for run in self._reader.runs():  # a third of the time of one by one
            for line in run.lines():
                self.line += 1
                yield line

    @property
    def state(self) -> tuple[int, Reader]:
        """Say how far it is, for `take_up` of another one of this file."""
        return self.line, self._reader

    def take_up(self, state: tuple[int, Reader]) -> None:
        """Be as far as the one whose `state` this is."""
        self.line, self._reader = state

    @property
    def position(self) -> Position:
        """The last valid line ends here, once all were given."""
        return self._reader.position

    @property
    def damage(self) -> Damage | None:
        """The damage is the first line that is not valid."""
        return self._reader.damage


def _decoded(raws: Sequence[bytes]) -> Sequence[Mapping[str, Any] | None]:
    """Decode lines, all with one call where each of them is an object by itself."""
    with suppress(codec.NotJson, KeyError, TypeError):
        entries = codec.decode_objects(raws)
        told = ",".join([entry["h"] for entry in entries])
        if told.encode() == b",".join([raw[-14:-2] for raw in raws]):
            return entries  # no part of an entry is in another line
    return [_decoded_alone(raw) for raw in raws]


def _decoded_alone(raw: bytes) -> Mapping[str, Any] | None:
    try:
        return codec.decode_object(raw)
    except codec.NotJson:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanBounds:
    """The bounds are what others know of a file. `floor`: a `seq` that was durable. `is_void`: what follows
    the valid lines counts for nobody. `is_continued`: the next writer appends here, so it sets a torn tail
    aside."""

    floor: int = 0
    is_void: bool = False
    is_continued: bool = False


def judge(scene: Scene, scan: FileScan, bounds: ScanBounds, *, is_written: Callable[[], bool]) -> bool:
    """Report the damage of a scanned file, if any; whether what was durable before it is all there.

    `is_written` tells whether the file's writer lives: then a line without its end is being written.
    """
    damage = scan.damage
    if damage is None or (damage.is_partial and is_written()):
        return True
    is_tail = damage.is_partial or (damage.is_tail and damage.position.seq >= bounds.floor)
    with scene.reading(scan.path):
        wound = examine(scan.path, damage.position)
        said = _said(wound, bounds, is_tail=is_tail)
        was_durable = "" if is_tail or bounds.is_void else "; it was durable once"
        scene.report(wound.finding, scan.path, line=damage.line, what=wound.what + was_durable, said=said)
    return is_tail or bounds.is_void


def judge_end(scene: Scene, scan: FileScan, *, floor: int, why: str) -> bool:
    """Report a file that ends before `floor`, which was durable because of `why`; whether it does not."""
    if scan.position.seq >= floor:
        return True
    what = f"ends at seq {scan.position.seq}, but {why} up to {floor}"
    said = as_note(Finding.CUT_SHORT, AS_IN_A_COPY) if scene.is_copy else None
    scene.report(Finding.CUT_SHORT, scan.path, line=scan.line or None, what=what, said=said)
    return False


def _said(wound: FirstBadLine, bounds: ScanBounds, *, is_tail: bool) -> FindingEntry:
    entry = CATALOGUE[wound.finding]
    if bounds.is_void:
        return as_note(wound.finding, "nobody reads it: a later life goes on from a line before it")
    if not is_tail:
        return FindingEntry(Severity.PROBLEM, entry.remedy if wound.by_hand else _CORRUPT_REMEDY)
    if wound.by_hand:
        what_else = "the next writer sets aside" if bounds.is_continued else "the next life leaves out"
        return entry._replace(remedy=f"{entry.remedy}; otherwise {what_else} this line and what follows")
    if bounds.is_continued:
        return FindingEntry(Severity.NOTE, _SET_ASIDE_REMEDY, is_repairable=True)
    return as_note(wound.finding, _LEFT_OUT_REMEDY)
