"""The journals of agents, life by life: chains, pins, what counts and what it says about mail.

Every line is checked; those that count are folded by the same code that an agent starts with, so what would
stop it is found here. What a fold keeps for its agent is dropped: memory does not grow with a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from state_layout.check.checkpoints import CheckedSlots, judge_checkpoints, read_slots
from state_layout.check.exits import ExitSeen, check_exit
from state_layout.check.first_lines import Birth, Standing, attempt_numbers, read_birth, standings
from state_layout.check.problem import Finding
from state_layout.check.scan import FileScan, ScanBounds, judge, judge_end
from state_layout.check.scene import Scene
from state_layout.check.seq_ranges import SeqRanges
from state_layout.files import codec
from state_layout.files.chain import Run
from state_layout.lives.history import History, Mark
from state_layout.records import ExitReason

_NOT_NEEDED = ("steps", "calls", "raised", "saves", "results", "state")
_MOST_KEPT_BYTES = 1 << 24


@dataclass(slots=True, kw_only=True)
class LivesAccount:
    """The account holds what the journals of an agent say about mail. `is_whole`: nothing of them is missing
    or damaged."""

    sends: dict[str, SeqRanges] = field(default_factory=dict)  # by recipient
    marks: dict[str, Mark] = field(default_factory=dict)  # by "<box>/<from>"
    mailed: dict[str, Mark] = field(default_factory=dict)  # by recipient: ends that a checkpoint relies on
    stored: dict[str, int] = field(default_factory=dict)  # by shared scope: the last line of its own there
    is_whole: bool = True


def check_agent(scene: Scene, agent: str) -> LivesAccount:
    """Check all lives of `agent`; what they say about mail."""
    numbers = attempt_numbers(scene, agent)
    slots = {number: read_slots(scene, agent, number) for number in numbers}  # before what they rely on
    known = len(scene.problems)
    births = {number: birth for number in numbers if (birth := read_birth(scene, agent, number))}
    standing = standings(scene, agent, births)
    attempts = scene.tree.agent(agent).attempts
    account = LivesAccount(is_whole=len(scene.problems) == known and not scene.is_hidden(attempts / "any"))
    fold = _Fold(account)
    for number in numbers:
        ending = check_exit(scene, agent, number, is_last=number == numbers[-1])
        life = _Life(scene, agent, number, births.get(number), standing.get(number, Standing(is_void=True)))
        life.check(fold, slots[number], ending)
    account.marks, account.stored = fold.history.marks, fold.history.stored
    return account


class _Fold:
    """Folds the lines that count, keeping only what mail needs."""

    def __init__(self, account: LivesAccount) -> None:
        self.account = account
        self.history = History()
        self._kept_bytes = 0

    def take(self, run: Run, entries: Sequence[Mapping[str, Any] | None]) -> Iterator[tuple[int, str]]:
        """Fold the lines of `run`, in which `entries` stand; yields the index of each with which something is
        wrong, and what."""
        for index, cause in self.history.take_run(run, entries):
            problem = self._sent() if cause is None else _not_in_form(run.raws[index], entries[index], cause)
            self.history.unmailed.clear()
            if problem is not None:
                yield index, problem
        self._kept_bytes += run.end.offset - run.after.offset
        if self._kept_bytes > _MOST_KEPT_BYTES:
            self._forget()

    def _forget(self) -> None:
        """Drop what only the agent needs and what may grow without bound."""
        for name in _NOT_NEEDED:
            getattr(self.history, name).clear()
        self._kept_bytes = 0

    def _sent(self) -> str | None:
        problem, sends = None, self.account.sends
        for message in self.history.unmailed:
            spans = sends.get(message["to"])
            if spans is None:
                spans = sends[message["to"]] = SeqRanges()
            if not spans.add_all(message["n"], message["n"]):
                problem = f"sends message {message['n']} to {message['to']} after {spans.last}"
        return problem


def _not_in_form(raw: bytes, entry: Mapping[str, Any] | None, cause: Exception) -> str:
    if entry is None:
        try:
            codec.decode_object(raw)
        except codec.NotJson as error:  # kept in a variable, it would keep itself and the line: a cycle
            return _in_words(error)
    return _in_words(cause)


def _in_words(cause: Exception) -> str:
    return f"is whole but not as FORMAT.md says ({type(cause).__name__}: {cause})"


class _Life:
    """The object examines one life."""

    def __init__(
        self, scene: Scene, agent: str, number: int, birth: Birth | None, standing: Standing
    ) -> None:
        self._scene, self._agent, self._number = scene, agent, number
        self._birth, self._standing = birth, standing
        self._paths = scene.tree.agent(agent).attempt(number)
        self._scan = FileScan(scene, self._paths.journal)
        self._void_lines = 0
        self._bad_lines = 0

    def check(self, fold: _Fold, slots: CheckedSlots, ending: ExitSeen) -> None:
        """Check this life, folding what counts of it."""
        if self._scene.is_hidden(self._paths.journal):
            fold.account.is_whole = False
            return
        last_seq = self._last_seq(ending)
        if self._standing.is_taken_back:
            slots = slots.up_to(last_seq)
        self._scan_lines(fold, last_seq)
        is_void = self._birth is not None and last_seq is not None and self._scan.position.seq >= last_seq
        bounds = ScanBounds(floor=max(self._durable_seq(ending), slots.seq), is_void=is_void)
        is_whole = judge(self._scene, self._scan, bounds, is_written=partial(self._scene.lives, self._agent))
        if self._birth is None or not self._standing.is_void:
            floor = self._durable_seq(ending)
            is_whole = is_whole and judge_end(self._scene, self._scan, floor=floor, why=self._why())
            if is_whole:
                judge_checkpoints(self._scene, slots, self._scan, last_seq=last_seq)
            fold.account.is_whole = fold.account.is_whole and is_whole and not self._bad_lines
            fold.account.mailed |= slots.mailed
            self._check_last_word(ending)
        self._report_void(ending)

    def _check_last_word(self, ending: ExitSeen) -> None:
        """Check that the agent's last word names the end of its journal."""
        end = self._scan.position
        if self._bad_lines or not ending.is_last_word or end.seq < ending.synced_seq:
            return  # said, or nothing to compare with
        if end.seq > ending.synced_seq:
            what = f"goes on to seq {end.seq}, but its writer ended in order at {ending.synced_seq}"
            self._scene.report(Finding.AFTER_END, self._scan.path, line=self._scan.line, what=what)
        elif ending.h is not None and ending.h != end.h:
            what = f"ends with hash {end.h}, but its writer ended with {ending.h}: it was written anew"
            self._scene.report(Finding.EDITED, self._scan.path, line=self._scan.line, what=what)

    def _durable_seq(self, ending: ExitSeen) -> int:
        """Up to here this journal was durable, say its successor and `exit.json`."""
        if self._birth is None and ending.reason == ExitReason.POISONED:
            return 0  # what was durable then is in the life before
        return max(self._standing.end.seq if self._standing.end else 0, ending.synced_seq)

    def _last_seq(self, ending: ExitSeen) -> int | None:
        """Lines above are void; None: there is no bound."""
        if self._standing.is_void or self._birth is None:
            return 0
        if self._standing.end is not None:
            return self._standing.end.seq
        return ending.synced_seq if ending.reason == ExitReason.POISONED else None

    def _scan_lines(self, fold: _Fold, last_seq: int | None) -> None:
        bound = 1 << 63 if last_seq is None else last_seq
        expected = self._birth.seq if self._birth is not None else None
        end = self._standing.end
        for run, first_line, entries in self._scan.passages():
            if run.first_seq != expected and expected is not None:
                self._report_bad(f"has seq {run.first_seq} where {expected} follows", line=first_line)
            expected = run.end.seq + 1
            count = min(max(bound - run.first_seq + 1, 0), len(run.raws))
            self._void_lines += len(run.raws) - count
            if not count:
                continue
            counted = run.up_to(run.first_seq + count - 1)
            for index, problem in fold.take(counted, entries[:count]):
                self._report_bad(problem, line=first_line + index)
            if end is not None and counted.end.seq == end.seq and counted.end.h != end.h:
                self._report_pin(end.seq, line=first_line + count - 1)

    def _report_bad(self, what: str, *, line: int) -> None:
        self._bad_lines += 1
        if self._bad_lines == 1:
            self._scene.report(Finding.BAD_RECORD, self._scan.path, line=line, what=what)

    def _report_pin(self, seq: int, *, line: int) -> None:
        self._bad_lines += 1
        what = f"seq {seq} is not the line that attempt {self._standing.successor} continues from"
        self._scene.report(Finding.PIN_BROKEN, self._scan.path, line=line, what=what)

    def _report_void(self, ending: ExitSeen) -> None:
        if not self._void_lines or self._birth is None or ending.reason == ExitReason.POISONED:
            return
        if self._standing.is_taken_back:
            return  # a rollback said so
        lines = "1 line counts" if self._void_lines == 1 else f"{self._void_lines} lines count"
        what = f"{lines} for nothing: a later life does not continue from there"
        self._scene.report(Finding.VOID, self._scan.path, line=self._scan.line, what=what)

    def _why(self) -> str:
        if self._standing.successor is not None:
            return f"attempt {self._standing.successor} continued from what was durable"
        return "exit.json says it was durable"
