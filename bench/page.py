"""The page and the report: how long until something is seen, what the server takes while nobody looks."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench.figures import QUICK, ROUNDS, Row, Section, scratch, spread
from bench.large_trees import tree_of_answers
from state_layout.paths import Tree

SIZES = ((100, 2000), (1000, 10_000 if QUICK else 1_000_000))  # agents, lines of 1 KB of their journals
MOST_PAINT_S = {100: 0.5, 1000: 2.0}
MOST_IDLE_MB, MOST_LARGE_MB = 30.0, 60.0
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


class Served(NamedTuple):
    """A server, where it is, and how long it took until its address was printed."""

    process: subprocess.Popen[str]
    address: str
    took_s: float
    key: str


def measure() -> list[Section]:
    """The table of this file."""
    note = (
        "Agents that asked a model, wrote to each other and ran tools. A server is timed from its start to "
        "its address; a page from its address to the first drawing of board and timeline in Chromium. "
        "Memory is PSS."
    )
    rows = [row for agents, lines in SIZES for row in _of_size(agents, lines)]
    return [Section(title="The page", note=note, rows=rows)]


def _of_size(agents: int, lines: int) -> Iterator[Row]:
    with scratch() as folder:
        tree = tree_of_answers(folder / "tree", agents=agents, lines=lines)
        what = f"{agents:,} agents, {lines:,} lines"
        starts, boards, paints, used_cpu_s = list[float](), list[float](), list[float](), list[float]()
        idle_mb = used_mb = 0.0
        for _ in range(ROUNDS):
            with _serving(tree) as served:
                starts.append(served.took_s)
                idle_mb = max(idle_mb, _memory_mb(served.process.pid))
                boards.append(_board_s(served))
            with _serving(tree) as served:
                before_s = _cpu_s(served.process.pid)
                paint_s = _paint_s(served)
                if paint_s is not None:
                    paints.append(paint_s)
                    used_cpu_s.append(_cpu_s(served.process.pid) - before_s)
                _add_up(served)
                used_mb = max(used_mb, _memory_mb(served.process.pid))
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


@contextmanager
def _serving(tree: Tree) -> Iterator[Served]:
    began_s, key = time.perf_counter(), secrets.token_hex(32)
    with tempfile.NamedTemporaryFile("w", prefix="bench-key-") as file:
        file.write(key)
        file.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "maos_sup", "ui", str(tree.root), "--key-file", file.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            yield Served(process, address, time.perf_counter() - began_s, key)
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def _asking(served: Served) -> Iterator[Callable[[str], Any]]:
    """Who has entered, and asks for JSON."""
    connection = http.client.HTTPConnection(urlsplit(served.address).netloc, timeout=120)
    connection.request("GET", f"/enter?key={served.key}")
    answer = connection.getresponse()
    cookie = str(answer.headers["set-cookie"]).partition(";")[0]
    (key,) = re.findall(r'page-key" content="([\w-]+)"', answer.read().decode())

    def told(path: str) -> Any:
        connection.request("GET", path, headers={"cookie": cookie, "x-maos-key": key})
        return json.loads(connection.getresponse().read())

    try:
        yield told
    finally:
        connection.close()


def _board_s(served: Served) -> float:
    """From the first request to the last byte of what the first drawing needs."""
    began_s = time.perf_counter()
    with _asking(served) as told:
        (tree,) = told("/api/trees")["trees"]
        told(f"/api/t/{tree['key']}/board")
        told(f"/api/t/{tree['key']}/timeline")
    return time.perf_counter() - began_s


def _add_up(served: Served) -> None:
    """Have all money added up, as a page does after its first drawing."""
    with _asking(served) as told:
        (tree,) = told("/api/trees")["trees"]
        assert told(f"/api/t/{tree['key']}/costs")["total"]["cost_usd"]


def _paint_s(served: Served) -> float | None:
    """From the address to board and timeline on the screen; None where there is no browser."""
    program = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if program is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.goto("about:blank")
            began_s = time.perf_counter()
            page.goto(served.address)
            page.wait_for_selector(".agents li")
            page.wait_for_selector("svg.timeline")
            return time.perf_counter() - began_s
        finally:
            browser.close()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1000
