"""Says what it takes to bring a team to a cut: worked out first, whole, so that it can be shown and
journaled.

A rewind deletes nothing. Each agent gets one more attempt, whose first line pins the cut; lines behind the
pin are void, and a later rewind may pin them again. Mail files that hold messages of void lines are set
aside under `.void-<n>`, and the part that counts is put in their place, byte for byte, so marks into it
stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from maos_sup.cuts.places import NOWHERE, Place
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.shared import StateMove, voids_in
from maos_sup.cuts.traces import Moment
from state_layout.errors import storage_error
from state_layout.files import tail
from state_layout.files.journal import Reader
from state_layout.files.reading import opened_record
from state_layout.lives.attempts import list_attempts
from state_layout.mail.boxes import OPERATOR, boxes, files_of, is_sender
from state_layout.paths import Tree

MARK_BYTES = 4096
_VOID = ".void-"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMove:
    """An agent goes from the end of what counted to `to`; `passed`: output that is not to be read again."""

    agent: str
    before: Place
    to: Place
    passed: Mapping[str, int] = field(default_factory=dict)  # bytes by "<attempt>/<file>"

    def to_json(self) -> dict[str, object]:
        """Make the entry of a `rewind` line."""
        return {"before": self.before.to_json(), "to": self.to.to_json(), "passed": dict(self.passed)}

    @classmethod
    def from_json(cls, agent: str, value: Mapping[str, Any]) -> AgentMove:
        """Read what `to_json` wrote."""
        return cls(
            agent=agent,
            before=Place.from_json(value["before"]),
            to=Place.from_json(value["to"]),
            passed={key: int(size) for key, size in value["passed"].items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMove:
    """The file `<box>/<sender>.jsonl` is set aside; `size` bytes of `source` take its place (0: none)."""

    box: str
    sender: str
    source: str  # a file name in the box
    size: int
    was: int  # its size before

    def to_json(self) -> dict[str, object]:
        """Make the entry of a `rewind` line."""
        return {"source": self.source, "size": self.size, "was": self.was}

    @classmethod
    def from_json(cls, key: str, value: Mapping[str, Any]) -> MailMove:
        """Read what `to_json` wrote."""
        box, _, sender = key.partition("/")
        return cls(
            box=box,
            sender=sender,
            source=str(value["source"]),
            size=int(value["size"]),
            was=int(value["was"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewind:
    """All of it, as the supervisor journals it before the first step. `void` names what is set aside."""

    void: int
    cut: int  # number of the checkpoint gone to; 0: the newest consistent moment of a copy
    back: int  # number of the checkpoint of what was before; 0: none
    agents: Mapping[str, AgentMove] = field(default_factory=dict)
    mail: tuple[MailMove, ...] = ()
    state: tuple[StateMove, ...] = ()
    specs: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)  # hash before, after
    next_seq: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by sender and recipient
    memory: Mapping[str, Any] | None = None  # of the supervisor at the cut; None: kept as it is

    def to_json(self) -> dict[str, object]:
        """Make the fields of a `rewind` line."""
        return {
            "void": self.void,
            "cut": self.cut,
            "back": self.back,
            "agents": {name: move.to_json() for name, move in self.agents.items()},
            "mail": {f"{move.box}/{move.sender}": move.to_json() for move in self.mail},
            **({"state": {move.path: move.to_json() for move in self.state}} if self.state else {}),
            "specs": {rel: list(digests) for rel, digests in self.specs.items()},
            "next_seq": {sender: dict(numbers) for sender, numbers in self.next_seq.items()},
            "memory": self.memory,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Rewind:
        """Read what `to_json` wrote. Raises KeyError, ValueError, TypeError or AttributeError."""
        return cls(
            void=int(value["void"]),
            cut=int(value["cut"]),
            back=int(value["back"]),
            agents={name: AgentMove.from_json(name, move) for name, move in value["agents"].items()},
            mail=tuple(MailMove.from_json(key, move) for key, move in value["mail"].items()),
            state=tuple(StateMove.from_json(path, move) for path, move in value.get("state", {}).items()),
            specs={rel: (before, after) for rel, (before, after) in value["specs"].items()},
            next_seq={
                sender: {to: int(number) for to, number in numbers.items()}
                for sender, numbers in value["next_seq"].items()
            },
            memory=value["memory"],
        )


def agent_moves(
    tree: Tree, moment: Moment, targets: Mapping[str, Place], *, passes_output: bool = True
) -> dict[str, AgentMove]:
    """The moves of those agents that are elsewhere than in `targets`; who is not there goes to nowhere.

    With `passes_output` what programs wrote after the target is not read again: it belongs to what is void.
    """
    moves = dict[str, AgentMove]()
    for agent, before in moment.ends.items():
        to = targets.get(agent, NOWHERE)
        if to != before:
            passed = dict(_output_of(tree, agent, before.attempt)) if passes_output else {}
            moves[agent] = AgentMove(agent=agent, before=before, to=to, passed=passed)
    return moves


def mail_moves(
    tree: Tree, sent: Mapping[str, Mapping[str, int]], people: Mapping[str, tuple[int, str]] | None
) -> list[MailMove]:
    """Say what becomes of each mail file when `sent` (by sender and recipient) is all that was ever sent.

    A sender that `sent` does not name is left alone: nothing is known of him. `people`: by box the size of
    what people had written and its sign; None leaves people's mail as it is. A message is known by its
    number, which is never given twice; so the file that holds the last one that counts, be it set aside,
    holds all before it as well. Raises StorageError.
    """
    moves = list[MailMove]()
    for box in boxes(tree):
        for sender in sorted(_senders(tree, box)):
            if sender == OPERATOR:
                move = None if people is None else _people_move(tree, box, people.get(box, (0, "")))
            elif sender in sent:
                move = _channel_move(tree, box, sender, sent[sender].get(box, 0))
            else:
                continue
            moves += [move] if move is not None else []
    return moves


def _senders(tree: Tree, box: str) -> set[str]:
    """Name the senders whose mail lies in `box`, or was set aside there."""
    aside = {path.name.partition(".jsonl")[0] for path in tree.mail_box(box).glob(f"*.jsonl{_VOID}*")}
    return {sender for sender in {file.sender for file in files_of(tree, box)} | aside if is_sender(sender)}


def _channel_move(tree: Tree, box: str, sender: str, last: int) -> MailMove | None:
    """Say what becomes of the file of one sender when `last` is the last number that counts."""
    current = tree.mail_file(box, sender)
    was = _size(current)
    end, is_there, has_more = _prefix(current, last)
    if is_there and has_more:
        return MailMove(box=box, sender=sender, source=current.name, size=end, was=was)
    if is_there:
        return None
    for aside in voids(tree, box, sender) if last else ():
        size, is_in_it, _ = _prefix(aside, last)
        if is_in_it:
            return MailMove(box=box, sender=sender, source=aside.name, size=size, was=was)
    if not has_more:
        return None  # nothing in it is void; what is missing, its sender appends
    return MailMove(box=box, sender=sender, source=current.name, size=end, was=was)


def _prefix(path: Path, last: int) -> tuple[int, bool, bool]:
    """Find the end of the lines up to number `last`; say if that number is among them, if more follow."""
    near = _prefix_after(Reader(path, tail.before(path, last)), last)
    return near if near[1] else _prefix_after(Reader(path), last)


def _prefix_after(reader: Reader, last: int) -> tuple[int, bool, bool]:
    """The same, read from the position of `reader` on; a line of that number is where it belongs."""
    offset, is_there = reader.position.offset, False
    for run in reader.runs():
        if run.first_seq > last:
            return offset, is_there, True
        kept = run.up_to(min(last, run.end.seq))
        offset, is_there = kept.end.offset, kept.end.seq == last
        if run.end.seq > last:
            return offset, is_there, True
    return offset, is_there, False


def _people_move(tree: Tree, box: str, wanted: tuple[int, str]) -> MailMove | None:
    current = tree.mail_file(box, OPERATOR)
    size, sign = wanted
    if _size(current) == size:
        return None
    for candidate in (current, *voids(tree, box, OPERATOR)):
        if _size(candidate) >= size and sign_of(candidate, size) == sign:
            return MailMove(box=box, sender=OPERATOR, source=candidate.name, size=size, was=_size(current))
    return None  # edited by hand since: people's words are not thrown away on a guess


def sign_of(path: Path, size: int) -> str:
    """Tell the first `size` bytes of the file `path` from others, by a hash over their last 4 KiB."""
    if not size:
        return ""
    try:
        with opened_record(path) as file:
            file.seek(max(0, size - MARK_BYTES))
            return sha256(file.read(min(size, MARK_BYTES))).hexdigest()[:12]
    except FileNotFoundError:
        return ""
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def voids(tree: Tree, box: str, sender: str) -> list[Path]:
    """The files of a channel that were set aside, the newest first."""
    name = f"{sender}.jsonl{_VOID}"
    found = [path for path in tree.mail_box(box).glob(f"{name}*") if path.name[len(name) :].isdigit()]
    return sorted(found, key=lambda path: int(path.name[len(name) :]), reverse=True)


def void_path(tree: Tree, move: MailMove, void: int) -> Path:
    """Name the path that the file of `move` is set aside to."""
    return tree.mail_box(move.box) / f"{move.sender}.jsonl{_VOID}{void}"


def next_void(tree: Tree, agents: Iterable[str]) -> int:
    """A number that no rewind had yet, whether it set mail aside or only began attempts of `agents`."""
    used = [0]
    for box in boxes(tree):
        for path in tree.mail_box(box).glob(f"*{_VOID}*"):
            digits = path.name.rpartition(_VOID)[2]
            used.append(int(digits) if digits.isdigit() else 0)
    for agent in agents:
        paths = tree.agent(agent)
        used += [void_of(paths.attempt(number).journal) for number in list_attempts(paths)]
    for name in voids_in(tree):
        digits = name.rpartition(_VOID)[2]
        used.append(int(digits) if digits.isdigit() else 0)
    return max(used) + 1


def void_of(journal: Path) -> int:
    """The number of the rewind that began the attempt of `journal`; 0 where none did."""
    first = next(iter(Reader(journal)), None)
    if first is None or b'"rewound":{' not in first.raw:
        return 0
    told = first.fields().get("rewound")
    void = told.get("void") if isinstance(told, dict) else None
    return void if isinstance(void, int) else 0


def spec_moves(now: Mapping[str, str], then: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Find by path the hash before and after, for those specs that differ."""
    paths = sorted({*now, *then})
    return {rel: (now.get(rel), then.get(rel)) for rel in paths if now.get(rel) != then.get(rel)}


def sent_by(cut: TeamCut) -> dict[str, dict[str, int]]:
    """Find by sender and recipient the last number sent at `cut`."""
    return {agent: dict(each.sent) for agent, each in cut.agents.items()}


def _output_of(tree: Tree, agent: str, last: int) -> Iterator[tuple[str, int]]:
    """Yield how many bytes each attempt of `agent` wrote: after a rewind none of it is read again."""
    for number in range(1, last + 1):
        attempt = tree.agent(agent).attempt(number)
        for path in (attempt.stdout, attempt.control, attempt.events):
            size = _size(path)
            if size:
                yield f"{number}/{path.name}", size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as cause:
        raise storage_error("look at", path, cause) from cause
