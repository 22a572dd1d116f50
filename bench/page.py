"""The page and the report: how long until something is seen, what the server takes while nobody looks."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench import page_events
from bench.figures import QUICK, ROUNDS, Row, Section, scratch, spread
from bench.large_trees import tree_of_answers
from bench.page_served import NoBrowser, Served, asking, cpu_s, memory_mb, opened_page, serving
from bench.peers import pages

SIZES = ((100, 2000), (1000, 10_000 if QUICK else 1_000_000))  # agents, lines of 1 KB of their journals
MOST_PAINT_S = {100: 0.5, 1000: 2.0}
MOST_IDLE_MB, MOST_LARGE_MB = 30.0, 60.0


def measure() -> list[Section]:
    """The table of this file."""
    note = (
        "Agents that asked a model, wrote to each other and ran tools. A server is timed from its start to "
        "its address; a page from its address to the first drawing of board and timeline in Chromium. "
        "Memory is PSS."
    )
    rows = [row for agents, lines in SIZES for row in _of_size(agents, lines)]
    beside = [*page_events.rows(), *pages.rows(SIZES[0][0])]
    return [Section(title="The page", note=note, rows=[*rows, *beside])]


def _of_size(agents: int, lines: int) -> Iterator[Row]:
    with scratch() as folder:
        tree = tree_of_answers(folder / "tree", agents=agents, lines=lines)
        what = f"{agents:,} agents, {lines:,} lines"
        starts, boards, paints, used_cpu_s = list[float](), list[float](), list[float](), list[float]()
        idle_mb = used_mb = 0.0
        for _ in range(ROUNDS):
            with serving(tree) as served:
                starts.append(served.took_s)
                idle_mb = max(idle_mb, memory_mb(served.process.pid))
                boards.append(_board_s(served))
            with serving(tree) as served:
                before_s = cpu_s(served.process.pid)
                paint_s = _paint_s(served)
                if paint_s is not None:
                    paints.append(paint_s)
                    used_cpu_s.append(cpu_s(served.process.pid) - before_s)
                _add_up(served)
                used_mb = max(used_mb, memory_mb(served.process.pid))
        yield Row(name=f"server up, {what}", value=spread(starts, "s", 2))
        yield Row(
            name=f"its memory while nobody looks, {what}",
            value=f"{idle_mb:.0f} MB",
            target=f"<= {MOST_IDLE_MB:g} MB",
            met=idle_mb <= MOST_IDLE_MB,
        )
        yield Row(name=f"board and a window of the timeline as JSON, {what}", value=spread(boards, "s", 2))
        if paints:
            yield Row(name=f"CPU of its server until then, {what}", value=spread(used_cpu_s, "s", 2))
            most_s = MOST_PAINT_S[agents]
            yield Row(
                name=f"first drawing in Chromium, {what}",
                value=spread(paints, "s", 2),
                target=f"<= {most_s:g} s",
                met=sorted(paints)[len(paints) // 2] <= most_s,
            )
            yield Row(
                name=f"memory of its server when all money is added up, too, {what}",
                value=f"{used_mb:.0f} MB",
                target=f"<= {MOST_LARGE_MB:g} MB",
                met=used_mb <= MOST_LARGE_MB,
            )


def _board_s(served: Served) -> float:
    """From the first request to the last byte of what the first drawing needs."""
    began_s = time.perf_counter()
    with asking(served) as told:
        (tree,) = told("/api/trees")["trees"]
        told(f"/api/t/{tree['key']}/board")
        told(f"/api/t/{tree['key']}/timeline")
    return time.perf_counter() - began_s


def _add_up(served: Served) -> None:
    """Have all money added up, as a page does after its first drawing."""
    with asking(served) as told:
        (tree,) = told("/api/trees")["trees"]
        assert told(f"/api/t/{tree['key']}/costs")["total"]["cost_usd"]


def _paint_s(served: Served) -> float | None:
    """From the address to board and timeline on the screen; None where there is no browser."""
    try:
        with opened_page() as page:
            began_s = time.perf_counter()
            page.goto(served.address)
            page.wait_for_selector(".agents li")
            page.wait_for_selector("svg.timeline")
            return time.perf_counter() - began_s
    except NoBrowser:
        return None
