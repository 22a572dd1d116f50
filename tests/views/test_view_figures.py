"""Figures of agents: whatever is declared is shown by every view, and what is measured is of a whole tree."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from screen_looks import look

from maos_sup.metrics.families import TreeFigures, families_of
from maos_sup.projection.costs import Costs, Sums
from maos_sup.report.tables import agent_rows, figure_heads
from maos_sup.views.figures import MEASURED, figure_text
from maos_sup.views.render import agents_table
from maos_sup.views.screen.figures import Figures
from maos_sup.views.screen.rows import columns
from maos_sup.web.sheets import agent_sheet
from state_layout.lives.figures import KEPT, by_type
from state_layout.lives.history import History

ROWS = (*KEPT, *MEASURED)
HOLDS = """
import subprocess, sys, time
ballast = bytearray(30_000_000)
opened = [open("/dev/null") for _ in range(5)]
inner = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"])
print("ready", flush=True)
while True:
    sum(range(100_000))
"""


def team(**figures: float) -> Any:
    """Give what is seen of two agents, the first with these figures."""
    seen = look("running", "running")
    for agent in seen.status["agents"]:
        agent |= {"figures": dict.fromkeys((row.key for row in KEPT), 0), "changed": None, "where": None}
    seen.status["agents"][0]["figures"] |= figures
    return seen


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child, both at work."""
    parent = subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert {parent.stdout.readline(), parent.stdout.readline()} == {b"\n", b"ready\n"}
    yield parent
    for process in psutil.Process(parent.pid).children():
        process.kill()
    parent.kill()
    parent.wait()
    parent.stdout.close()


def test_no_two_figures_share_a_name() -> None:
    for names in ([row.key for row in ROWS], [row.head for row in ROWS]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_each_figure_stands_in_status_and_on_the_page(row: Any) -> None:
    status = team(**{row.key: 7}).status
    head, first, *_ = agents_table(status, width=10_000)
    assert row.head in head.split() and figure_text(row, 7) in first
    assert agent_sheet(status["agents"][0])["figures"] == [(row.head.lower(), figure_text(row, 7))]
    assert agent_sheet(status["agents"][1])["figures"] == []


@pytest.mark.parametrize("row", KEPT, ids=lambda row: row.key)
def test_each_figure_of_journals_stands_in_report_metrics_and_live_view(row: Any, tmp_path: Path) -> None:
    seen = team(**{row.key: 7})
    contents: Any = type("Contents", (), {"status": seen.status, "lives": {}})()
    assert figure_heads(contents, 9) == (row.head.capitalize(),)
    assert [cells[-1] for cells in agent_rows(contents, 9)] == ["7", "0"]
    seen.status["counts"]["discoveries"] = 0
    none = Sums()
    costs = Costs(total=none, agents={}, tasks={}, models={}, days={}, token_types={}, broken=none, void=none)
    figures = TreeFigures(
        folder=tmp_path, status=seen.status, costs=costs, unread={}, free_bytes=None, now_s=time.time()
    )
    (found,) = [one for one in families_of([figures]) if one.name == f"maos_agent_{row.key}_total"]
    assert sorted(found.samples.values()) == [0, 7]
    assert row.head in [each.head for each in columns(seen, seen.status["agents"], width=300)]


@pytest.mark.parametrize("row", [row for row in MEASURED if row.is_live], ids=lambda row: row.key)
def test_each_live_figure_has_a_column_in_the_live_view(row: Any) -> None:
    seen = team()
    name = seen.status["agents"][0]["name"]
    shown = columns(replace(seen, figures={name: {row.key: 7.0}}), seen.status["agents"], width=300)
    assert {each.head: each.cells for each in shown}[row.head] == (figure_text(row, 7), "")


def test_lines_of_other_types_add_nothing() -> None:
    assert sum(map(len, by_type(KEPT).values())) == len(KEPT)
    assert set(History().figures) == set()


def test_what_is_measured_is_of_the_agent_and_all_it_started(family: subprocess.Popen[bytes]) -> None:
    figures = Figures()
    figures.sample({"ann": family.pid})
    time.sleep(0.2)
    found = figures.sample({"ann": family.pid, "gone": 1 << 22})
    assert set(found["ann"]) == {row.key for row in MEASURED}
    assert found["ann"]["processes"] == 2
    assert 30_000_000 < found["ann"]["own_memory_bytes"] < found["ann"]["memory_bytes"]
    assert 0.0 < found["ann"]["cpu"] < 2.5
    assert found["ann"]["open_files"] >= 2 * 3 + 5  # three streams of each, and what the one opened
    assert set(found["gone"].values()) == {0.0}
