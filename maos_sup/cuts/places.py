"""Places in the journals of an agent, and its lines before and after one of them. Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from state_layout.files.chain import Line, Position, Run
from state_layout.files.journal import Reader
from state_layout.lives.attempts import list_attempts
from state_layout.lives.lineage import CountedLife, Lineage
from state_layout.paths import Tree


class Place(NamedTuple):
    """A place is the end of a line in the journal of one attempt; attempt 0 is before the first line."""

    attempt: int
    seq: int
    offset: int  # bytes
    h: str

    def to_json(self) -> dict[str, object]:
        """The place as journals and cuts write it."""
        return {"attempt": self.attempt, "seq": self.seq, "offset": self.offset, "h": self.h}

    @property
    def position(self) -> Position:
        """The position is that of the place within its journal."""
        return Position(self.seq, self.offset, self.h)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Place:
        """Read what `to_json` wrote. Raises KeyError, ValueError or TypeError."""
        return cls(int(value["attempt"]), int(value["seq"]), int(value["offset"]), str(value["h"]))


NOWHERE = Place(0, 0, 0, "")


def place_of(tree: Tree, agent: str, seq: int, *, after: Place = NOWHERE) -> Place:
    """Find the end of the line `seq` of the lines of `agent` that count, NOWHERE if there is none.

    `after` is a place before it that counts, which spares reading what is before. Raises Damaged,
    StorageError.
    """
    for attempt, run in runs_after(tree, agent, after) or ():
        if run.first_seq <= seq <= run.end.seq:
            return Place(attempt, *run.up_to(seq).end)
    return NOWHERE


def lines_with_attempts(tree: Tree, agent: str) -> Iterator[tuple[int, Line]]:
    """Every line of `agent` that counts, with the number of the attempt that wrote it."""
    for attempt, run in runs_after(tree, agent, NOWHERE) or ():
        for line in run.lines():
            yield attempt, line


def runs_after(tree: Tree, agent: str, place: Place) -> Iterator[tuple[int, Run]] | None:
    """The lines of `agent` that count, after `place`, with the attempts that wrote them; many at once.

    None where `place` is not among what counts. What is before it is not read: whoever had the place has
    verified it. Raises Damaged, StorageError.
    """
    lineage = Lineage(tree, tree.agent(agent), list_attempts(tree.agent(agent)))
    lives = lineage.lives(lambda life: life.number == place.attempt)
    if place.attempt and not is_among(lives, place):
        return None
    return ((life.number, run) for life, run in lineage.runs(lives, place.position))


def is_among(lives: Sequence[CountedLife], place: Place) -> bool:
    """The `place` is the end of a line of the first of `lives` that counts."""
    if not lives or lives[0].number != place.attempt:
        return False
    is_void = lives[0].last_seq is not None and place.seq > lives[0].last_seq
    return not is_void and Reader(lives[0].paths.journal, place.position).stands()


def lines_up_to(tree: Tree, agent: str, place: Place) -> Iterator[tuple[int, Line]]:
    """The lines of `agent` that count at `place`, whether they count today or not, with their attempts.

    Raises Damaged.
    """
    if not place.attempt:
        return
    paths = tree.agent(agent)
    numbers = [number for number in list_attempts(paths) if number <= place.attempt]
    lineage = Lineage(tree, paths, numbers)
    for life, run in lineage.runs(lineage.lives(lambda life: False)):
        for line in run.lines():
            if line.seq > place.seq:
                return
            yield life.number, line
