"""Read what a cut needs from the journals of a tree, once and then only what was added.

A first look starts from the newest compaction of each agent, so it costs what was written since; an agent
that would have to go back further than that is read again from its first line. Only reads: it works on a
copy, with nobody alive, and beside living writers, whose unfinished last line is left for the next look.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from operator import itemgetter

from msgspec import Struct

from maos_sup.core.cuts import Cut, Trace, consistent_cut
from maos_sup.cuts.beside import Beside
from maos_sup.cuts.places import NOWHERE, Place, is_among, place_of
from state_layout.errors import Damaged
from state_layout.files import codec
from state_layout.files.chain import Run
from state_layout.files.journal import Reader
from state_layout.files.reading import read_record
from state_layout.lives.attempts import list_attempts
from state_layout.lives.history import History
from state_layout.lives.lineage import CountedLife, Lineage, not_in_form
from state_layout.paths import Tree
from state_layout.records import SETTLED, TaskPhase
from state_layout.scopes.names import Scope, folders_in
from state_layout.scopes.store import SUFFIX
from state_layout.witness import end_of

_AT_ONCE = 64  # lines decoded together: few enough to be let go before the collector looks
_OF_STATE = "="  # begins the names of shared scopes where else the name of a mail box stands


def box_of(scope: Scope | str) -> str:
    """Name a shared scope in traces: to write it is to send to it, to look into it is to receive."""
    return f"{_OF_STATE}{scope}"


def is_mail_box(name: str) -> bool:
    """The `name`, in a trace, is that of a mail box and not of a shared scope."""
    return not name.startswith(_OF_STATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Tells what the lines of one agent up to `place` come to: who has it need not read them."""

    place: Place
    sent: Mapping[str, int] = field(default_factory=dict)  # by recipient
    marks: Mapping[str, int] = field(default_factory=dict)  # by "<box>/<sender>"
    tasks: Mapping[str, str] = field(default_factory=dict)  # phase by task

    @classmethod
    def of(cls, history: History) -> Sum:
        """The sum that a compaction is."""
        return cls(
            place=Place(history.attempt, *history.position),
            sent={**history.sent, **{box_of(scope): n for scope, n in history.stored.items()}},
            marks={
                **{key: mark[0] for key, mark in history.marks.items()},
                **{box_of(key): n for key, n in history.seen.items()},
            },
            tasks={task: outcome.phase.value for task, outcome in history.tasks.items()},
        )


class _Sent(Struct, gc=False):
    to: str
    n: int


class _Mark(Struct, gc=False, array_like=True):
    n: int  # and where its line ends


class _Entry(Struct, gc=False):
    """Holds what a line of a journal says about others; the rest of it is passed over."""

    type: str
    sent: list[_Sent] = []
    received: dict[str, _Mark] = {}
    stored: dict[str, int] = {}
    seen: dict[str, int] = {}
    task: str = ""
    phase: str = ""


_entries = codec.TypedLines(_Entry)


class _NotInForm(ValueError):
    """A whole line that cannot be understood; `seq` is its number."""

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq


@dataclass(slots=True)
class _Telling:
    """The object holds the lines of one agent that say something about others, in order."""

    base: Place = NOWHERE  # what came up to here is known as a sum only
    place: Place = NOWHERE  # where the last line taken ends
    sent: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # numbers rise, as in `Steps`
    marks: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    phases: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # by task, with the line of each

    def start_from(self, known: Sum) -> None:
        """Put what `known` covers in entries that stand at its last line."""
        self.base = self.place = known.place
        seq = known.place.seq
        self.sent = {to: [(seq, n)] for to, n in known.sent.items()}
        self.marks = {key: [(seq, n)] for key, n in known.marks.items()}
        self.began = dict.fromkeys(known.tasks, seq)
        self.phases = {task: [(seq, phase)] for task, phase in known.tasks.items()}
        self.settled = {task: seq for task, phase in known.tasks.items() if TaskPhase(phase) in SETTLED}

    def take(self, run: Run, attempt: int) -> None:
        """Take the next lines of the journal of `attempt`. Raises _NotInForm."""
        self.place = Place(attempt, *run.end)
        for start in range(0, len(run.raws), _AT_ONCE):
            self._take(run.first_seq + start, run.raws[start : start + _AT_ONCE])

    def _take(self, first_seq: int, raws: Sequence[bytes]) -> None:
        try:
            entries = _entries.decode(raws)
        except codec.NotJson as cause:
            raise _NotInForm(first_seq + _first_not_in_form(raws)) from cause
        for seq, entry in enumerate(entries, first_seq):
            if entry.sent or entry.received:
                self._take_mail(seq, entry)
            if entry.stored or entry.seen:
                self._take_state(seq, entry)
            if entry.type == "task":
                self._take_task(seq, entry)

    def _take_mail(self, seq: int, entry: _Entry) -> None:
        """Do for each what `_raise` does, in place: on a chattering team's lines, calls are what it costs."""
        for message in entry.sent:
            steps = self.sent.get(message.to)
            if steps is None:
                self.sent[message.to] = [(seq, message.n)]
            elif message.n > steps[-1][1]:
                steps.append((seq, message.n))
        for key, mark in entry.received.items():
            steps = self.marks.get(key)
            if steps is None:
                self.marks[key] = [(seq, mark.n)]
            elif mark.n > steps[-1][1]:
                steps.append((seq, mark.n))

    def _take_state(self, seq: int, entry: _Entry) -> None:
        for scope, last in entry.stored.items():
            _raise(self.sent, box_of(scope), seq, last)
        for key, last in entry.seen.items():
            _raise(self.marks, box_of(key), seq, last)

    def _take_task(self, seq: int, entry: _Entry) -> None:
        try:
            task, phase = entry.task, TaskPhase(entry.phase)
        except ValueError as cause:
            raise _NotInForm(seq) from cause
        self.began.setdefault(task, seq)
        self.phases.setdefault(task, []).append((seq, phase.value))
        if phase in SETTLED:
            self.settled.setdefault(task, seq)

    def sum_up(self, place: Place) -> None:
        """Put one entry at the line of `place` in place of all up to it."""
        seq = place.seq
        if seq < self.base.seq:
            return
        self.base = place
        for steps in (*self.sent.values(), *self.marks.values()):
            count = bisect_right(steps, seq, key=_line_of)
            if count:
                steps[:count] = [(seq, steps[count - 1][1])]
        for task, phases in self.phases.items():
            before = [phase for line, phase in phases if line <= seq]
            self.phases[task] = [(seq, before[-1])] if before else []
            self.phases[task] += [each for each in phases if each[0] > seq]

    def tasks_at(self, seq: int) -> dict[str, str]:
        """Find the phase of each task at the line `seq`."""
        at = {task: [phase for line, phase in steps if line <= seq] for task, steps in self.phases.items()}
        return {task: phases[-1] for task, phases in at.items() if phases}

    def trace(self) -> Trace:
        """Give what was taken so far, not to be changed by what is taken later."""
        return Trace(
            end=self.place.seq,
            base=self.base.seq,
            sent={to: tuple(steps) for to, steps in self.sent.items()},
            marks={key: tuple(steps) for key, steps in self.marks.items()},
            settled=dict(self.settled),
            began=dict(self.began),
        )


_line_of = itemgetter(0)


def _first_not_in_form(raws: Sequence[bytes]) -> int:
    """The index of the first that cannot be understood."""
    for index, raw in enumerate(raws):
        try:
            _entries.decode([raw])
        except codec.NotJson:
            return index
    return 0


def _raise(steps_by_key: dict[str, list[tuple[int, int]]], key: str, seq: int, number: int) -> None:
    """Note at the line `seq` a number that is above all before it."""
    steps = steps_by_key.get(key)
    if steps is None:
        steps_by_key[key] = [(seq, number)]
    elif number > steps[-1][1]:
        steps.append((seq, number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment is a consistent cut of a tree: where each agent stands in it, and where its records end."""

    places: Mapping[str, Place]
    ends: Mapping[str, Place]
    cut: Cut
    traces: Mapping[str, Trace]
    tasks: Mapping[str, Mapping[str, str]]  # by agent: phase by task
    damaged: Mapping[str, str]  # agents whose journals cannot be read, and why: not part of the cut


class TeamReader:
    """Finds moments of one tree, again and again; keeps what it read."""

    def __init__(self, tree: Tree, known: Mapping[str, Sum] | None = None) -> None:
        """`known` by agent spares reading what it sums up, where its place is still one that counts."""
        self._tree, self._sums = tree, known or {}
        self.beside = Beside(tree)
        self._known: dict[str, _Telling] = {}
        self._whole = set[str]()  # agents read from their first line

    def moment(self, agents: Iterable[str], needs: Mapping[str, Iterable[str]]) -> Moment:
        """Find the newest consistent moment of `agents`; `needs` by task. Raises StorageError."""
        damaged = dict[str, str]()
        for agent in sorted(agents):
            try:
                self._read(agent)
            except Damaged as damage:
                damaged[agent] = str(damage)
                self._known.pop(agent, None)
        while True:
            known = {agent: told for agent, told in self._known.items() if agent not in damaged}
            traces = {agent: _with_unsaid(self._tree, agent, told.trace()) for agent, told in known.items()}
            cut = consistent_cut(traces, floors=used_numbers(self._tree), needs=needs)
            if not cut.unknown:
                break
            for agent in cut.unknown:
                self._read_whole(agent)
        places = {agent: self._place(agent, seq) for agent, seq in cut.ends.items()}
        tasks = {agent: told.tasks_at(cut.ends[agent]) for agent, told in known.items()}
        ends = {agent: told.place for agent, told in known.items()}
        return Moment(places=places, ends=ends, cut=cut, traces=traces, tasks=tasks, damaged=damaged)

    def whole_moment(self, agents: Iterable[str], needs: Mapping[str, Iterable[str]]) -> Moment:
        """Find the same moment by every line from the first on: to ask what an earlier end would take
        along."""
        for agent in agents:
            with suppress(Damaged):  # told by `moment`
                self._read_whole(agent)
        return self.moment(agents, needs)

    def forget_before(self, places: Mapping[str, Place]) -> None:
        """Keep only a sum of what came before `places`, a moment that was consistent: none later is lower."""
        for agent, place in places.items():
            if agent in self._known:
                self._known[agent].sum_up(place)

    def _read(self, agent: str) -> None:
        told = self._known.get(agent)
        if told is None or not self._go_on(agent, told):
            self._whole.discard(agent)
            self._known[agent] = _read_anew(self._tree, agent, known=self._sums.get(agent))

    def _read_whole(self, agent: str) -> None:
        self._whole.add(agent)
        self._known[agent] = _read_anew(self._tree, agent, from_start=True)

    def _go_on(self, agent: str, told: _Telling) -> bool:
        """Take what was added; false where it is not the same journal any more, or a new attempt began."""
        numbers = list_attempts(self._tree.agent(agent))
        if told.place.attempt == 0 or not numbers or numbers[-1] != told.place.attempt:
            return not numbers and told.place.attempt == 0
        journal = self._tree.agent(agent).attempt(told.place.attempt).journal
        reader = Reader(journal, told.place.position)
        with _in_form(self._tree, agent, told.place.attempt):
            for run in reader.runs():
                told.take(run, told.place.attempt)
        return not reader.is_displaced and (reader.damage is None or reader.damage.is_partial)

    def _place(self, agent: str, seq: int) -> Place:
        """Find the end of the line `seq` of `agent`."""
        told = self._known[agent]
        for place in (told.place, told.base):
            if seq == place.seq:
                return place
        return place_of(self._tree, agent, seq, after=told.base if told.base.seq < seq else NOWHERE)


def _with_unsaid(tree: Tree, agent: str, trace: Trace) -> Trace:
    """`trace` and what `agent` wrote to shared scopes without having come to say so in its journal.

    Such a line names in `after` the last line of the journal that was durable before it.
    """
    sent = dict(trace.sent)
    for scope, folder in folders_in(tree):
        path, box = folder / f"{agent}{SUFFIX}", box_of(scope)
        last = sent[box][-1][1] if sent.get(box) else 0
        with suppress(FileNotFoundError):
            end = end_of(path)
            if end is None or end.seq > last:  # None: what ends the file is no line; those before it may be
                lines = (line for line in Reader(path) if line.seq > last)
                steps = {box: [*sent[box]]} if sent.get(box) else dict[str, list[tuple[int, int]]]()
                for line in lines:
                    _raise(steps, box, int(line.fields().get("after", 0)), line.seq)
                sent[box] = tuple(steps.get(box, ()))  # none, if the end is one of a line that is not valid
    return replace(trace, sent=sent)


def _read_anew(tree: Tree, agent: str, *, known: Sum | None = None, from_start: bool = False) -> _Telling:
    """Read what the lines of `agent` say, by way of `known` or its newest compaction unless `from_start`."""
    lineage = Lineage(tree, tree.agent(agent), list_attempts(tree.agent(agent)))
    found: list[Sum] = []

    def is_enough(life: CountedLife) -> bool:
        if from_start:
            return False
        checkpoint = lineage.checkpoint(life)
        found.extend([Sum.of(checkpoint.history)] if checkpoint else [])
        if known is not None and life.number == known.place.attempt and is_among([life], known.place):
            found.append(known)
        return bool(found)

    lives = lineage.lives(is_enough)
    told = _Telling()
    if found:
        told.start_from(max(found, key=_seq_of))
    for life, run in lineage.runs(lives, told.place.position):
        with _in_form(tree, agent, life.number):
            told.take(run, life.number)
    return told


def _seq_of(known: Sum) -> int:
    return known.place.seq


@contextmanager
def _in_form(tree: Tree, agent: str, attempt: int) -> Iterator[None]:
    """Raise Damaged for a line of `attempt` that is whole and cannot be understood."""
    try:
        yield
    except _NotInForm as cause:
        raise not_in_form(tree, tree.agent(agent).attempt(attempt), cause.seq) from cause


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
