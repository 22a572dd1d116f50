"""Sends the spans of a tree to a collector: all that ended, then, while it is followed, what ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from maos_sup.projection.reading import Reading
from maos_sup.traces.names import Names
from maos_sup.traces.otlp import BATCH, encoded, message_of, send
from maos_sup.traces.trace import TraceSpan, spans_of_run
from state_layout.records import Phase

_ENDED = (Phase.DONE, Phase.FAILED, Phase.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Where spans go; `headers` from the usual variable, such as a key."""

    url: str
    headers: Mapping[str, str]
    service: str = "maos-sup"


class Exporter:
    """Sends each span of one tree once in its life; another one sends the same spans under the same ids."""

    def __init__(self, reading: Reading, collector: Collector, names: Names) -> None:
        self._reading, self._collector, self._names = reading, collector, names
        self._sent = set[str]()

    def export(self) -> int:
        """Send what ended since the last call; how many spans that were. Raises LayoutError."""
        count = 0
        for batch in self._batches():
            resource = {"service.name": self._collector.service, "maos.orchestration": self._id()}
            body = encoded(message_of(batch, self._names, resource=resource))
            send(self._collector.url, body, headers=self._collector.headers)
            self._sent.update(span.id for span in batch)
            count += len(batch)
        return count

    def is_over(self) -> bool:
        """Whether nothing more will end by itself."""
        status = self._reading.status()
        return status["phase"] in _ENDED and not status["counts"]["alive"]

    def spans(self) -> list[TraceSpan]:
        """All spans that have ended by now."""
        status, reading = self._reading.status(), self._reading
        agents = {}
        for agent in status["agents"]:
            lives = reading.lives(agent["name"])
            agents[agent["name"]] = (lives, reading.all_lines(agent["name"], lives))
        begun_s = reading.begun_s()
        ends = [life.ended_s for lives, _ in agents.values() for life in lives if life.ended_s is not None]
        whole = (begun_s, max(ends)) if begun_s is not None and ends and self.is_over() else None
        return spans_of_run(status["id"], agents, whole=whole, name=status["id"])

    def _batches(self) -> Iterator[list[TraceSpan]]:
        new = [span for span in self.spans() if span.id not in self._sent]
        for begin in range(0, len(new), BATCH):
            yield new[begin : begin + BATCH]

    def _id(self) -> str:
        return self._reading.status()["id"]
