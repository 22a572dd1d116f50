"""What things cost in CPU, ours beside an earlier commit, in turns: a busy machine moves that little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.figures import Figures, Row, Section, interleaved, not_run, ratio, sized, spread
from bench.former import FORMER, former, us

OURS = "maos-sup"
SENDS = sized(6000, 600)
MOST_SEND = 26 / 38
# A part of the sends at a time, the cheapest of which is the figure: the others were interrupted.
SEND = """
import os, resource, sys
from pathlib import Path

os.fdatasync = os.posix_fadvise = lambda *arguments: None

try:
    from maos_sup.agents.recorder import Recorder
except ImportError:  # as it was called
    from maos_sup.agents.ledger import Ledger as Recorder
from state_layout.host.triggers import TriggerReader, remove_triggers
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree

tree, count, text = Tree(Path(sys.argv[1])), int(sys.argv[2]) // 20, "x" * 1000
for name in ("reader", "sender"):
    tree.agent_spec(name).parent.mkdir(parents=True, exist_ok=True)
    tree.agent_spec(name).write_text('{"kind": "command", "command": ["true"]}')
listener = TriggerReader(tree, "reader")
known = recall(tree, "sender")
attempt = begin_attempt(tree, "sender", recall=known, settings={})
known.history.take(attempt.start)
recorder = Recorder(tree, "sender", attempt=attempt, history=known.history)
recorder.catch_up()
costs = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(count):
        recorder.commit("sent", {}, messages=[{"to": "reader", "text": text}])
    after = resource.getrusage(resource.RUSAGE_SELF)
    costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    listener.drain()
remove_triggers(tree)
print(min(costs) / count * 1e6)
"""


def measure() -> list[Section]:
    """The tables of this file."""
    return [_sends()]


def _sends() -> Section:
    earlier = former()
    contestants = {OURS: lambda folder: _cost_us(folder, us())}
    if isinstance(earlier, dict):
        contestants[FORMER] = lambda folder: _cost_us(folder, earlier)
    figures = interleaved(contestants)
    rows = _rows(figures, "us", MOST_SEND)
    if isinstance(earlier, str):
        rows.append(not_run(FORMER, earlier))
    return Section(
        title="CPU of a durable send",
        note="A message of 1 KB as an agent sends it, with the syncs taken out. Ratio: ours to this one.",
        rows=rows,
    )


def _cost_us(folder: Path, environment: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", SEND, str(folder / "tree"), str(SENDS)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    return float(done.stdout)


def _rows(figures: Figures, unit: str, most: float) -> list[Row]:
    rows = [Row(name=OURS, value=spread(figures[OURS], unit, 1))]
    if FORMER in figures:
        share = ratio(figures, OURS, FORMER)
        rows.append(
            Row(
                name=FORMER,
                value=spread(figures[FORMER], unit, 1),
                ratio=f"{share:.2f}x",
                target=f"<= {most:.2f}x",
                met=share <= most,
            )
        )
    return rows
