"""The spans of one orchestration: itself, attempts, tasks, answers of models, runs of tools; mail as links.

Ids are hashes: of the orchestration for the trace, of the line that began it for a span. So a trace that is
made anew is the same one, and what is sent twice is the same span. Only what has ended is a span. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.spans import SPAN_TYPES, TASK, Span, SpanFold

RUN, ATTEMPT = "run", "attempt"
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


@dataclass(slots=True, kw_only=True)
class _Mail:
    """Which span each message was sent from, and the reads that are still to be linked."""

    sent: dict[tuple[str, str, int], str] = field(default_factory=dict)
    reads: list[tuple[str, str, str, range]] = field(default_factory=list)  # span, box, sender, numbers


def trace_id(orchestration: str) -> str:
    """The id of an orchestration's trace; a copy of the tree has the same, a fork one of its own."""
    return sha256(f"maos-sup/{orchestration}".encode()).hexdigest()[: 2 * _TRACE_BYTES]


def span_id(orchestration: str, *parts: object) -> str:
    """The id of a span: a hash of what names the line that began it."""
    told = "/".join(map(str, ("maos-sup", orchestration, *parts)))
    return sha256(told.encode()).hexdigest()[: 2 * _SPAN_BYTES]


def spans_of_run(
    orchestration: str,
    agents: Mapping[str, tuple[Sequence[LifeSpan], Iterable[JournalLine]]],
    *,
    whole: tuple[float, float] | None,
    name: str,
) -> list[TraceSpan]:
    """Every span that has ended, of each agent its lives and all its lines, oldest first.

    `whole`: when the run began and ended; None while it goes on: then its own span is not among them.
    """
    trace, root, mail = trace_id(orchestration), span_id(orchestration, RUN), _Mail()
    found = list[TraceSpan]()
    if whole is not None:
        begin_s, end_s = whole
        found.append(
            TraceSpan(kind=RUN, name=name, trace=trace, id=root, parent=None, begin_s=begin_s, end_s=end_s)
        )
    for agent, (lives, lines) in agents.items():
        found += _of_agent(orchestration, agent, lives, lines, mail)
    return _linked(found, mail)


def _of_agent(
    orchestration: str, agent: str, lives: Sequence[LifeSpan], lines: Iterable[JournalLine], mail: _Mail
) -> list[TraceSpan]:
    trace, root = trace_id(orchestration), span_id(orchestration, RUN)
    attempts = {life.attempt: span_id(orchestration, agent, ATTEMPT, life.attempt) for life in lives}
    found = [
        TraceSpan(
            kind=ATTEMPT,
            name=agent,
            trace=trace,
            id=attempts[life.attempt],
            parent=root,
            begin_s=life.begun_s,
            end_s=life.ended_s,
            agent=agent,
            attempt=life.attempt,
            state=life.reason or "lost",
        )
        for life in lives
        if life.begun_s is not None and life.ended_s is not None
    ]
    fold, marks, tasks = SpanFold(), dict[str, int](), dict[tuple[int, str | None, int], str]()
    for line in lines:
        if line.type in SPAN_TYPES:
            fold.take(line)
        if line.type == "task" and line.fields.get("phase") == "running":
            run = line.fields.get("run")
            place = line.attempt, str(line.fields.get("task")), run if isinstance(run, int) else 1
            tasks[place] = span_id(orchestration, agent, line.attempt, line.h)
        here = next(iter(reversed(tasks.values())), attempts.get(line.attempt, root))
        _note_mail(line, here, marks, mail)
    last = lives[-1] if lives else None
    if last is not None and last.ended_s is not None:
        fold.cut(last.ended_s)
    for span in fold.spans:
        of_task = tasks.get((span.attempt, span.task, span.run))
        parent = of_task if span.kind != TASK and of_task else attempts.get(span.attempt, root)
        found.append(_sent(orchestration, trace, parent, span))
    return found


def _sent(orchestration: str, trace: str, parent: str, span: Span) -> TraceSpan:
    return TraceSpan(
        kind=span.kind,
        name=span.name,
        trace=trace,
        id=span_id(orchestration, span.agent, span.attempt, span.id),
        parent=parent,
        begin_s=span.begin_s,
        end_s=span.begin_s if span.end_s is None else span.end_s,
        agent=span.agent,
        attempt=span.attempt,
        state=span.state,
        source=span,
    )


def _note_mail(line: JournalLine, here: str, marks: dict[str, int], mail: _Mail) -> None:
    sent, received = line.fields.get("sent"), line.fields.get("received")
    for message in sent if isinstance(sent, list) else ():
        if isinstance(message, dict) and isinstance(message.get("n"), int):
            mail.sent[line.agent, str(message.get("to")), message["n"]] = here
    for key, mark in (received if isinstance(received, dict) else {}).items():
        box, _, sender = str(key).partition("/")
        if isinstance(mark, list) and mark and isinstance(mark[0], int):
            mail.reads.append((here, box, sender, range(marks.get(key, 0) + 1, mark[0] + 1)))
            marks[key] = mark[0]


def _linked(spans: list[TraceSpan], mail: _Mail) -> list[TraceSpan]:
    """`spans`, each with links to the spans that its messages were sent from."""
    links = dict[str, dict[str, None]]()
    for reader, box, sender, numbers in mail.reads:
        for n in numbers[-200:]:
            source = mail.sent.get((sender, box, n))
            if source is not None and source != reader:
                links.setdefault(reader, {})[source] = None
    return [replace(span, links=tuple(links.get(span.id, ()))) for span in spans]
