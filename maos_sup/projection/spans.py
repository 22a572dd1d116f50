"""Says what lasted: tasks, model calls, tool calls, steps and questions, as spans between lines of
journals. Pure.

A span is named by the hash of the line that began it, so whoever folds the same lines anew names it alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from maos_sup.projection.journal_lines import JournalLine

TASK, MODEL, TOOL, STEP, ASKING = "task", "model", "tool", "step", "asking"
KINDS = (TASK, MODEL, TOOL, STEP, ASKING)
SPAN_TYPES = frozenset(
    {"task", "request", "begun", "turn", "broken", "compacted", "tool_call", "tool_result", "call", "step"}
    | {"raised", "called", "asked", "answered", "start"}
)
Told = Mapping[str, Any]  # what a line adds to a span
_GOING_ON = ("running", "asking")
_OPEN, _DONE, _FAILED, _CUT = "open", "done", "failed", "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span is something that lasted. `end_s` None: it goes on. `state`: open, done, failed, cut (a
    process died)."""

    kind: str
    name: str
    agent: str
    attempt: int
    id: str  # the hash of the line that began it
    begin_s: float
    end_s: float | None = None
    state: str = _OPEN
    task: str | None = None
    run: int = 1
    model: str | None = None
    cost_usd: float | None = 0.0  # None: unknown
    tokens: int = 0
    usage: Mapping[str, Any] = field(default_factory=dict)
    why: str | None = None
    is_void: bool = False


class SpanFold:
    """Folds the lines of one agent, oldest first; `spans` are those that ended, `open_spans` the others."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._open: dict[tuple[str, str], Span] = {}
        self._last_s: float | None = None
        self._attempt = 0
        self._task: tuple[str | None, int] = (None, 1)

    @property
    def open_spans(self) -> list[Span]:
        """List the spans that go on, by when they began."""
        return sorted(self._open.values(), key=lambda span: span.begin_s)

    def take(self, line: JournalLine) -> None:
        """Fold the next line."""
        if line.attempt != self._attempt:
            self.cut(self._last_s if self._last_s is not None else line.at_s)
            self._attempt = line.attempt
        fold = _FOLDS.get(line.type)
        if fold is not None:
            fold(self, line)
        self._last_s = line.at_s

    def cut(self, at_s: float) -> None:
        """The process is gone since `at_s`: what was open is over, but for questions, which wait on."""
        for key in [*self._open]:
            if key[0] != ASKING:
                self._end(key, at_s, state=_CUT)

    # -- how spans begin and end

    def _begin(self, kind: str, key: str, line: JournalLine, **told: Any) -> None:
        self._end((kind, key), line.at_s, state=_CUT)
        task, run = self._named_task(line)
        self._open[kind, key] = Span(
            kind=kind,
            agent=line.agent,
            attempt=line.attempt,
            id=line.h,
            begin_s=line.at_s,
            task=task,
            run=run,
            is_void=line.is_void,
            **{"name": key, **told},
        )

    def _end(self, key: tuple[str, str], at_s: float, *, state: str, **told: Any) -> bool:
        span = self._open.pop(key, None)
        if span is None:
            return False
        self.spans.append(replace(span, end_s=max(at_s, span.begin_s), state=state, **told))
        return True

    def _named_task(self, line: JournalLine) -> tuple[str | None, int]:
        task, run = line.fields.get("task"), line.fields.get("run")
        return (task if isinstance(task, str) else self._task[0]), run if isinstance(
            run, int
        ) else self._task[1]

    def take_task(self, line: JournalLine) -> None:
        task, phase = str(line.fields.get("task")), line.fields.get("phase")
        run = line.fields.get("run")
        self._task = (task, run if isinstance(run, int) else 1)
        if phase == "running":
            self._begin(TASK, task, line)
        elif phase not in _GOING_ON:
            state = {"done": _DONE, "failed": _FAILED}.get(str(phase), _CUT)
            why = line.fields.get("error")
            self._end((TASK, task), line.at_s, state=state, why=str(why) if why else None)

    def take_request(self, line: JournalLine) -> None:
        self._begin(MODEL, _key(line), line, name=str(line.fields.get("purpose") or "turn"))

    def take_begun(self, line: JournalLine) -> None:
        model = line.fields.get("model")
        key = (MODEL, _key(line))
        if isinstance(model, str) and key in self._open:
            self._open[key] = replace(self._open[key], model=model)

    def take_answer(self, line: JournalLine) -> None:
        if line.type == "turn" and line.fields.get("role") != "assistant":
            return
        usage, model = line.fields.get("usage"), line.fields.get("model")
        told: Told = {
            "cost_usd": cost_of(line.fields),
            "tokens": tokens_of(line.fields),
            "usage": usage if isinstance(usage, dict) else {},
        } | ({"model": model} if isinstance(model, str) else {})
        if not self._end((MODEL, _key(line)), line.at_s, state=_DONE, **told):
            self._add_whole(line, told, state=_DONE)  # a command line's: only its end is on record

    def take_broken(self, line: JournalLine) -> None:
        told = {"cost_usd": cost_of(line.fields), "tokens": tokens_of(line.fields), "why": _why(line)}
        if not self._end((MODEL, _key(line)), line.at_s, state=_FAILED, **told):
            self._add_whole(line, told, state=_FAILED)

    def _add_whole(self, line: JournalLine, told: Told, *, state: str) -> None:
        begin_s = line.at_s if self._last_s is None else min(self._last_s, line.at_s)
        task, run = self._named_task(line)
        span = Span(
            kind=MODEL,
            name="turn",
            agent=line.agent,
            attempt=line.attempt,
            id=line.h,
            begin_s=begin_s,
            end_s=line.at_s,
            state=state,
            task=task,
            run=run,
            is_void=line.is_void,
        )
        self.spans.append(replace(span, **told))

    def take_tool_call(self, line: JournalLine) -> None:
        self._begin(TOOL, str(line.fields.get("id")), line, name=str(line.fields.get("name")))

    def take_tool_result(self, line: JournalLine) -> None:
        fields = line.fields
        state = _CUT if fields.get("is_interrupted") else _FAILED if fields.get("is_error") else _DONE
        self._end((TOOL, str(fields.get("id"))), line.at_s, state=state)

    def take_call(self, line: JournalLine) -> None:
        self._begin(STEP, _key(line), line)

    def take_step(self, line: JournalLine) -> None:
        self._end((STEP, _key(line)), line.at_s, state=_DONE)

    def take_raised(self, line: JournalLine) -> None:
        self._end((STEP, _key(line)), line.at_s, state=_FAILED, why=str(line.fields.get("error")))

    def take_asked(self, line: JournalLine) -> None:
        self._begin(ASKING, str(line.fields.get("question")), line, name=str(line.fields.get("text") or ""))

    def take_answered(self, line: JournalLine) -> None:
        said = " ".join(str(line.fields[key]) for key in ("answer", "text") if line.fields.get(key))
        self._end((ASKING, str(line.fields.get("question"))), line.at_s, state=_DONE, why=said or None)


def spans_of(lines: Iterable[JournalLine]) -> SpanFold:
    """Fold the lines of one agent, oldest first."""
    fold = SpanFold()
    for line in lines:
        fold.take(line)
    return fold


def cost_of(fields: Mapping[str, Any]) -> float | None:
    """The money that a line adds to its agent's total; None where nobody knows what it cost."""
    cost = fields.get("cost_usd")
    if isinstance(cost, int | float) and not isinstance(cost, bool):
        return float(cost)
    waste = fields.get("waste")  # of a try that broke off; None there is a price that nobody knows
    is_unknown = isinstance(waste, dict) and "cost_usd" in waste and waste["cost_usd"] is None
    return None if is_unknown or fields.get("cost") == "unknown" else 0.0


def tokens_of(fields: Mapping[str, Any]) -> int:
    """The tokens that a line adds to its agent's total."""
    tokens = fields.get("tokens")
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else 0


def _key(line: JournalLine) -> str:
    return str(line.fields.get("key"))


def _why(line: JournalLine) -> str | None:
    why = line.fields.get("why")
    return str(why) if why else None


_FOLDS: dict[str, Callable[[SpanFold, JournalLine], None]] = {
    "task": SpanFold.take_task,
    "request": SpanFold.take_request,
    "begun": SpanFold.take_begun,
    "turn": SpanFold.take_answer,
    "compacted": SpanFold.take_answer,
    "broken": SpanFold.take_broken,
    "tool_call": SpanFold.take_tool_call,
    "tool_result": SpanFold.take_tool_result,
    "call": SpanFold.take_call,
    "step": SpanFold.take_step,
    "raised": SpanFold.take_raised,
    "asked": SpanFold.take_asked,
    "answered": SpanFold.take_answered,
}
