"""Measures CPU, ours beside an earlier commit's, in turns: a busy machine moves that little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.figures import Contestant, Figures, Row, Section, interleaved, not_run, ratio, sized, spread
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
    from maos_sup.agents.attempt.recorder import Recorder
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

PASTS = (10, sized(10_000, 100))
RECALL = """
import os, resource, sys
from pathlib import Path

os.fdatasync = os.fsync = lambda descriptor: None

from maos_sup.agents.kinds.anthropic.recalling import recall_conversation
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.lives.checkpoints import Checkpointer
from state_layout.mail.outbox import Outbox
from state_layout.paths import Tree
from state_layout.records import TaskSpec

tree, past, text = Tree(Path(sys.argv[1])), int(sys.argv[2]), "x" * 1000
attempt = begin_attempt(tree, "ann", recall=recall(tree, "ann"), settings={})
for n in range(past):
    turn = {"task": "old", "run": 1, "role": "user", "n": n, "content": [{"type": "text", "text": text}]}
    attempt.journal.record("turn", turn)
attempt.journal.record("task", {"task": "new", "run": 1, "phase": "running"})
history, task = recall(tree, "ann").history, TaskSpec(id="new", agent="ann")
outbox = Outbox(tree, "ann", attempt=1)
outbox.catch_up(history)
assert Checkpointer(attempt.paths).save(history, attempt.journal, outbox)

def resume():
    history = recall(tree, "ann").history
    begun = {"begun": history.begun["new#1"]} if hasattr(history, "begun") else {}
    recall_conversation(tree, "ann", task, **begun)

costs = []
for _ in range(10):
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(10):
        resume()
    after = resource.getrusage(resource.RUSAGE_SELF)
    costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
print(min(costs) / 10 * 1e6)
"""


def measure() -> list[Section]:
    """The tables of this file."""
    return [_sends(), _recalls()]


def _sends() -> Section:
    earlier = former()
    contestants = {OURS: lambda folder: _cost_us(SEND, folder, SENDS, us())}
    if isinstance(earlier, dict):
        contestants[FORMER] = lambda folder: _cost_us(SEND, folder, SENDS, earlier)
    figures = interleaved(contestants)
    rows = _rows(figures, "us", MOST_SEND)
    if isinstance(earlier, str):
        rows.append(not_run(FORMER, earlier))
    return Section(
        title="CPU of a durable send",
        note="A message of 1 KB as an agent sends it, with the syncs taken out. Ratio: ours to this one.",
        rows=rows,
    )


def _recalls() -> Section:
    earlier = former()
    rows = []
    for name, environment in ((OURS, us()), (FORMER, earlier)):
        if isinstance(environment, str):
            rows.append(not_run(name, environment))
            continue
        figures = interleaved({str(past): _recalling(past, environment) for past in PASTS}, rounds=3)
        short, long = map(str, PASTS)
        rows.append(Row(name=f"{name}: {short} turns", value=spread(figures[short], "us")))
        growth = ratio(figures, long, short)
        rows.append(
            Row(name=f"{name}: {long} turns", value=spread(figures[long], "us"), ratio=f"{growth:.2f}x")
        )
    return Section(
        title="CPU of recalling what a model's agent did",
        note="At its start, with a checkpoint: its memory and the conversation of a task just begun, where "
        "so many turns of earlier tasks are on record. Ratio: to few turns.",
        rows=rows,
    )


def _recalling(past: int, environment: dict[str, str]) -> Contestant:
    return lambda folder: _cost_us(RECALL, folder, past, environment)


def _cost_us(script: str, folder: Path, count: int, environment: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder / "tree"), str(count)],
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
