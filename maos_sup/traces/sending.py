"""Sends the spans of a tree to a collector: all that ended, then, while it is followed, what ends.

A look goes to where journals end when it begins. It reads twice: first where messages were sent from, in all
journals, then spans, so that each link is known when its span is made, and a batch of spans is all that is
held, however many there are. Nothing more is read while a collector does not take what waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maos_sup.projection.journal_lines import type_of
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.reading import Reading
from maos_sup.projection.spans import SPAN_TYPES
from maos_sup.traces.content import CONTENT_TYPES
from maos_sup.traces.names import Names
from maos_sup.traces.origins import Origins
from maos_sup.traces.otlp import BATCH, CONTENT_BATCH, encoded, message_of, send
from maos_sup.traces.sent import SentSpans
from maos_sup.traces.trace import RunFold, TraceSpan
from state_layout.records import Phase

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

Place = tuple[str, int]  # agent, attempt
_ENDED = (Phase.DONE, Phase.FAILED, Phase.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Says where spans go and what they say of their source; `headers` may hold a key."""

    url: str
    headers: Mapping[str, str]
    service: str = "maos-sup"
    resource: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingManner:
    """Says what is sent, and where to."""

    collector: Collector
    names: Names
    has_content: bool = False


class Exporter:
    """Sends each span of one tree once in its life; another one sends the same spans under the same ids.

    `sent`: what was sent before; one that is kept in a file spares the next exporter most of it.
    """

    def __init__(self, reading: Reading, manner: SendingManner, sent: SentSpans | None = None) -> None:
        self._reading, self._manner, self._sent = reading, manner, sent or SentSpans()
        self._fold: RunFold | None = None
        self._origins: Origins | None = None
        self._offsets: dict[Place, int] = {}
        self._mail_offsets: dict[Place, int] = {}  # up to where it is known what was sent from where
        self._waiting: list[TraceSpan] = []  # that have ended and are not sent
        self._voids: dict[Place, int | None] = {}
        self._over: set[Place] = set()  # lives whose last line was read

    def export(self) -> int:
        """Send what has ended; how many spans that were. Raises LayoutError."""
        status = self._reading.status()
        most = CONTENT_BATCH if self._manner.has_content else BATCH
        count = self._send(status["id"], most)
        for spans in self._ended(status):
            self._waiting += [span for span in spans if _key(span) not in self._sent]
            if len(self._waiting) >= most:
                count += self._send(status["id"], most)
        return count + self._send(status["id"], most)

    def is_over(self) -> bool:
        """Nothing more will end by itself."""
        return _is_over(self._reading.status())

    def spans(self) -> list[TraceSpan]:
        """All spans that have ended since the last look."""
        return [span for spans in self._ended(self._reading.status()) for span in spans]

    def _send(self, orchestration: str, most: int) -> int:
        """Send what waits, `most` at a time."""
        collector, count = self._manner.collector, 0
        resource = {
            "service.name": collector.service,
            "maos.orchestration": orchestration,
            **collector.resource,
        }
        while batch := self._waiting[:most]:
            body = encoded(message_of(batch, self._manner.names, resource=resource))
            send(collector.url, body, headers=collector.headers)
            del self._waiting[:most]
            self._sent.add(map(_key, batch))
            count += len(batch)
        return count

    def _ended(self, status: Status) -> Iterator[list[TraceSpan]]:
        """Yield what has ended, some at a time, as it is read; who stops there goes on there next time."""
        if self._fold is None or self._origins is None:
            self._origins = Origins(status["id"])
            self._fold = RunFold(status["id"], self._origins, has_content=self._manner.has_content)
        names = [agent["name"] for agent in status["agents"]]
        every = {name: self._reading.lives(name) for name in names}
        sizes = {
            (name, life.attempt): self._reading.journal_size(name, life.attempt)
            for name, lives in every.items()
            for life in lives
            if (name, life.attempt) not in self._over
        }
        for name in names:
            self._take_mail(self._origins, name)
        for name, lives in every.items():
            yield from self._take(
                self._fold, name, [life for life in lives if life.begun_s is not None], sizes
            )
        ends = [life.ended_s for lives in every.values() for life in lives if life.ended_s is not None]
        begun_s = self._reading.begun_s()
        if begun_s is not None and ends and _is_over(status):
            yield [self._fold.whole(begun_s, max(ends))]

    def _take_mail(self, origins: Origins, agent: str) -> None:
        """Note what is new of what an agent has sent, to the end of what it wrote."""
        for life in self._reading.lives(agent):
            place = agent, life.attempt
            offset = self._mail_offsets.get(place, 0)
            if place in self._over or life.begun_s is None:
                continue
            for lines, behind in self._reading.lines_after(agent, life, offset, wants=_is_of_mail):
                origins.take(lines)
                self._mail_offsets[place] = behind

    def _take(
        self, fold: RunFold, agent: str, lives: list[LifeSpan], sizes: Mapping[Place, int]
    ) -> Iterator[list[TraceSpan]]:
        """Have what is new of an agent folded, up to `sizes`, and yield what has ended."""
        if any(self._voids.get((agent, life.attempt)) != life.void_above for life in lives):
            fold.forget(agent)
            for life in lives:
                self._offsets.pop((agent, life.attempt), None)
                self._over.discard((agent, life.attempt))
                self._voids[agent, life.attempt] = life.void_above
        for life in lives:
            place = agent, life.attempt
            if place in self._over:
                continue
            offset = self._offsets.get(place, 0)
            until = sizes.get(place, self._mail_offsets.get(place, 0))  # of one that was over: all of it
            for lines, behind in self._reading.lines_after(agent, life, offset, wants=_is_told, until=until):
                fold.take(agent, lines)
                self._offsets[place] = behind
                yield fold.ended()
            fold.end(agent, life)
            if life.ended_s is not None:
                self._over.add(place)
            yield fold.ended()


def _is_of_mail(raw: bytes) -> bool:
    """The line tells of a task, or of what was sent."""
    return type_of(raw) == "task" or b'"sent":' in raw


def _is_told(raw: bytes) -> bool:
    """Spans are made of the line, or their links."""
    return type_of(raw) in _TYPES or b'"received":' in raw


_TYPES = SPAN_TYPES | CONTENT_TYPES


def _is_over(status: Status) -> bool:
    return status["phase"] in _ENDED and not status["counts"]["alive"]


def _key(span: TraceSpan) -> str:
    """Name a sent span: it is sent again when it was taken back, and the run's when it went on."""
    if span.parent is None:
        return f"{span.id}@{span.end_s:.6f}"
    is_void = span.source is not None and span.source.is_void
    return f"{span.id}-" if is_void else span.id
