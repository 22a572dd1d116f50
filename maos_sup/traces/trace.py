"""The spans of one orchestration: itself, attempts, tasks, answers of models, runs of tools; mail as links.

Ids are hashes: of the orchestration for the trace, of the line that began it for a span. So a trace that is
made anew is the same one, and what is sent twice is the same span. Only what has ended is a span.

Lines are taken as they come, and what has ended is given one look later: a message that was read was on
record at its sender before, so by then that is read as well, whichever agent was looked at first. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.spans import SPAN_TYPES, TASK, Span, SpanFold
from maos_sup.traces.content import CONTENT_TYPES, ContentFold, SpanContent

RUN, ATTEMPT = "run", "attempt"
_GOING_ON = ("running", "asking")
_MOST_LINKS, _MOST_LOOKS = 200, 2
_TRACE_BYTES, _SPAN_BYTES = 16, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """A span as it is sent. Ids are hexadecimal; `source`: what it was made of, None for run and attempts."""

    kind: str
    name: str
    trace: str
    id: str
    parent: str | None
    begin_s: float
    end_s: float
    agent: str | None = None
    attempt: int = 0
    state: str = "done"
    links: tuple[str, ...] = ()
    source: Span | None = None
    content: SpanContent | None = None


def trace_id(orchestration: str) -> str:
    """The id of an orchestration's trace; a copy of the tree has the same, a fork one of its own."""
    return sha256(f"maos-sup/{orchestration}".encode()).hexdigest()[: 2 * _TRACE_BYTES]


def span_id(orchestration: str, *parts: object) -> str:
    """The id of a span: a hash of what names the line that began it."""
    told = "/".join(map(str, ("maos-sup", orchestration, *parts)))
    return sha256(told.encode()).hexdigest()[: 2 * _SPAN_BYTES]


@dataclass(slots=True, kw_only=True)
class _Read:
    """A read of messages: by which span, which of whom, and how often their sending was looked for."""

    span: str
    box: str
    sender: str
    numbers: range
    looks: int = 0


@dataclass(slots=True)
class _AgentFold:
    """What was folded of one agent."""

    spans: SpanFold = field(default_factory=SpanFold)
    content: ContentFold | None = None
    marks: dict[str, int] = field(default_factory=dict)
    tasks: dict[tuple[int, str | None, int], str] = field(default_factory=dict)  # by attempt, task and run
    at_work: str | None = None  # the span of the task that is under way
    attempt: int = 0
    given: set[int] = field(default_factory=set)  # attempts whose spans were given


class RunFold:
    """Folds the lines of all agents of a run; `ended` gives each span that has ended once."""

    def __init__(self, orchestration: str, *, has_content: bool = False) -> None:
        self._id, self._has_content = orchestration, has_content
        self._trace, self._root = trace_id(orchestration), span_id(orchestration, RUN)
        self._agents: dict[str, _AgentFold] = {}
        self._sent: dict[tuple[str, str, int], str] = {}  # sender, box, number: the span it was sent from
        self._reads: list[_Read] = []
        self._links: dict[str, dict[str, None]] = {}
        self._held: list[TraceSpan] = []
        self._new: list[TraceSpan] = []

    def forget(self, agent: str) -> None:
        """Have all lines of `agent` taken anew: what counts of them is not what it was."""
        self._agents.pop(agent, None)

    def take(self, agent: str, lines: Iterable[JournalLine]) -> None:
        """Fold the next lines of `agent`, oldest first."""
        fold = self._of_agent(agent)
        for line in lines:
            self._take_line(fold, line)
        self._gather(fold)

    def end(self, agent: str, life: LifeSpan) -> None:
        """Fold the end of `life`, where it is known, when all its lines were taken."""
        fold = self._of_agent(agent)
        if life.ended_s is not None and life.attempt not in fold.given:
            fold.spans.cut(life.ended_s)
            fold.given.add(life.attempt)
            if life.begun_s is not None:
                self._new.append(self._of_attempt(agent, life, life.begun_s, life.ended_s))
        self._gather(fold)

    def ended(self) -> list[TraceSpan]:
        """What had ended one look ago, with links to where its messages were sent from."""
        self._link()
        ready, self._held, self._new = self._held, self._new, []
        return [replace(span, links=tuple(self._links.pop(span.id, ()))) for span in ready]

    def whole(self, begin_s: float, end_s: float) -> TraceSpan:
        """The span of the run itself."""
        return TraceSpan(
            kind=RUN,
            name=self._id,
            trace=self._trace,
            id=self._root,
            parent=None,
            begin_s=begin_s,
            end_s=end_s,
        )

    def _of_agent(self, agent: str) -> _AgentFold:
        fold = self._agents.get(agent)
        if fold is None:
            fold = self._agents[agent] = _AgentFold(content=ContentFold() if self._has_content else None)
        return fold

    def _gather(self, fold: _AgentFold) -> None:
        """Take what has ended out of the fold."""
        self._new += [self._of_span(fold, span) for span in fold.spans.spans]
        fold.spans.spans.clear()

    def _take_line(self, fold: _AgentFold, line: JournalLine) -> None:
        if line.attempt != fold.attempt:
            fold.attempt, fold.at_work = line.attempt, None
        if line.type in SPAN_TYPES:
            fold.spans.take(line)
        if fold.content is not None and line.type in CONTENT_TYPES:
            fold.content.take(line)
        phase = line.fields.get("phase") if line.type == "task" else None
        if phase == "running":
            run = line.fields.get("run")
            place = line.attempt, str(line.fields.get("task")), run if isinstance(run, int) else 1
            fold.at_work = fold.tasks[place] = span_id(self._id, line.agent, line.attempt, line.h)
        self._note_mail(fold, line)
        if phase is not None and phase not in _GOING_ON:
            fold.at_work = None

    def _note_mail(self, fold: _AgentFold, line: JournalLine) -> None:
        here = fold.at_work or span_id(self._id, line.agent, ATTEMPT, line.attempt)
        sent, received = line.fields.get("sent"), line.fields.get("received")
        for message in sent if isinstance(sent, list) else ():
            if isinstance(message, dict) and isinstance(message.get("n"), int):
                self._sent[line.agent, str(message.get("to")), message["n"]] = here
        for key, mark in (received if isinstance(received, dict) else {}).items():
            box, _, sender = str(key).partition("/")
            if isinstance(mark, list) and mark and isinstance(mark[0], int):
                numbers = range(fold.marks.get(key, 0) + 1, mark[0] + 1)[-_MOST_LINKS:]
                self._reads.append(_Read(span=here, box=box, sender=sender, numbers=numbers))
                fold.marks[key] = mark[0]

    def _link(self) -> None:
        """Note where read messages were sent from; what is not found in two looks is of nobody here."""
        for read in self._reads:
            read.looks += 1
            for n in read.numbers:
                source = self._sent.get((read.sender, read.box, n))
                if source is not None and source != read.span:
                    self._links.setdefault(read.span, {})[source] = None
        self._reads = [read for read in self._reads if read.looks < _MOST_LOOKS]

    def _of_attempt(self, agent: str, life: LifeSpan, begun_s: float, ended_s: float) -> TraceSpan:
        return TraceSpan(
            kind=ATTEMPT,
            name=agent,
            trace=self._trace,
            id=span_id(self._id, agent, ATTEMPT, life.attempt),
            parent=self._root,
            begin_s=begun_s,
            end_s=ended_s,
            agent=agent,
            attempt=life.attempt,
            state=life.reason or "lost",
        )

    def _of_span(self, fold: _AgentFold, span: Span) -> TraceSpan:
        of_task = fold.tasks.get((span.attempt, span.task, span.run)) if span.kind != TASK else None
        return TraceSpan(
            kind=span.kind,
            name=span.name,
            trace=self._trace,
            id=span_id(self._id, span.agent, span.attempt, span.id),
            parent=of_task or span_id(self._id, span.agent, ATTEMPT, span.attempt),
            begin_s=span.begin_s,
            end_s=span.begin_s if span.end_s is None else span.end_s,
            agent=span.agent,
            attempt=span.attempt,
            state=span.state,
            source=span,
            content=None if fold.content is None else fold.content.found.pop(span.id, None),
        )
