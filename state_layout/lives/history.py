"""Says what an agent knows after its journals: the fold of all their lines, and what a checkpoint holds of
it.

Pure. A life starts from the fold of the lives before it and goes on folding each line it writes, through the
same `take`, so that what lives in memory and what a successor would read never differ. A task is known by its
"<task>#<run>"; what belongs to a run (steps, calls, questions, saved values) is dropped when the run settles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from state_layout.files.chain import ORIGIN, Line, Position, Run
from state_layout.lives.figures import BY_TYPE
from state_layout.records import SETTLED, TaskOutcome, TaskPhase, fields_of

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import (
        Answered,
        AnsweredLine,
        ArtifactLine,
        AskedLine,
        CalledLine,
        CallLine,
        EndedLine,
        EndedRun,
        OfRun,
        ProgressLine,
        Question,
        RaisedLine,
        SentMessage,
        SourceEffect,
        StartLine,
        StateEffect,
        StepLine,
        TaskLine,
        TurnLine,
        ValueLine,
    )
    from state_layout.records.attempt_lines import Position as MarkRead

_MOST = 1 << 62  # no file is longer
Place = tuple[int, int, int, str]  # the attempt whose journal it is in, seq, offset in bytes, h
Mark = tuple[int, int, str]  # how far a mail file was read or written: seq, offset in bytes, h


@dataclass(slots=True, kw_only=True)
class History:
    """A history is the fold up to and including `position`, the end of a line in the journal of `attempt`."""

    position: Position = ORIGIN
    attempt: int = 0
    run: str | None = None  # the current "<task>#<run>"
    tasks: dict[str, TaskOutcome] = field(default_factory=dict)
    steps: dict[str, dict[str, object]] = field(default_factory=dict)  # by run: key -> result
    calls: dict[str, dict[str, str]] = field(default_factory=dict)  # by run: key -> token, no result yet
    raised: dict[str, dict[str, str]] = field(default_factory=dict)  # by run: key -> token, to be tried again
    saves: dict[str, object] = field(default_factory=dict)  # by run: the program's own checkpoint
    results: dict[str, object] = field(default_factory=dict)  # by run: a result until the task settles
    ended: dict[str, EndedRun] = field(default_factory=dict)  # by run: done, but for reading output
    questions: dict[str, Question] = field(default_factory=dict)  # open: id, task, run, text, at
    answers: dict[str, Answered] = field(default_factory=dict)  # of runs not settled: and answer, reply
    called: dict[str, dict[str, int]] = field(default_factory=dict)  # by run: id of a call -> attempt
    shown: dict[str, dict[str, MarkRead]] = field(default_factory=dict)  # by call: marks that it showed
    sent: dict[str, int] = field(default_factory=dict)  # by recipient: the last n
    unmailed: list[SentMessage] = field(default_factory=list)  # messages since the checkpoint
    mailed: dict[str, Mark] = field(default_factory=dict)  # by recipient: the mail file's end, synced
    marks: dict[str, Mark] = field(default_factory=dict)  # by "<box>/<from>"
    offsets: dict[str, int] = field(default_factory=dict)  # by "<attempt>/<file>": translated up to here
    state: dict[str, object] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)  # by shared scope: our last line in its file
    seen: dict[str, int] = field(default_factory=dict)  # by "<scope>/<writer>": the last line looked at
    artifacts: list[str] = field(default_factory=list)
    progress: float | None = None
    note: str | None = None
    discoveries: int = 0
    last_discovery: str | None = None
    received: int = 0
    sent_count: int = 0
    gains: int = 0  # how often the work got to where a later attempt need not begin again
    best: dict[str, float] = field(default_factory=dict)  # by run: the highest progress
    begun: dict[str, Place] = field(default_factory=dict)  # by run, not settled: where its lines begin
    cost_usd: float = 0.0
    tokens: int = 0
    figures: dict[str, float] = field(default_factory=dict)  # by key of `lives.figures.KEPT`

    @property
    def seq(self) -> int:
        """The last line taken has this number."""
        return self.position.seq

    @property
    def h(self) -> str:
        """The last line taken has this hash."""
        return self.position.h

    @property
    def saved(self) -> Any:
        """The program of the current run saved this last."""
        return self.saves.get(self.run or "")

    def take(self, line: Line) -> None:
        """Fold the next line. Raises ValueError, KeyError or TypeError for one that is not in form."""
        self.take_fields(line.fields(), line.end)

    def take_fields(self, entry: Mapping[str, Any], end: Position) -> None:
        """Fold the next line, which ends at `end` and is decoded as `entry`, whose values nobody changes."""
        self._take(entry["type"], entry)
        self.position = end

    def take_run(self, run: Run, entries: Sequence[Any]) -> Iterator[tuple[int, Exception | None]]:
        """Fold the lines of `run`, decoded as `entries`, as `take_fields` does it with one.

        Yields the index of each line with messages, and of each that is not in form with the error.
        """
        last, ends = -1, list[Position]()  # the last line in form; where lines end
        for index, entry in enumerate(entries):
            try:
                type_ = entry["type"]
                if type_ == "task" and last >= 0:
                    ends = ends or [line.end for line in run.lines()]
                    self.position = ends[last]
                self._take(type_, entry)
            except (ValueError, KeyError, TypeError, AttributeError) as cause:
                yield index, cause
                continue
            last = index
            if self.unmailed:
                yield index, None
        if last >= 0:
            self.position = run.up_to(run.first_seq + last).end

    def _take(self, type_: str, entry: Mapping[str, Any]) -> None:
        fold = _FOLDS.get(type_)
        if fold is not None:
            fold(self, entry)
        if type_ in BY_TYPE:
            for row in BY_TYPE[type_]:
                self.figures[row.key] = self.figures.get(row.key, 0) + row.adds(entry)
        if not _has_no_effect(entry):
            for key in entry:
                effect = _EFFECTS.get(key)
                if effect is not None:
                    effect(self, entry[key])

    def to_json(self) -> dict[str, object]:
        """Give all but `unmailed`: the mail of a checkpoint is in the mail files."""
        value = {name: getattr(self, name) for name in _NAMES}
        tasks = {task: fields_of(outcome) for task, outcome in self.tasks.items()}
        return value | {"position": list(self.position), "tasks": tasks}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> History:
        """Make a history of `to_json`'s value, less unknown keys. Raises ValueError, KeyError, TypeError."""
        read = {key: item for key, item in value.items() if key in _NAMES}
        read["position"] = Position(*as_mark(value["position"]))
        read["tasks"] = {task: TaskOutcome.from_json(item) for task, item in value["tasks"].items()}
        for name in ("marks", "mailed"):
            read[name] = {key: as_mark(item) for key, item in value[name].items()}
        begun = value.get("begun", {}).items()  # older versions have none
        read["begun"] = {run: (int(attempt), *as_mark(mark)) for run, (attempt, *mark) in begun}
        return cls(**read)


_NAMES = tuple(item.name for item in fields(History) if item.name != "unmailed")


def run_key(task: str, run: int) -> str:
    """Name a run of a task as a history does."""
    return f"{task}#{run}"


def as_mark(value: Any) -> Mark:
    """Make a mark of what was read from JSON. Raises ValueError or TypeError."""
    seq, offset, h = value
    if not (0 <= int(seq) < _MOST and 0 <= int(offset) < _MOST):
        raise ValueError("seq and offset of a mark are whole numbers from 0")
    return int(seq), int(offset), str(h)


def _run_of(history: History, entry: OfRun) -> str:
    """Name the run an entry speaks of: the current one unless it names another."""
    return run_key(entry["task"], entry.get("run", 1)) if "task" in entry else history.run or ""


def _start(history: History, entry: StartLine) -> None:
    history.attempt = entry["attempt"]
    for key, size in entry.get("passed", {}).items():  # output of a future that was taken back
        history.offsets[key] = max(int(size), history.offsets.get(key, 0))


def _task(history: History, entry: TaskLine) -> None:
    task, run, phase = entry["task"], entry.get("run", 1), TaskPhase(entry["phase"])
    before = history.tasks.get(task)
    outcome = before if before and before.run == run else TaskOutcome(phase=phase, run=run)
    if phase is TaskPhase.RUNNING:
        if before is None or before.run != run:
            history.begun[run_key(task, run)] = (history.attempt, *history.position)
        _begin(history, task, run)
        outcome = replace(outcome, attempts=outcome.attempts + 1, error=None, exit_code=None, signal=None)
    told: dict[str, object] = {key: item for key, item in entry.items() if key in _TOLD}
    if phase in SETTLED:
        history.gains += 1
        told.setdefault("result", history.results.get(run_key(task, run)))
        _forget(history, run_key(task, run))
    history.tasks[task] = replace(outcome, phase=phase, **told)


def _begin(history: History, task: str, run: int) -> None:
    key = run_key(task, run)
    if history.run != key:
        history.run, history.progress, history.note = key, None, None
    for older in [known for known in _runs(history) if known.startswith(f"{task}#") and known != key]:
        _forget(history, older)


def _runs(history: History) -> set[str]:
    asked = [*history.questions.values(), *history.answers.values()]
    of_asked = {run_key(item["task"], item["run"]) for item in asked}
    return of_asked.union(history.called, history.best, history.begun, *_parts(history))


def _parts(history: History) -> tuple[dict[str, Any], ...]:
    return history.steps, history.calls, history.raised, history.saves, history.results, history.ended


def _forget(history: History, run: str) -> None:
    """Drop what only an unsettled run needs."""
    for part in (*_parts(history), history.best, history.begun):
        part.pop(run, None)
    if history.called.pop(run, None) is not None:
        history.shown.clear()
    for asked in (history.questions, history.answers):
        for question in [id_ for id_, item in asked.items() if run_key(item["task"], item["run"]) == run]:
            del asked[question]


def _call(history: History, entry: CallLine) -> None:
    run = _run_of(history, entry)
    history.calls.setdefault(run, {})[entry["key"]] = entry.get("token", "")
    history.raised.get(run, {}).pop(entry["key"], None)


def _step(history: History, entry: StepLine) -> None:
    run = _run_of(history, entry)
    history.steps.setdefault(run, {})[entry["key"]] = entry.get("result")
    history.gains += 1
    history.calls.get(run, {}).pop(entry["key"], None)


def _raised(history: History, entry: RaisedLine) -> None:
    run = _run_of(history, entry)
    history.calls.get(run, {}).pop(entry["key"], None)
    history.raised.setdefault(run, {})[entry["key"]] = entry.get("token", "")


def _progress(history: History, entry: ProgressLine) -> None:
    history.progress, history.note = entry.get("value"), entry.get("note", history.note)
    run, value = history.run or "", history.progress
    if value is not None and value > history.best.get(run, 0.0):
        history.best[run] = value
        history.gains += 1
    task = (history.run or "").rpartition("#")[0]
    if task in history.tasks:
        history.tasks[task] = replace(history.tasks[task], progress=history.progress)


def _saved(history: History, entry: ValueLine) -> None:
    run = _run_of(history, entry)
    history.gains += history.saves.get(run) != entry["value"]
    history.saves[run] = entry["value"]


def _turn(history: History, entry: TurnLine) -> None:
    history.gains += entry.get("role") == "assistant"


def _result(history: History, entry: ValueLine) -> None:
    history.results[_run_of(history, entry)] = entry["value"]


def _ended(history: History, entry: EndedLine) -> None:
    told: EndedRun = {"result": entry.get("result"), "exit_code": entry.get("exit_code")}
    history.ended[_run_of(history, entry)] = told


def _artifact(history: History, entry: ArtifactLine) -> None:
    if entry["path"] not in history.artifacts:
        history.artifacts.append(entry["path"])


def _asked(history: History, entry: AskedLine) -> None:
    task, _, run = _run_of(history, entry).rpartition("#")
    question: Question = {
        "id": entry["question"],
        "task": task,
        "run": int(run or 1),
        "text": entry.get("text"),
        "at": entry["at"],
    }
    if "before" in entry:  # what lay in the place of its answer; older versions did not look
        question["before"] = entry["before"]
    history.questions[entry["question"]] = question


def _answered(history: History, entry: AnsweredLine) -> None:
    question = history.questions.pop(entry["question"], None)
    if question is not None:
        answered: Answered = {**question, "answer": entry.get("answer"), "reply": entry.get("text")}
        history.answers[entry["question"]] = answered


def _called(history: History, entry: CalledLine) -> None:
    history.called.setdefault(_run_of(history, entry), {})[entry["id"]] = history.attempt
    if "shown" in entry:
        history.shown = {entry["id"]: entry["shown"]}


def _sent(history: History, messages: list[SentMessage]) -> None:
    sent = history.sent
    for message in messages:
        to, n = message["to"], message["n"]
        before = sent.get(to, 0)
        sent[to] = n if n >= before else before
        history.sent_count += 1
        if message.get("type") == "discovery":
            history.discoveries += 1
            history.last_discovery = message.get("text")
    history.unmailed += messages


def _received(history: History, marks: dict[str, MarkRead]) -> None:
    """Marks never go down in `seq`; their place in the file may change (a copy, an edited file)."""
    for key, value in marks.items():
        mark = as_mark(value)
        before = history.marks.get(key, (0, 0, ""))[0]
        if mark[0] >= before:
            history.marks[key] = mark
            history.received += mark[0] - before


def _source(history: History, source: SourceEffect) -> None:
    key = f"{source['attempt']}/{source['file']}"
    history.offsets[key] = int(source["offset"])  # may go down: a program can empty its own output


def _state(history: History, change: StateEffect) -> None:
    for key in change.get("deleted", ()):
        history.state.pop(key, None)
    history.state.update(change.get("set", {}))


def _raise_each(known: dict[str, int], ends: dict[str, int]) -> None:
    for key, seq in ends.items():
        known[key] = max(int(seq), known.get(key, 0))


def _cost_usd(history: History, amount: float) -> None:
    history.cost_usd += amount


def _tokens(history: History, amount: int) -> None:
    history.tokens += amount


_TOLD = frozenset({"progress", "result", "error", "exit_code", "signal", "elapsed_s"})
_FOLDS: dict[str, Callable[[History, Any], None]] = {
    "start": _start,
    "task": _task,
    "call": _call,
    "step": _step,
    "raised": _raised,
    "progress": _progress,
    "saved": _saved,
    "turn": _turn,
    "result": _result,
    "ended": _ended,
    "artifact": _artifact,
    "asked": _asked,
    "answered": _answered,
    "called": _called,
}
_EFFECTS: dict[str, Callable[[History, Any], None]] = {
    "sent": _sent,
    "received": _received,
    "source": _source,
    "state": _state,
    "stored": lambda history, ends: _raise_each(history.stored, ends),
    "seen": lambda history, ends: _raise_each(history.seen, ends),
    "cost_usd": _cost_usd,
    "tokens": _tokens,
}
_has_no_effect = frozenset(_EFFECTS).isdisjoint  # for each line: a fifth of the cost of asking for each key
