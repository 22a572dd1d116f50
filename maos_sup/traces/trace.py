"""The spans of one orchestration: itself, attempts, tasks, answers of models, runs of tools; mail as links.

Ids are hashes: of the orchestration for the trace, of the line that began it for a span. So a trace that is
made anew is the same one, and what is sent twice is the same span. Only what has ended is a span.

Lines are taken as they come, and a link is made when a read is: what was sent has to be known by then, of
whichever agent (see `origins`). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.spans import SPAN_TYPES, TASK, Span, SpanFold
from maos_sup.traces.content import CONTENT_TYPES, ContentFold, SpanContent
from maos_sup.traces.ids import ATTEMPT, RUN, span_id, trace_id
from maos_sup.traces.origins import AtWork, Origins

_MOST_LINKS = 200  # of one read


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


@dataclass(slots=True)
class _AgentFold:
    """Holds what was folded of one agent."""

    at_work: AtWork
    spans: SpanFold = field(default_factory=SpanFold)
    content: ContentFold | None = None
    marks: dict[str, int] = field(default_factory=dict)
    given: set[int] = field(default_factory=set)  # attempts whose spans were given


class RunFold:
    """Folds the lines of all agents of a run; `ended` gives each span that has ended once.

    `origins` knows of all messages that the lines tell were read where they were sent from.
    """

    def __init__(self, orchestration: str, origins: Origins, *, has_content: bool = False) -> None:
        self._id, self._origins, self._has_content = orchestration, origins, has_content
        self._trace, self._root = trace_id(orchestration), span_id(orchestration, RUN)
        self._agents: dict[str, _AgentFold] = {}
        self._links: dict[str, dict[str, None]] = {}
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
        """Take the spans that have ended since the last time."""
        ready, self._new = self._new, []
        return ready

    def whole(self, begin_s: float, end_s: float) -> TraceSpan:
        """Make the span of the run itself."""
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
            content = ContentFold() if self._has_content else None
            fold = self._agents[agent] = _AgentFold(at_work=AtWork(self._id), content=content)
        return fold

    def _gather(self, fold: _AgentFold) -> None:
        """Take what has ended out of the fold."""
        self._new += [self._of_span(fold, span) for span in fold.spans.spans]
        fold.spans.spans.clear()

    def _take_line(self, fold: _AgentFold, line: JournalLine) -> None:
        if line.type in SPAN_TYPES:
            fold.spans.take(line)
        if fold.content is not None and line.type in CONTENT_TYPES:
            fold.content.take(line)
        here, received = fold.at_work.take(line), line.fields.get("received")
        for key, mark in (received if isinstance(received, dict) else {}).items():
            box, _, sender = str(key).partition("/")
            if isinstance(mark, list) and mark and isinstance(mark[0], int):
                for n in range(fold.marks.get(key, 0) + 1, mark[0] + 1)[-_MOST_LINKS:]:
                    source = self._origins.of(sender, box, n)
                    if source is not None and source != here:
                        self._links.setdefault(here, {})[source] = None
                fold.marks[key] = mark[0]

    def _of_attempt(self, agent: str, life: LifeSpan, begun_s: float, ended_s: float) -> TraceSpan:
        id_ = span_id(self._id, agent, ATTEMPT, life.attempt)
        return TraceSpan(
            kind=ATTEMPT,
            name=agent,
            trace=self._trace,
            id=id_,
            links=tuple(self._links.pop(id_, ())),
            parent=self._root,
            begin_s=begun_s,
            end_s=ended_s,
            agent=agent,
            attempt=life.attempt,
            state=life.reason or "lost",
        )

    def _of_span(self, fold: _AgentFold, span: Span) -> TraceSpan:
        id_ = span_id(self._id, span.agent, span.attempt, span.id)
        of_task = fold.at_work.tasks.get((span.attempt, span.task, span.run)) if span.kind != TASK else None
        return TraceSpan(
            kind=span.kind,
            name=span.name,
            trace=self._trace,
            id=id_,
            links=tuple(self._links.pop(id_, ())),
            parent=of_task or span_id(self._id, span.agent, ATTEMPT, span.attempt),
            begin_s=span.begin_s,
            end_s=span.begin_s if span.end_s is None else span.end_s,
            agent=span.agent,
            attempt=span.attempt,
            state=span.state,
            source=span,
            content=None if fold.content is None else fold.content.found.pop(span.id, None),
        )
