"""Says what a report tells, gathered from a tree once, within limits that keep it small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maos_sup.projection.cost_reader import CostReader
from maos_sup.projection.costs import Costs
from maos_sup.projection.graph import Graph, graph_of
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.reading import Reading
from maos_sup.projection.timeline import Timeline, timeline_of
from maos_sup.projection.wants import FAILED, Wanted, wants_of

if TYPE_CHECKING:
    from maos_sup.views.shapes import MessageShown, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLimits:
    """Most that a report holds of each: rows, and characters of one text and of all texts of a kind."""

    rows: int = 400
    messages: int = 150
    text: int = 12_000
    texts: int = 300_000

    def halved(self) -> ReportLimits:
        """Halve the limits of everything."""
        return ReportLimits(
            rows=max(10, self.rows // 2),
            messages=self.messages // 2,
            text=max(200, self.text // 2),
            texts=self.texts // 2,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """One run as a report tells it. `artifacts`: by agent and name; None for what is no text."""

    status: Status
    wants: tuple[Wanted, ...]
    timeline: Timeline
    graph: Graph
    costs: Costs
    lives: Mapping[str, tuple[LifeSpan, ...]]
    results: Mapping[str, Any]
    messages: tuple[MessageShown, ...]
    artifacts: Mapping[tuple[str, str], str | None]
    made_s: float

    @property
    def waiting(self) -> list[Wanted]:
        """List what waits for a person, failures aside: these have a section of their own."""
        return [wanted for wanted in self.wants if wanted.kind != FAILED]

    @property
    def took_s(self) -> float:
        """So many seconds lie between the first record and the last."""
        return self.timeline.ended_s - self.timeline.begun_s


def contents_of(reading: Reading, *, name: str, now_s: float, limits: ReportLimits) -> Contents:
    """Gather what a report tells. Raises LayoutError where the tree has no good spec."""
    status = reading.status()
    timeline = timeline_of(reading, status, now_s=now_s)
    costs = CostReader(reading).costs(status, now_s=now_s, begun_s=timeline.begun_s)
    return Contents(
        status=status,
        wants=tuple(wants_of(status, name=name)),
        timeline=timeline,
        graph=graph_of(status["tasks"], {task: sums.cost_usd for task, sums in costs.tasks.items()}),
        costs=costs,
        lives={agent["name"]: tuple(reading.lives(agent["name"])) for agent in status["agents"]},
        results=reading.results(),
        messages=tuple(reading.messages(newest=limits.messages)),
        artifacts={
            (agent["name"], str(path)): reading.artifact(agent["name"], str(path), most_bytes=limits.text)
            for agent in status["agents"]
            for path in agent["artifacts"][: limits.rows]
        },
        made_s=now_s,
    )
