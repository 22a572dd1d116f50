"""Says which lives of an agent count, and which of their lines: from pin to pin, back to where one begins.

What a life wrote after the line that its successor pinned is void; so is what a poisoned life did not sync.
Lines that were durable once and are not valid stop the agent. Lines that are merely not there (a copy taken
while they were written, a disk that lied) are gone: the lives that built on them count only where one of
them has a checkpoint, which holds what they held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from state_layout.errors import Damaged
from state_layout.files.chain import ORIGIN, Line, Position, Run
from state_layout.files.journal import Reader, refuse_corruption
from state_layout.files.looking import exists, is_dir
from state_layout.lives.checkpoints import Checkpoint, read_checkpoints
from state_layout.lives.exits import read_exit
from state_layout.paths import AgentPaths, AttemptPaths, Tree
from state_layout.records import ExitReason

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import PinFields


class Pin(NamedTuple):
    """A life continues from this line."""

    attempt: int
    seq: int
    h: str

    @classmethod
    def from_json(cls, value: PinFields | None) -> Pin | None:
        return None if value is None else cls(value["attempt"], value["seq"], value["h"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedLife:
    """A counted life is one that counts, as its successors see it."""

    number: int
    paths: AttemptPaths
    pin: Pin | None
    first_seq: int
    floor: int  # up to here it was durable
    last_seq: int | None = None  # lines above are void
    last_h: str | None = None  # of the line `last_seq`, where a successor pinned it
    is_rewind: bool = False  # begun by a rollback
    is_taken_back: bool = False  # by a rollback, which pinned `last_seq`


class Lineage:
    """The lives of one agent. `notes` gathers what was ignored, for people."""

    def __init__(self, tree: Tree, agent: AgentPaths, numbers: Sequence[int]) -> None:
        self._tree, self._agent, self._numbers = tree, agent, numbers
        self.notes: list[str] = []

    def lives(self, is_enough: Callable[[CountedLife], bool]) -> list[CountedLife]:
        """List the lives that count, oldest first, from the last one back to the first that `is_enough`.

        Raises Damaged, StorageError.
        """
        found: list[CountedLife] = []
        life = self._newest(self._numbers)
        while life is not None:
            found.insert(0, life)
            pin = life.pin
            if is_enough(life) or pin is None:
                break
            before = self._begun(pin.attempt)
            if before is not None:
                back = life.is_rewind
                life = replace(before, last_seq=pin.seq, last_h=pin.h, floor=pin.seq, is_taken_back=back)
                continue
            self._report_missing(life, pin)
            if self._is_bridged(found):
                break
            found.clear()
            life = self._newest([number for number in self._numbers if number < pin.attempt])
        return found

    def checkpoint(self, life: CountedLife) -> Checkpoint | None:
        """Read the newest checkpoint in the folder of `life` whose line counts; None if there is none."""
        for checkpoint in read_checkpoints(life.paths):
            position = checkpoint.history.position
            is_below = life.last_seq is None or position.seq <= life.last_seq
            if is_below and checkpoint.attempt == life.number and _stands(life, position):
                return checkpoint
            if life.is_taken_back and not is_below:
                continue
            self.notes.append(
                f"{self._tree.shown(life.paths.root)}: a checkpoint at seq {position.seq} is ahead of what "
                "counts of its journal; ignored"
            )
        return None

    def counts(self, life: CountedLife, position: Position) -> bool:
        """A line that counts ends at `position` in the journal of `life`."""
        return (life.last_seq is None or position.seq <= life.last_seq) and _stands(life, position)

    def lines(self, lives: Sequence[CountedLife], after: Position = ORIGIN) -> Iterator[Line]:
        """Yield the lines of `lives`, in order, after those up to `after` in the first, to the end.

        Past a gap only if a checkpoint bridges it. Raises Damaged, StorageError.
        """
        for _, run in self.runs(lives, after):
            yield from run.lines()

    def runs(
        self, lives: Sequence[CountedLife], after: Position = ORIGIN
    ) -> Iterator[tuple[CountedLife, Run]]:
        """Yield the same lines in runs, each with the life that it stands in. Raises as `lines` does."""
        seq, h = after.seq, after.h
        for index, life in enumerate(lives):
            reader = Reader(life.paths.journal, ORIGIN if index else after)
            for run in self._own_runs(life, reader, max(seq, life.first_seq - 1)):
                seq, h = run.end.seq, run.end.h
                yield life, run
            if life.last_h is None:
                return  # the last one
            if seq != life.last_seq:
                is_bridged = self._is_bridged(lives[index + 1 :])
                self._report_gap(life, seq, lives[index + 1], is_bridged)
                if not is_bridged:
                    return
            elif h != life.last_h:
                raise Damaged(
                    f"{self._tree.shown(life.paths.journal)}: line {seq} is not the one that attempt "
                    f"{lives[index + 1].number} continues from; restore the file from a copy"
                )

    def _newest(self, numbers: Sequence[int]) -> CountedLife | None:
        """Find the last of `numbers` that began and is not void."""
        return next((life for number in reversed(numbers) if (life := self._last(number))), None)

    def _last(self, number: int) -> CountedLife | None:
        """Read the life `number` as the last one; None if it never began or all it wrote is void."""
        life = self._begun(number)
        if life is None:
            if read_checkpoints(self._agent.attempt(number)):
                path = self._agent.attempt(number).journal
                self.notes.append(f"{self._tree.shown(path)}: has no first line; left aside")
            return None
        ended = read_exit(self._tree, self._agent.root.name, number) or {}
        synced_seq = ended.get("synced_seq")
        if not isinstance(synced_seq, int):
            return life
        if ended["reason"] != ExitReason.POISONED:
            return replace(life, floor=max(life.floor, synced_seq))
        return replace(life, floor=synced_seq, last_seq=synced_seq) if synced_seq >= life.first_seq else None

    def _begun(self, number: int) -> CountedLife | None:
        """Read the life `number`; None if it ended before its first line was whole."""
        paths = self._agent.attempt(number)
        reader = Reader(paths.journal)
        first = next(iter(reader), None)
        if first is None:
            if reader.damage is not None:
                refuse_corruption(reader.damage, 1 if read_checkpoints(paths) else 0)
            return None
        try:
            fields = first.fields()
            pin = Pin.from_json(fields["pin"])
            is_start = fields["type"] == "start" and fields["attempt"] == number
            is_start = is_start and first.seq == (1 if pin is None else pin.seq + 1)
            is_in_form = is_start and (pin is None or 0 < pin.attempt < number)
        except (ValueError, KeyError, TypeError) as cause:
            raise not_in_form(self._tree, paths, first.seq) from cause
        if not is_in_form:
            raise not_in_form(self._tree, paths, first.seq)
        return CountedLife(
            number=number,
            paths=paths,
            pin=pin,
            first_seq=first.seq,
            floor=first.seq - 1,
            is_rewind="rewound" in fields,
        )

    def _own_runs(self, life: CountedLife, reader: Reader, seq: int) -> Iterator[Run]:
        """Yield the lines of one life after `seq`, up to the last that counts."""
        if seq == life.last_seq:
            return
        for run in reader.runs():
            if run.first_seq != seq + 1:
                raise not_in_form(self._tree, life.paths, run.first_seq)
            seq = run.end.seq
            if life.last_seq is not None and run.first_seq <= life.last_seq <= seq:
                yield run.up_to(life.last_seq)
                return
            yield run
        damage = reader.damage
        if damage is not None:
            refuse_corruption(damage, life.floor)
            shown = self._tree.shown(damage.path)
            self.notes.append(f"{shown}: torn after seq {seq}, never acknowledged; left aside")

    def _is_bridged(self, lives: Sequence[CountedLife]) -> bool:
        """A checkpoint of `lives` holds what came before them."""
        return any(self.checkpoint(life) is not None for life in lives)

    def _report_missing(self, life: CountedLife, pin: Pin) -> None:
        before = self._agent.attempt(pin.attempt)
        shown = self._tree.shown(life.paths.journal)
        if not exists(before.journal) and not _is_empty(before.root):
            raise Damaged(
                f"{shown}:1: continues from attempt {pin.attempt}, which is not there; restore its folder "
                "from a copy"
            )
        self.notes.append(
            f"{self._tree.shown(before.journal)}: has no first line, attempt {life.number} continued from "
            f"{pin.seq}; what came after may be done again"
        )

    def _report_gap(self, life: CountedLife, seq: int, successor: CountedLife, is_bridged: bool) -> None:
        outcome = (
            "what was between is known only by a later checkpoint"
            if is_bridged
            else f"going on from {seq}, what came after may be done again"
        )
        shown = self._tree.shown(life.paths.journal)
        self.notes.append(
            f"{shown}: ends at seq {seq}, attempt {successor.number} continued from {life.last_seq}; "
            f"{outcome}"
        )


def not_in_form(tree: Tree, paths: AttemptPaths, seq: int) -> Damaged:
    """Make the error for a line that is chained and yet cannot be understood."""
    return Damaged(
        f"{tree.shown(paths.journal)}: the line with seq {seq} is whole but not as FORMAT.md "
        "says; restore the file from a copy, or see 'maos-sup check'"
    )


def _is_empty(folder: Path) -> bool:
    """The `folder` is there and empty: a copy can find it so, just made."""
    return is_dir(folder) and not any(folder.iterdir())


def _stands(life: CountedLife, position: Position) -> bool:
    return Reader(life.paths.journal, position).stands()
