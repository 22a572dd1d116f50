"""The timeline and the graph of a run as SVG: classes and numbers only; a style sheet says the rest."""

from __future__ import annotations

from collections.abc import Iterator

from maos_sup.projection.graph import Graph, Node
from maos_sup.projection.journal_lines import text_of
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.spans import Span
from maos_sup.projection.text import short
from maos_sup.projection.timeline import Lane, Timeline
from maos_sup.report.markup import Markup, joined, tag
from maos_sup.views.events import counted, duration_text
from maos_sup.views.money import money

_WIDTH, _LABEL, _LANE, _TOP, _MONEY = 1080, 150, 26, 34, 46
_NODE_W, _NODE_H, _GAP_X, _GAP_Y = 168, 40, 44, 12
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800)
_CALM = ("parked", "stopped", "paused", "asking")
_MOST_EDGES = 1500


def timeline_svg(timeline: Timeline) -> Markup:
    """Lanes over time. Each item has a title, which a pointer shows and a screen reader reads."""
    scale = _Scale(timeline)
    lanes = timeline.lanes
    bottom = _TOP + _LANE * len(lanes)
    height = bottom + (_MONEY if timeline.money else 8)
    drawn = [
        *_axis(timeline, scale, bottom),
        *(part for index, lane in enumerate(lanes) for part in _lane(lane, index, scale)),
        *_arrows(timeline, scale),
        *_money(timeline, scale, bottom),
    ]
    label = (
        f"Timeline of {counted(len(lanes), 'agent')}"
        f" from {_clock(timeline.since_s)} to {_clock(timeline.until_s)} UTC"
    )
    return tag(
        "svg", drawn, class_="timeline", viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=label
    )


class _Scale:
    def __init__(self, timeline: Timeline) -> None:
        self.since_s, self.until_s = timeline.since_s, timeline.until_s
        self._per_s = (_WIDTH - _LABEL - 12) / max(self.until_s - self.since_s, 1e-6)

    def x(self, at_s: float) -> float:
        inside = min(max(at_s, self.since_s), self.until_s)
        return round(_LABEL + (inside - self.since_s) * self._per_s, 1)

    def width(self, begin_s: float, end_s: float | None, least: float = 1.5) -> float:
        return max(least, round(self.x(self.until_s if end_s is None else end_s) - self.x(begin_s), 1))


def _axis(timeline: Timeline, scale: _Scale, bottom: int) -> Iterator[Markup]:
    span_s = timeline.until_s - timeline.since_s
    step_s = next((step for step in _STEPS_S if span_s / step <= 8), 7 * 86400 * (1 + span_s // 4838400))
    shows_seconds = step_s < 60
    at_s = (timeline.since_s // step_s + 1) * step_s
    while at_s < timeline.until_s:
        x = scale.x(at_s)
        yield tag("line", x1=x, x2=x, y1=_TOP - 8, y2=bottom, class_="grid")
        yield tag("text", _clock(at_s, seconds=shows_seconds), x=x, y=_TOP - 14, class_="tick")
        at_s += step_s
    for cut in timeline.ticks:
        x = scale.x(cut.at_s)
        title = tag("title", f"checkpoint {cut.label}: {cut.why}")
        yield tag("path", title, d=f"M{x - 4} {_TOP - 8}h8l-4 6z", class_="cut")


def _lane(lane: Lane, index: int, scale: _Scale) -> Iterator[Markup]:
    y = _TOP + index * _LANE
    yield tag(
        "text", tag("title", lane.agent), short(lane.agent, 20), x=8, y=y + 16, class_=f"name {lane.phase}"
    )
    for life in lane.lives:
        yield from _life(life, y, scale)
    order = {"task": 0, "step": 1, "model": 1, "tool": 2, "asking": 3}
    for span in sorted(lane.spans, key=lambda span: order[span.kind]):
        yield _span(span, y, scale)


def _life(life: LifeSpan, y: int, scale: _Scale) -> Iterator[Markup]:
    if life.begun_s is None or (life.ended_s is not None and life.ended_s < scale.since_s):
        return
    why = f", {life.reason}" if life.reason else ""
    void = " void" if life.is_void else ""
    title = tag("title", f"attempt {life.attempt}{why}{' (does not count)' if life.is_void else ''}")
    width = scale.width(life.begun_s, life.ended_s)
    yield tag(
        "rect", title, x=scale.x(life.begun_s), y=y + 4, width=width, height=18, rx=3, class_="life" + void
    )
    if life.reason is not None and life.reason not in _CALM and life.ended_s is not None:
        x = scale.x(life.ended_s)
        yield tag(
            "path",
            tag("title", f"attempt {life.attempt}: {life.reason}"),
            d=f"M{x - 4} {y + 9}l8 8m0 -8l-8 8",
            class_="end",
        )


def _span(span: Span, y: int, scale: _Scale) -> Markup:
    top, height = {"task": (7, 12), "asking": (5, 16)}.get(span.kind, (10, 6))
    took = "" if span.end_s is None else f", {duration_text(span.end_s - span.begin_s)}"
    cost = f", {money(span.cost_usd)} USD" if span.cost_usd else ""
    void = " void" if span.is_void else ""
    title = f"{span.kind} {short(span.name, 120)}: {span.state}{took}{cost}"
    return tag(
        "rect",
        tag("title", title),
        x=scale.x(span.begin_s),
        y=y + top,
        width=scale.width(span.begin_s, span.end_s),
        height=height,
        rx=2,
        class_=f"{span.kind} {span.state}{void}",
    )


def _arrows(timeline: Timeline, scale: _Scale) -> Iterator[Markup]:
    rows = {lane.agent: _TOP + index * _LANE + 13 for index, lane in enumerate(timeline.lanes)}
    for arrow in timeline.arrows:
        if arrow.sender not in rows:
            continue
        x1, y1 = scale.x(arrow.sent_s), rows[arrow.sender]
        title = tag("title", f"{arrow.type} from {arrow.sender} to {arrow.to}: {short(arrow.text, 120)}")
        if arrow.to not in rows:
            yield tag("circle", title, cx=x1, cy=y1, r=3, class_="mail")
            continue
        x2, y2 = scale.x(arrow.sent_s if arrow.read_s is None else arrow.read_s), rows[arrow.to]
        bend = max(10, (x2 - x1) / 2)
        yield tag("path", title, d=f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}", class_="mail")
        yield tag("circle", cx=x2, cy=y2, r=2, class_="mail")


def _money(timeline: Timeline, scale: _Scale, bottom: int) -> Iterator[Markup]:
    if not timeline.money:
        return
    most, width = max(timeline.money), (_WIDTH - _LABEL - 12) / len(timeline.money)
    yield tag("text", "money", x=8, y=bottom + _MONEY - 8, class_="tick left")
    for index, usd in enumerate(timeline.money):
        if usd:
            height = round(max(1.5, usd / most * (_MONEY - 12)), 1)
            yield tag(
                "rect",
                tag("title", f"{money(usd)} USD"),
                x=round(_LABEL + index * width, 1),
                y=round(bottom + _MONEY - 4 - height, 1),
                width=round(max(1.0, width - 1), 1),
                height=height,
                class_="money",
            )


def graph_svg(graph: Graph) -> Markup:
    """Tasks from left to right, each with its state and its share of time and money."""
    width = graph.columns * (_NODE_W + _GAP_X) - _GAP_X + 8
    height = graph.rows * (_NODE_H + _GAP_Y) - _GAP_Y + 8
    places = {node.id: _place(node) for node in graph.nodes}
    edges = [
        tag("path", d=_edge(places[begin], places[end]), class_="edge")
        for begin, end in graph.edges[:_MOST_EDGES]
    ]
    nodes = [_node(node) for node in graph.nodes]
    label = f"Graph of {counted(sum(node.count for node in graph.nodes), 'task')}"
    return tag(
        "svg",
        joined(edges),
        joined(nodes),
        class_="graph",
        viewBox=f"0 0 {max(width, 1)} {max(height, 1)}",
        width=max(width, 1),
        role="img",
        aria_label=label,
    )


def _place(node: Node) -> tuple[int, int]:
    return 4 + node.column * (_NODE_W + _GAP_X), 4 + node.row * (_NODE_H + _GAP_Y)


def _edge(begin: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = begin[0] + _NODE_W, begin[1] + _NODE_H // 2, end[0], end[1] + _NODE_H // 2
    bend = max(20, (x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _node(node: Node) -> Markup:
    x, y = _place(node)
    shares = f"{node.time_share:.0%} of the time" + (
        f", {node.cost_share:.0%} of the money" if node.cost_usd else ""
    )
    told = (
        ", ".join(f"{count} {phase}" for phase, count in node.phases.items())
        if node.count > 1
        else node.phase
    )
    small = told if not node.elapsed_s else f"{told} · {node.time_share:.0%}"
    return tag(
        "g",
        tag("title", f"{node.label} ({node.agent or 'several agents'}): {told}; {shares}"),
        tag("rect", x=x, y=y, width=_NODE_W, height=_NODE_H, rx=6, class_=f"node {node.phase}"),
        tag("rect", x=x, y=y, width=4, height=_NODE_H, rx=2, class_=f"phase {node.phase}"),
        tag("text", short(node.label, 22), x=x + 14, y=y + 17, class_="label"),
        tag("text", short(small, 26), x=x + 14, y=y + 32, class_="tick left"),
    )


def _clock(at_s: float, *, seconds: bool = True) -> str:
    text = text_of(at_s)
    return text[11:19] if seconds else text[11:16]
