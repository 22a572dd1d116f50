"""One window of a team's time: a lane for each agent with its attempts and spans, mail, money, checkpoints.

However long the run, a window has a bounded number of lanes and of items in each, and reads a bounded number
of bytes of each journal; `left_out` says where there was more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from maos_sup.projection.journal_lines import JournalLine, decoded, seconds_of, type_of
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.reading import Reading
from maos_sup.projection.spans import ASKING, SPAN_TYPES, TASK, Span, SpanFold, cost_of
from maos_sup.views.files import natural

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, Status

MOST_LANES, MOST_SPANS, MOST_ARROWS, MOST_TICKS = 60, 240, 200, 60
_MOST_BYTES = 1 << 18  # of one lane
_BARS = 96  # of money, over the window
_MARGIN_S = 1.0
_MOST_CHARS = 200  # of a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A lane is one agent in a window. `left_out`: spans and bytes of journals that are not shown."""

    agent: str
    phase: str
    lives: tuple[LifeSpan, ...] = ()
    spans: tuple[Span, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """An arrow is a message from a lane to a lane (or `all`). `read_s` None: not yet, or not in the
    window."""

    sender: str
    to: str
    type: str
    sent_s: float
    read_s: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A tick is a checkpoint on the line of time."""

    number: int
    label: str
    at_s: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The window [since_s, until_s] of a run [begun_s, ended_s]; `agents` counts all lanes there are."""

    begun_s: float
    ended_s: float
    since_s: float
    until_s: float
    lanes: tuple[Lane, ...]
    agents: int
    first: int = 0  # the place of the first lane among all
    arrows: tuple[Arrow, ...] = ()
    ticks: tuple[Tick, ...] = ()
    money: tuple[float, ...] = ()  # USD in each of equal parts of the window
    left_out: int = 0


@dataclass(slots=True, kw_only=True)
class _Seen:
    """Collects what the lanes of a window told beside their own spans."""

    sent: list[tuple[str, float, Mapping[str, Any]]] = field(default_factory=list)  # by whom, when, what
    marks: dict[tuple[str, str, str], list[tuple[int, float]]] = field(default_factory=dict)
    costs: list[tuple[float, float]] = field(default_factory=list)


def timeline_of(
    reading: Reading,
    status: Status,
    *,
    now_s: float,
    since_s: float | None = None,
    until_s: float | None = None,
    first: int = 0,
    most_lanes: int = MOST_LANES,
) -> Timeline:
    """Make a window of the run; the whole of it where no times are given. `first`: how many lanes to pass
    over."""
    agents = sorted(status["agents"], key=lambda agent: natural(agent["name"]))
    shown = agents[first : first + min(most_lanes, MOST_LANES)]
    begun_s, ended_s = _bounds(reading, status, now_s)
    since = begun_s if since_s is None else max(begun_s, min(since_s, ended_s))
    until = ended_s if until_s is None else min(ended_s, max(until_s, since))
    seen = _Seen()
    lanes = tuple(_lane(reading, agent, (since, until), seen) for agent in shown)
    arrows = [
        replace(arrow, text=str(reading.redacted(arrow.text))[:_MOST_CHARS])
        for arrow in _arrows(seen, [lane.agent for lane in lanes])
    ]
    ticks = [tick for tick in _ticks(reading) if since <= tick.at_s <= until]
    return Timeline(
        begun_s=begun_s,
        ended_s=ended_s,
        since_s=since,
        until_s=until,
        lanes=lanes,
        agents=len(agents),
        first=first,
        arrows=tuple(arrows[-MOST_ARROWS:]),
        ticks=tuple(ticks[-MOST_TICKS:]),
        money=_bars(seen.costs, since, until),
        left_out=max(0, len(arrows) - MOST_ARROWS) + max(0, len(ticks) - MOST_TICKS),
    )


def _bounds(reading: Reading, status: Status, now_s: float) -> tuple[float, float]:
    """Tell when the run began, and when it was last heard of: now, if somebody is at work."""
    created_s = reading.begun_s() or seconds_of(status.get("created_at")) or now_s
    if status["counts"]["alive"] or status["supervisor"]["alive"]:
        return created_s, max(now_s, created_s + _MARGIN_S)
    ends = [
        ended_s
        for agent in status["agents"]
        if agent["attempt"]
        for ended_s in [_last_heard_s(reading, agent["name"], agent["attempt"])]
        if ended_s is not None
    ]
    return created_s, max([*ends, created_s + _MARGIN_S])


def _last_heard_s(reading: Reading, agent: str, attempt: int) -> float | None:
    known = next((life for life in reading.lives(agent) if life.attempt == attempt), None)
    if known is not None and known.ended_s is not None:
        return known.ended_s
    return reading.last_word_s(agent, attempt)


def _lane(reading: Reading, agent: AgentShown, window: tuple[float, float], seen: _Seen) -> Lane:
    name, left_out = agent["name"], 0
    since_s, until_s = window
    lives = [life for life in reading.lives(name) if life.begun_s is not None and life.begun_s <= until_s]
    lines, budget = list[JournalLine](), _MOST_BYTES
    for life in reversed(lives):
        if life.ended_s is not None and life.ended_s < since_s:
            continue
        piece = reading.piece(name, life.attempt, since_s=since_s, until_s=until_s, most_bytes=max(budget, 1))
        budget -= sum(map(len, piece.raws))
        left_out += piece.left_out
        lines[:0] = _decoded(piece.raws, name, life)
    for line in lines:
        _look(line, seen)
    fold = _folded(lines, {life.attempt: life.ended_s for life in lives})
    if agent["pid"] is None and lives:
        fold.cut(_end_of(lives[-1], lines, until_s))
    return Lane(
        agent=name,
        phase=str(agent["phase"]),
        lives=tuple(lives[-MOST_SPANS:]),
        spans=tuple(_clean(reading, span) for span in _most_telling([*fold.spans, *fold.open_spans])),
        left_out=max(0, len(fold.spans) + len(fold.open_spans) - MOST_SPANS) + left_out,
    )


def _folded(lines: Iterable[JournalLine], ends: Mapping[int, float | None]) -> SpanFold:
    """Fold the spans that `lines` tell; what a process left open ended with it, as `ends` says by attempt."""
    fold, attempt = SpanFold(), 0
    for line in lines:
        ended_s = ends.get(attempt) if line.attempt != attempt else None
        if ended_s is not None:
            fold.cut(ended_s)
        attempt = line.attempt
        if line.type in SPAN_TYPES:
            fold.take(line)
    return fold


def _clean(reading: Reading, span: Span) -> Span:
    """Take secrets out of `span`; only what is shown is looked through."""
    return replace(span, name=str(reading.redacted(span.name)), why=reading.redacted(span.why))


def _end_of(life: LifeSpan, lines: Sequence[JournalLine], until_s: float) -> float:
    if life.ended_s is not None:
        return life.ended_s
    return lines[-1].at_s if lines else until_s


def _decoded(raws: Iterable[bytes], agent: str, life: LifeSpan) -> list[JournalLine]:
    found = []
    for raw in raws:
        if type_of(raw) not in SPAN_TYPES and b'"sent":' not in raw and b'"received":' not in raw:
            continue
        line = decoded(raw, agent=agent, attempt=life.attempt, void_above=life.void_above)
        if line is not None:
            found.append(line)
    return found


def _look(line: JournalLine, seen: _Seen) -> None:
    """Note the mail and the money that a line tells of."""
    sent, marks, cost = line.fields.get("sent"), line.fields.get("received"), cost_of(line.fields)
    if isinstance(sent, list):
        seen.sent += [(line.agent, line.at_s, message) for message in sent if isinstance(message, dict)]
    if isinstance(marks, dict):
        for key, mark in marks.items():
            box, _, sender = str(key).partition("/")
            if isinstance(mark, list) and mark and isinstance(mark[0], int):
                seen.marks.setdefault((line.agent, box, sender), []).append((mark[0], line.at_s))
    if cost:
        seen.costs.append((line.at_s, cost))


def _arrows(seen: _Seen, lanes: Sequence[str]) -> list[Arrow]:
    """The messages that were sent in a window, oldest first; one to all has no lane of its own."""
    known, found = {*lanes, "all"}, []
    for sender, at_s, message in seen.sent:
        to, n = str(message.get("to")), message.get("n")
        if to not in known or not isinstance(n, int):
            continue
        marks = seen.marks.get((to, to, sender), [])
        read_s = next((then_s for mark, then_s in marks if mark >= n and then_s >= at_s - _MARGIN_S), None)
        found.append(
            Arrow(
                sender=sender,
                to=to,
                type=str(message.get("type") or "info"),
                sent_s=at_s,
                read_s=read_s,
                text=str(message.get("text") or ""),
            )
        )
    return sorted(found, key=lambda arrow: arrow.sent_s)


def _ticks(reading: Reading) -> list[Tick]:
    found = []
    for cut in reading.cuts():
        at_s = seconds_of(cut.at)
        if at_s is not None:
            found.append(Tick(number=cut.number, label=cut.label, at_s=at_s, why=cut.why))
    return found


def _bars(costs: Iterable[tuple[float, float]], since_s: float, until_s: float) -> tuple[float, ...]:
    bars, span_s = [0.0] * _BARS, max(until_s - since_s, 1e-6)
    for at_s, cost in costs:
        bars[min(_BARS - 1, max(0, int((at_s - since_s) / span_s * _BARS)))] += cost
    return tuple(round(bar, 6) for bar in bars) if any(bars) else ()


def _most_telling(spans: list[Span]) -> list[Span]:
    """At most so many spans as a lane shows, by when they began: tasks, questions, then the longest."""

    def weight(span: Span) -> tuple[bool, float]:
        return span.kind in (TASK, ASKING), (span.end_s or float("inf")) - span.begin_s

    kept = spans if len(spans) <= MOST_SPANS else sorted(spans, key=weight)[-MOST_SPANS:]
    return sorted(kept, key=lambda span: (span.begin_s, span.kind != TASK))
