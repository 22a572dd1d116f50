"""Whole commands on large trees: `status` with 1,000 agents and a million messages, `check` of a gigabyte."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.figures import ROUNDS, Row, Section, scratch, sized, spread
from bench.former import FORMER
from bench.large_trees import journal_bytes, tree_of_messages, tree_of_steps
from bench.orchestras import make
from bench.turns import OURS, beside, builds, command_ms, growth, in_turns, told_by
from state_layout.paths import Tree

AGENTS, MESSAGES = sized(1000, 50), sized(1_000_000, 5000)
CHECKED_MB = sized(1000, 20)
CHECKED_AGENTS = 8
CHECKS = min(ROUNDS, 2)
TIMES = 2 * ROUNDS
FEW, MANY, MOST_LIST = 10, sized(1000, 50), 5.0
BESIDE_MB, MOST_CHECK = sized(100, 5), 0.67
HOME = """
import os, sys
from pathlib import Path
from bench.orchestras import make

os.fsync = os.fdatasync = lambda descriptor: None
for number in range(int(sys.argv[2])):
    name = f"20261121-{number // 60 % 24:02}{number % 60:02}-bench-{number:04}"
    make(Path(sys.argv[1]) / name, {"a": {"kind": "command", "command": ["true"]}})
"""
STEPS = """
import sys
from pathlib import Path
from bench.large_trees import tree_of_steps

tree_of_steps(Path(sys.argv[1]), agents=8, megabytes=int(sys.argv[2]))
"""
MAIL = """
import sys
from pathlib import Path
from bench.large_trees import tree_of_messages

tree_of_messages(Path(sys.argv[1]), agents=100, messages=3000 * int(sys.argv[2]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Tells what one command took."""

    took_s: float
    peak_mb: float


def measure() -> list[Section]:
    """Measure all tables."""
    return [_status(), _check(), _lists(), _check_beside()]


def _status() -> Section:
    with scratch() as folder:
        bare = make(folder / "bare", {"a": {"kind": "command", "command": ["true"]}})
        tree = tree_of_messages(folder / "tree", agents=AGENTS, messages=MESSAGES)
        size_mb = journal_bytes(tree) / 1e6
        costs = [_cost("status", bare) for _ in range(TIMES)]
        ended = [_cost("status", tree) for _ in range(TIMES)]
        check = _cost("check", tree)
        _forget_ends(tree)
        killed = [_cost("status", tree) for _ in range(TIMES)]
    name = f"{AGENTS:,} agents, {MESSAGES:,} messages ({size_mb:,.0f} MB)"
    rows = [
        _row("`status` of one agent", costs),
        _row(f"`status`: {name}", ended),
        _row("the same, all agents killed: their snapshots may be old", killed),
        _row(f"`check`: {name}", [check]),
    ]
    note = "Files in the page cache; a whole command, from its start to its exit; memory at its peak."
    return Section(title="Status of a large tree", note=note, rows=rows)


def _check() -> Section:
    rows = []
    for megabytes in (CHECKED_MB // 10, CHECKED_MB):
        with scratch() as folder:
            tree = tree_of_steps(folder / "tree", agents=CHECKED_AGENTS, megabytes=megabytes)
            size_mb = journal_bytes(tree) / 1e6
            costs = [_cost("check", tree) for _ in range(CHECKS)]
        rate = size_mb / statistics.median(cost.took_s for cost in costs)
        rows.append(_row(f"`check` of {size_mb:,.0f} MB of journals", costs, ratio=f"{rate:,.0f} MB/s"))
    note = f"{CHECKED_AGENTS} agents, steps of 1 KB: every line is hashed, parsed and folded."
    return Section(title="Check of a large tree", note=note, rows=rows)


def _lists() -> Section:
    """Measure `list` of few trees and of many."""
    build = builds()[OURS]
    with scratch() as folder:
        measures = {}
        for count in (FEW, MANY):
            home = folder / str(count)
            told_by(HOME, str(home), str(count), build=build)
            measures[str(count)] = partial(command_ms, "list", build={**build, "MAOS_SUP_HOME": str(home)})
        figures = in_turns(measures, TIMES)
    name = f"`list` of {FEW} trees; of {MANY:,}: CPU"
    rows = [growth(name, figures, str(FEW), str(MANY), most=MOST_LIST)]
    return Section(title="List of many trees", note="Whole commands, in turns.", rows=rows)


def _check_beside() -> Section:
    """Measure `check` in CPU, in turns with an earlier commit."""
    rows = []
    for what, script in (("steps of 1 KB", STEPS), ("messages", MAIL)):
        with scratch() as folder:
            measures = {}
            for name, build in builds().items():
                told_by(script, str(folder / name), str(BESIDE_MB), build=build)
                measures[name] = partial(command_ms, "check", str(folder / name), build=build)
            rows += beside(f"`check`, {what}", in_turns(measures, CHECKS), most=MOST_CHECK)
    note = f"Some {BESIDE_MB} MB of journals, in turns with commit {FORMER}, each on a tree of its own."
    return Section(title="Check beside an earlier commit", note=note, rows=rows)


def _row(name: str, costs: list[Cost], *, ratio: str = "") -> Row:
    times = spread([cost.took_s for cost in costs], "s", 2)
    peak = max(cost.peak_mb for cost in costs)
    return Row(name=name, value=f"{times}, {peak:.0f} MB", ratio=ratio)


def _forget_ends(tree: Tree) -> None:
    """As after SIGKILL of everybody: no life said how it ended."""
    for path in tree.agents.glob("*/attempts/*/exit.json"):
        path.unlink()


def _cost(command: str, tree: Tree) -> Cost:
    """Run a command on `tree`. Raises RuntimeError if it finds anything wrong."""
    began_s = time.perf_counter()
    with (Path(tree.root).parent / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "maos_sup", command, str(tree.root)], stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = (Path(tree.root).parent / "said").read_text().splitlines()[-1:]
        raise RuntimeError(f"{command} ended with exit code {process.returncode}: {last}")
    return Cost(took_s=took_s, peak_mb=used.ru_maxrss / 1024)
