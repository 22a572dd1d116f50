"""Read what a cut needs from the journals of a tree, once and then only what was added.

A first look starts from the newest compaction of each agent, so it costs what was written since; an agent
that would have to go back further than that is read again from its first line. Only reads: it works on a
copy, with nobody alive, and beside living writers, whose unfinished last line is left for the next look.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from maos_sup.core.cuts import Cut, Steps, Trace, consistent_cut
from state_layout.errors import Damaged
from state_layout.files import codec
from state_layout.files.chain import ORIGIN, Line, Position
from state_layout.files.journal import Reader
from state_layout.files.reading import read_record
from state_layout.lives.attempts import list_attempts
from state_layout.lives.checkpoints import Checkpoint
from state_layout.lives.history import History
from state_layout.lives.lineage import Life, Lineage
from state_layout.paths import Tree
from state_layout.records import SETTLED, TaskPhase

_SENT, _RECEIVED, _TASK = b'"sent":[', b'"received":{', b'"type":"task"'


class Place(NamedTuple):
    """The end of a line in the journal of one attempt; attempt 0 is before the first line."""

    attempt: int
    seq: int
    offset: int  # bytes
    h: str

    def to_json(self) -> dict[str, Any]:
        """The place as journals and cuts write it."""
        return {"attempt": self.attempt, "seq": self.seq, "offset": self.offset, "h": self.h}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Place:
        """Read what `to_json` wrote. Raises KeyError, ValueError or TypeError."""
        return cls(int(value["attempt"]), int(value["seq"]), int(value["offset"]), str(value["h"]))


NOWHERE = Place(0, 0, 0, "")


@dataclass(slots=True)
class _Telling:
    """The lines of one agent that say something about others, in order."""

    base: int = 0
    attempt: int = 0  # of the last line taken
    end: Position = ORIGIN  # of that line
    sent: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    marks: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    phases: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # by task, with the line of each

    @property
    def place(self) -> Place:
        """Where the last line taken ends."""
        return Place(self.attempt, *self.end)

    def start_from(self, history: History) -> None:
        """Sum up what the compaction `history` covers in entries that stand at its last line."""
        self.base = history.seq
        self.attempt, self.end = history.attempt, history.position
        self.sent = {to: [(history.seq, n)] for to, n in history.sent.items()}
        self.marks = {key: [(history.seq, mark[0])] for key, mark in history.marks.items()}
        self.began = dict.fromkeys(history.tasks, history.seq)
        self.phases = {task: [(history.seq, each.phase.value)] for task, each in history.tasks.items()}
        self.settled = {
            task: history.seq for task, outcome in history.tasks.items() if outcome.phase in SETTLED
        }

    def take(self, line: Line, attempt: int) -> None:
        """Take the next line of the journal of `attempt`. Raises ValueError, KeyError or TypeError."""
        self.attempt, self.end = attempt, line.end
        raw = line.raw
        if not (_SENT in raw or _RECEIVED in raw or _TASK in raw):
            return
        entry = line.fields()
        for message in entry.get("sent", ()):
            self.sent.setdefault(message["to"], []).append((line.seq, int(message["n"])))
        for key, mark in entry.get("received", {}).items():
            self.marks.setdefault(key, []).append((line.seq, int(mark[0])))
        if entry["type"] == "task":
            phase = TaskPhase(entry["phase"])
            self.began.setdefault(entry["task"], line.seq)
            self.phases.setdefault(entry["task"], []).append((line.seq, phase.value))
            if phase in SETTLED:
                self.settled.setdefault(entry["task"], line.seq)

    def sum_up(self, seq: int) -> None:
        """Put one entry at the line `seq` in place of all up to it."""
        self.base = max(self.base, seq)
        for steps in (*self.sent.values(), *self.marks.values()):
            passed = [number for line, number in steps if line <= seq]
            if passed:
                steps[:] = [(seq, max(passed)), *(step for step in steps if step[0] > seq)]
        for task, phases in self.phases.items():
            before = [phase for line, phase in phases if line <= seq]
            self.phases[task] = [(seq, before[-1])] if before else []
            self.phases[task] += [each for each in phases if each[0] > seq]

    def tasks_at(self, seq: int) -> dict[str, str]:
        """The phase of each task at the line `seq`."""
        at = {task: [phase for line, phase in steps if line <= seq] for task, steps in self.phases.items()}
        return {task: phases[-1] for task, phases in at.items() if phases}

    def trace(self) -> Trace:
        """What was taken so far, not to be changed by what is taken later."""
        return Trace(
            end=self.place.seq,
            base=self.base,
            sent={to: _rising(steps) for to, steps in self.sent.items()},
            marks={key: _rising(steps) for key, steps in self.marks.items()},
            settled=dict(self.settled),
            began=dict(self.began),
        )


def _rising(steps: Iterable[tuple[int, int]]) -> Steps:
    """`steps` without those whose number is not above all before it."""
    kept = list[tuple[int, int]]()
    for line, number in steps:
        if not kept or number > kept[-1][1]:
            kept.append((line, number))
    return tuple(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A consistent cut of a tree: where each agent stands in it, and where its records end."""

    places: Mapping[str, Place]
    ends: Mapping[str, Place]
    cut: Cut
    traces: Mapping[str, Trace]
    tasks: Mapping[str, Mapping[str, str]]  # by agent: phase by task
    damaged: Mapping[str, str]  # agents whose journals cannot be read, and why: not part of the cut


class TeamReader:
    """Finds moments of one tree, again and again; keeps what it read."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known: dict[str, _Telling] = {}
        self._whole = set[str]()  # agents read from their first line

    def moment(self, agents: Iterable[str], needs: Mapping[str, Iterable[str]]) -> Moment:
        """The newest consistent moment of `agents`; `needs` by task. Raises StorageError."""
        damaged = dict[str, str]()
        for agent in sorted(agents):
            try:
                self._read(agent)
            except Damaged as damage:
                damaged[agent] = str(damage)
                self._known.pop(agent, None)
        while True:
            known = {agent: told for agent, told in self._known.items() if agent not in damaged}
            traces = {agent: told.trace() for agent, told in known.items()}
            cut = consistent_cut(traces, floors=used_numbers(self._tree), needs=needs)
            if not cut.unknown:
                break
            for agent in cut.unknown:
                self._read_whole(agent)
        places = {agent: self._place(agent, seq) for agent, seq in cut.ends.items()}
        tasks = {agent: told.tasks_at(cut.ends[agent]) for agent, told in known.items()}
        ends = {agent: told.place for agent, told in known.items()}
        return Moment(places=places, ends=ends, cut=cut, traces=traces, tasks=tasks, damaged=damaged)

    def forget_before(self, places: Mapping[str, Place]) -> None:
        """Keep only a sum of what came before `places`, a moment that was consistent: none later is lower."""
        for agent, place in places.items():
            if agent in self._known:
                self._known[agent].sum_up(place.seq)

    def _read(self, agent: str) -> None:
        told = self._known.get(agent)
        if told is None or not self._go_on(agent, told):
            self._whole.discard(agent)
            self._known[agent] = _read_anew(self._tree, agent, from_start=False)

    def _read_whole(self, agent: str) -> None:
        self._whole.add(agent)
        self._known[agent] = _read_anew(self._tree, agent, from_start=True)

    def _go_on(self, agent: str, told: _Telling) -> bool:
        """Take what was added; false where it is not the same journal any more, or a new attempt began."""
        numbers = list_attempts(self._tree.agent(agent))
        if told.place.attempt == 0 or not numbers or numbers[-1] != told.place.attempt:
            return not numbers and told.place.attempt == 0
        journal = self._tree.agent(agent).attempt(told.place.attempt).journal
        reader = Reader(journal, Position(told.place.seq, told.place.offset, told.place.h))
        for line in reader:
            told.take(line, told.place.attempt)
        return not reader.is_displaced and (reader.damage is None or reader.damage.is_partial)

    def _place(self, agent: str, seq: int) -> Place:
        """Where the line `seq` of `agent` ends."""
        told = self._known[agent]
        if seq == told.place.seq:
            return told.place
        return place_of(self._tree, agent, seq)


def place_of(tree: Tree, agent: str, seq: int) -> Place:
    """Where the line `seq` of the lines of `agent` that count ends. Raises Damaged, StorageError."""
    for attempt, line in lines_with_attempts(tree, agent):
        if line.seq == seq:
            return Place(attempt, *line.end)
    return NOWHERE


def lines_with_attempts(tree: Tree, agent: str) -> Iterator[tuple[int, Line]]:
    """Every line of `agent` that counts, with the number of the attempt that wrote it."""
    lineage = Lineage(tree, tree.agent(agent), list_attempts(tree.agent(agent)))
    lives = lineage.lives(lambda life: False)
    yield from _numbered(lineage, lives, ORIGIN)


def lines_up_to(tree: Tree, agent: str, place: Place) -> Iterator[tuple[int, Line]]:
    """The lines of `agent` that count at `place`, whether they count today or not, with their attempts.

    Raises Damaged.
    """
    if not place.attempt:
        return
    paths = tree.agent(agent)
    numbers = [number for number in list_attempts(paths) if number <= place.attempt]
    lineage = Lineage(tree, paths, numbers)
    for attempt, line in _numbered(lineage, lineage.lives(lambda life: False), ORIGIN):
        if line.seq > place.seq:
            return
        yield attempt, line


def _numbered(lineage: Lineage, lives: list[Life], after: Position) -> Iterator[tuple[int, Line]]:
    """The lines of `lives` with the number of the life that each stands in."""
    index = max(bisect_right([life.first_seq for life in lives], after.seq) - 1, 0)
    for line in lineage.lines(lives, after):
        while index + 1 < len(lives) and lives[index + 1].first_seq <= line.seq:
            index += 1
        yield lives[index].number, line


def _read_anew(tree: Tree, agent: str, *, from_start: bool) -> _Telling:
    """What the lines of `agent` say, by way of its newest compaction unless `from_start`."""
    lineage = Lineage(tree, tree.agent(agent), list_attempts(tree.agent(agent)))
    found: list[Checkpoint] = []

    def is_enough(life: Life) -> bool:
        checkpoint = None if from_start else lineage.checkpoint(life)
        found.extend([checkpoint] if checkpoint else [])
        return checkpoint is not None

    lives = lineage.lives(is_enough)
    told = _Telling()
    after = ORIGIN
    if found:
        told.start_from(found[0].history)
        after = found[0].history.position
    for attempt, line in _numbered(lineage, lives, after):
        try:
            told.take(line, attempt)
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise lineage.not_in_form(tree.agent(agent).attempt(attempt), line) from cause
    return told


def used_numbers(tree: Tree) -> dict[str, dict[str, int]]:
    """By sender and recipient a number up to which messages count as sent although no journal has them.

    A tree that an older build resumed from a copy has readers of such messages, and what they did counts.
    """
    try:
        restored = codec.decode_object(read_record(tree.restored))
        return {
            sender: {to: int(n) - 1 for to, n in numbers.items()}
            for sender, numbers in restored.get("accepted", restored["next_seq"]).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
