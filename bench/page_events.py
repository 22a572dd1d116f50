"""From what happens to the screen: lines that programs write, programs that are killed.

A team of eight. Programs put the time into their lines; the page itself notes when a frame has them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from bench.figures import Row, not_run, percentile, scratch, sized
from bench.orchestras import make, pid_of, supervised, until
from bench.page_served import NoBrowser, opened_page, serving
from maos_sup.views.status import status_of
from state_layout.paths import Tree

AGENTS, SECONDS, KILLS = 8, sized(30, 5), sized(16, 2)
MOST_S = 1.0
_CHATTY = "while :; do echo event $(date +%s%3N); sleep 0.$((RANDOM % 8 + 1)); done"
_WATCH = r"""() => {
  window.lines = new Map();
  const look = () => {
    const now = Date.now();
    for (const one of document.querySelectorAll(".agents .does")) {
      const found = /event (\d{13})/.exec(one.textContent);
      if (found && !window.lines.has(found[0])) window.lines.set(found[0], now - Number(found[1]));
    }
  };
  const changes = new MutationObserver(() => requestAnimationFrame(look));
  changes.observe(document.body, { childList: true, subtree: true });
}"""
_ATTEMPT = """([name, attempt]) => [...document.querySelectorAll(".agents li")].some((row) =>
  row.querySelector("b").textContent === name && row.textContent.includes(`attempt ${attempt}`))"""


def rows() -> Iterator[Row]:
    """Measure how long each kind of event takes, of most."""
    what = f"a team of {AGENTS}, 95th percentile"
    names = [
        f"a line of output until it is on the screen, {what}",
        f"a kill until it is on the screen, {what}",
    ]
    try:
        figures = _measured()
    except NoBrowser as cause:
        yield from (not_run(name, str(cause)) for name in names)
        return
    for name, values in zip(names, figures, strict=True):
        p95 = percentile(values, 0.95)
        value = f"{p95:.2f} s ({len(values)} events, median {percentile(values, 0.5):.2f} s)"
        yield Row(name=name, value=value, target=f"<= {MOST_S:g} s", met=p95 <= MOST_S)


def _measured() -> tuple[list[float], list[float]]:
    restart = {"max": 1000, "backoff_s": 0.01, "max_backoff_s": 0.01}
    agents: dict[str, dict[str, Any]] = {
        f"a{n}": {"kind": "command", "command": ["bash", "-c", _CHATTY], "restart": restart}
        for n in range(AGENTS)
    }
    with scratch() as folder:
        tree = make(folder / "tree", agents)
        with supervised(tree), serving(tree) as served, opened_page() as page:
            until(lambda: status_of(tree)["counts"]["alive"] == AGENTS)
            page.goto(served.address)
            page.wait_for_selector("svg.timeline")
            page.evaluate(_WATCH)
            page.wait_for_timeout(SECONDS * 1000)
            lines = [float(took_ms) / 1000 for took_ms in page.evaluate("[...window.lines.values()]")]
            kills = [_kill_s(tree, page, f"a{n % AGENTS}", attempt=2 + n // AGENTS) for n in range(KILLS)]
    return lines, kills


def _kill_s(tree: Tree, page: Any, agent: str, *, attempt: int) -> float:
    began_s = time.perf_counter()
    os.kill(pid_of(tree, agent), signal.SIGKILL)
    page.wait_for_function(_ATTEMPT, arg=[agent, attempt], polling="raf", timeout=60_000)
    return time.perf_counter() - began_s
