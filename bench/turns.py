"""Measures whole commands and scripts in CPU, ours beside an earlier commit, in turns: a busy machine moves
that little.

Each build has trees of its own making: what today's build writes need not be readable for an earlier one.
Nothing is installed for either: both are found by `PYTHONPATH`, so both pay the same for being found.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import orchestras
from bench.figures import MARK, Figures, Row, not_run, ratio, spread
from bench.former import FORMER, former, us
from state_layout.paths import Tree

OURS = "maos-sup"
NO_SLOWER = 1.05  # than the earlier commit
MOST_START_S = 120.0
_MAKE = """
import os, sys
from pathlib import Path

os.fsync = os.fdatasync = lambda descriptor: None
from bench.orchestras import make

root, agents, program = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
make(root, {f"a{number}": {"kind": "command", "command": program} for number in range(agents)})
"""
Build = Mapping[str, str]  # the environment in which python finds it
Contestant = Callable[[Build], float]


def builds() -> Mapping[str, Build]:
    """Find ours and the earlier commit, if that can be had."""
    earlier = former()
    mark = {MARK: os.environ[MARK]} if MARK in os.environ else {}
    found = {OURS: us() | {"PYTHONPATH": str(Path.cwd())} | mark}
    return found if isinstance(earlier, str) else found | {FORMER: earlier | mark}


def told_by(script: str, *arguments: str, build: Build) -> str:
    """Run a script of Python with a build; what it printed. Raises CalledProcessError."""
    command = [sys.executable, "-P", "-c", script, *arguments]
    return subprocess.run(command, env=build, check=True, capture_output=True, text=True, cwd="/").stdout


def command_ms(*words: str, build: Build) -> float:
    """Run a whole command and take its CPU time. Raises RuntimeError if it fails."""
    return python_ms("-m", "maos_sup", *words, build=build)


def python_ms(*words: str, build: Build) -> float:
    """Run Python as a whole process and take its CPU time. Raises RuntimeError if it fails."""
    command = [sys.executable, "-P", *words]
    process = subprocess.Popen(command, env=build, stdout=subprocess.DEVNULL, cwd="/")
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with exit code {process.returncode}")
    return 1000 * (used.ru_utime + used.ru_stime)


def in_turns(measures: Mapping[str, Callable[[], float]], rounds: int) -> Figures:
    """Measure each of `measures` once a round, after one round that only warms caches."""
    figures: Figures = {name: [] for name in measures}
    for number in range(rounds + 1):
        for name, measure in measures.items():
            figure = measure()
            if number:
                figures[name].append(figure)
    return figures


def beside(name: str, figures: Figures, *, most: float = NO_SLOWER, unit: str = "ms") -> list[Row]:
    """The rows of what both builds took for `name`; `most` is what ours may take of the earlier one's."""
    ours = Row(name=f"{name}: CPU", value=spread(figures[OURS], unit, 1))
    if FORMER not in figures:
        return [ours, not_run(f"{name}, with {FORMER}", str(former()))]
    share = ratio(figures, OURS, FORMER)
    return [
        ours,
        Row(
            name=f"{name}, with {FORMER}; ratio: ours to this",
            value=spread(figures[FORMER], unit, 1),
            ratio=f"{share:.2f}x",
            target=f"<= {most:g}x",
            met=share <= most,
        ),
    ]


def growth(name: str, figures: Figures, small: str, large: str, *, most: float) -> Row:
    """The row of what a large tree takes beside a small one."""
    share = statistics.median(figures[large]) / statistics.median(figures[small])
    value = f"{spread(figures[small], 'ms', 1)}; {spread(figures[large], 'ms', 1)}"
    return Row(name=name, value=value, ratio=f"{share:.1f}x", target=f"<= {most:g}x", met=share <= most)


def tree_of(root: Path, *, agents: int, program: list[str], build: Build) -> Tree:
    """Make a tree with a build."""
    told_by(_MAKE, str(root), str(agents), *program, build=build)
    return Tree(root)


@contextmanager
def living(folder: Path, *, agents: int) -> Iterator[dict[str, Tree]]:
    """Have a team of each build alive, all its programs running; the tree of each by its build's name."""
    with ExitStack() as stack:
        trees = {}
        for name, build in builds().items():
            tree = tree_of(folder / name, agents=agents, program=["sleep", "100000"], build=build)
            stack.enter_context(orchestras.supervised(tree, environment=build))
            _await_all(tree, agents, build)
            trees[name] = tree
        yield trees


def _await_all(tree: Tree, agents: int, build: Build) -> None:
    end_s = time.monotonic() + MOST_START_S
    command = [sys.executable, "-P", "-m", "maos_sup", "status", str(tree.root), "--json"]
    while True:
        told = json.loads(subprocess.run(command, env=build, check=True, capture_output=True, cwd="/").stdout)
        if sum(agent["phase"] == "running" for agent in told["agents"]) == agents:
            return
        if time.monotonic() > end_s:
            raise TimeoutError("the team does not run")
        time.sleep(0.5)
