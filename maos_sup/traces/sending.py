"""Sends the spans of a tree to a collector: all that ended, then, while it is followed, what ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maos_sup.projection.journal_lines import type_of
from maos_sup.projection.reading import Reading
from maos_sup.projection.spans import SPAN_TYPES
from maos_sup.traces.content import CONTENT_TYPES
from maos_sup.traces.names import Names
from maos_sup.traces.otlp import BATCH, CONTENT_BATCH, encoded, message_of, send
from maos_sup.traces.sent import SentSpans
from maos_sup.traces.trace import RunFold, TraceSpan
from state_layout.records import Phase

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

_MOST_WAITING = 5_000  # with so many for a collector that is down, no more is read
_ENDED = (Phase.DONE, Phase.FAILED, Phase.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Where spans go and what they say of their source; `headers` may hold a key."""

    url: str
    headers: Mapping[str, str]
    service: str = "maos-sup"
    resource: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingManner:
    """What is sent, and where to."""

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
        self._offsets: dict[tuple[str, int], int] = {}
        self._waiting: list[TraceSpan] = []  # that have ended and are not sent
        self._voids: dict[tuple[str, int], int | None] = {}
        self._over: set[tuple[str, int]] = set()  # lives whose last line was read

    def export(self) -> int:
        """Send what had ended one look ago; how many spans that were. Raises LayoutError."""
        status = self._reading.status()
        if len(self._waiting) < _MOST_WAITING:
            self._waiting += [span for span in self._ended(status) if _key(span) not in self._sent]
        collector, count = self._manner.collector, 0
        resource = {
            "service.name": collector.service,
            "maos.orchestration": status["id"],
            **collector.resource,
        }
        most = CONTENT_BATCH if self._manner.has_content else BATCH
        while batch := self._waiting[:most]:
            body = encoded(message_of(batch, self._manner.names, resource=resource))
            send(collector.url, body, headers=collector.headers)
            self._sent.add(map(_key, batch))
            del self._waiting[:most]
            count += len(batch)
        return count

    def is_over(self) -> bool:
        """Whether nothing more will end by itself."""
        return _is_over(self._reading.status())

    def spans(self) -> list[TraceSpan]:
        """All spans that have ended since the last look."""
        return [span for _ in range(2) for span in self._ended(self._reading.status())]

    def _ended(self, status: Status) -> list[TraceSpan]:
        if self._fold is None:
            self._fold = RunFold(status["id"], has_content=self._manner.has_content)
        ends = []
        for agent in status["agents"]:
            ends += self._take(self._fold, agent["name"])
        found, begun_s = self._fold.ended(), self._reading.begun_s()
        if begun_s is not None and ends and _is_over(status):
            found.append(self._fold.whole(begun_s, max(ends)))
        return found

    def _take(self, fold: RunFold, agent: str) -> list[float]:
        """Have what is new of an agent folded; when its lives ended."""
        every = self._reading.lives(agent)
        lives = [life for life in every if life.begun_s is not None]
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
            for lines, behind in self._reading.lines_after(agent, life, offset, wants=_is_told):
                fold.take(agent, lines)
                self._offsets[place] = behind
            fold.end(agent, life)
            if life.ended_s is not None:
                self._over.add(place)
        return [life.ended_s for life in every if life.ended_s is not None]


def _is_told(raw: bytes) -> bool:
    """Whether spans are made of a line, or their links."""
    return type_of(raw) in _TYPES or b'"received":' in raw or b'"sent":' in raw


_TYPES = SPAN_TYPES | CONTENT_TYPES


def _is_over(status: Status) -> bool:
    return status["phase"] in _ENDED and not status["counts"]["alive"]


def _key(span: TraceSpan) -> str:
    """What was sent of a span: it is sent again when it was taken back, and the run's when it went on."""
    if span.parent is None:
        return f"{span.id}@{span.end_s:.6f}"
    is_void = span.source is not None and span.source.is_void
    return f"{span.id}-" if is_void else span.id
