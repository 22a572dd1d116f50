"""Says in which span an agent does what a line tells, and from which span each message was sent. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.traces.ids import ATTEMPT, span_id

_GOING_ON = ("running", "asking")


class AtWork:
    """Folds the lines of one agent: which span it is in, its task's or else its attempt's."""

    def __init__(self, orchestration: str) -> None:
        self._id = orchestration
        self.tasks: dict[tuple[int, str | None, int], str] = {}  # by attempt, task and run
        self._now: str | None = None
        self._attempt = 0

    def take(self, line: JournalLine) -> str:
        """Fold the next line; the id of the span that it is in."""
        if line.attempt != self._attempt:
            self._attempt, self._now = line.attempt, None
        phase = line.fields.get("phase") if line.type == "task" else None
        if phase == "running":
            run = line.fields.get("run")
            place = line.attempt, str(line.fields.get("task")), run if isinstance(run, int) else 1
            self._now = self.tasks[place] = span_id(self._id, line.agent, line.attempt, line.h)
        here = self._now or span_id(self._id, line.agent, ATTEMPT, line.attempt)
        if phase is not None and phase not in _GOING_ON:
            self._now = None
        return here


@dataclass(slots=True)
class _Run:
    """The run is of messages in a row that one span sent."""

    first: int
    last: int
    span: str


class Origins:
    """From which span each message was sent: by sender and box, as runs, since a span sends many."""

    def __init__(self, orchestration: str) -> None:
        self._id = orchestration
        self._at_work: dict[str, AtWork] = {}
        self._runs: dict[tuple[str, str], list[_Run]] = {}

    def take(self, lines: Iterable[JournalLine]) -> None:
        """Fold the next lines, of each agent oldest first: all that tell of tasks or of what was sent."""
        for line in lines:
            at_work = self._at_work.get(line.agent)
            if at_work is None:
                at_work = self._at_work[line.agent] = AtWork(self._id)
            here, sent = at_work.take(line), line.fields.get("sent")
            for message in sent if isinstance(sent, list) else ():
                if isinstance(message, dict) and isinstance(message.get("n"), int):
                    self._note((line.agent, str(message.get("to"))), message["n"], here)

    def of(self, sender: str, box: str, n: int) -> str | None:
        """The span that the message `n` of `sender` in `box` was sent from; None for one of nobody here."""
        runs = self._runs.get((sender, box), [])
        place = bisect_right(runs, n, key=lambda run: run.first)
        return runs[place - 1].span if place and n <= runs[place - 1].last else None

    def _note(self, place: tuple[str, str], n: int, span: str) -> None:
        runs = self._runs.setdefault(place, [])
        while runs and runs[-1].first >= n:  # they were taken back, and their numbers are used again
            runs.pop()
        if runs and runs[-1].last == n - 1 and runs[-1].span == span:
            runs[-1].last = n
        else:
            runs.append(_Run(n, n, span))
