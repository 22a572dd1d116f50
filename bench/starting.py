"""Measures starts: importing the package, the help of the command line, the words typed most."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.figures import ROUNDS, Row, Section, not_run, scratch, spread
from bench.former import FORMER
from bench.orchestras import make
from bench.peers import install
from bench.turns import OURS, Build, beside, builds, command_ms, growth, in_turns, python_ms, tree_of

EACH_ROUND = 4
MAOS = "MAOS, `maos --help`"
MOST_STATUS_S = 0.2
MOST_HELP = 4.0  # times a bare interpreter


def measure() -> list[Section]:
    """The table of this file."""
    python = [sys.executable, "-P"]
    with scratch() as folder:
        tree = make(folder / "tree", {"a": {"kind": "command", "command": ["true"]}})
        commands = {
            "`python -c pass`": [*python, "-c", "pass"],
            "`python -c 'import maos_sup'`": [*python, "-c", "import maos_sup"],
            "`maos-sup --help`": [*python, "-m", "maos_sup", "--help"],
            "`maos-sup version`": [*python, "-m", "maos_sup", "version"],
            "`maos-sup status` of a small tree": [*python, "-m", "maos_sup", "status", str(tree.root)],
        }
        absent = _absent()
        if absent is None:
            commands[MAOS] = [install.program("maos"), "--help"]
        times_ms: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS * EACH_ROUND):
            for name, command in commands.items():
                times_ms[name].append(_command_ms(command, folder))
    bare_ms = statistics.median(times_ms["`python -c pass`"])
    rows = [_row(name, times, bare_ms) for name, times in times_ms.items()]
    if absent is not None:
        rows.append(not_run(MAOS, absent))
    note = "A whole process, from its start to its exit, in turns. Ratio: to the bare interpreter."
    return [Section(title="Starting", note=note, rows=rows), _beside()]


def _beside() -> Section:
    """Measure the same in CPU, in turns with an earlier commit."""
    note = f"CPU of whole commands, in turns with commit {FORMER}, each on a tree of its own."
    found = builds()
    with scratch() as folder:
        trees = {
            name: tree_of(folder / name, agents=1, program=["true"], build=build)
            for name, build in found.items()
        }
        words: dict[str, Mapping[str, tuple[str, ...]]] = {
            "`maos-sup --help`": dict.fromkeys(found, ("--help",)),
            "`maos-sup version`": dict.fromkeys(found, ("version",)),
            "`maos-sup status` of a small tree": {
                name: ("status", str(tree.root)) for name, tree in trees.items()
            },
        }
        rows = []
        for what, by_build in words.items():
            measures = {
                name: partial(command_ms, *by_build[name], build=build) for name, build in found.items()
            }
            rows += beside(what, in_turns(measures, ROUNDS * EACH_ROUND))
    rows.append(_help_beside_bare(found[OURS]))
    return Section(title="Starting beside an earlier commit", note=note, rows=rows)


def _help_beside_bare(build: Build) -> Row:
    bare, help_ = "bare", "help"
    figures = in_turns(
        {
            bare: partial(python_ms, "-c", "pass", build=build),
            help_: partial(command_ms, "--help", build=build),
        },
        ROUNDS * EACH_ROUND,
    )
    return growth(
        "`python -c pass`; `maos-sup --help`; ratio: to the former", figures, bare, help_, most=MOST_HELP
    )


def _row(name: str, times_ms: list[float], bare_ms: float) -> Row:
    middle = statistics.median(times_ms)
    is_judged = "status" in name
    return Row(
        name=name,
        value=spread(times_ms, "ms"),
        ratio=f"{middle / bare_ms:.1f}x",
        target=f"<= {MOST_STATUS_S * 1000:.0f} ms" if is_judged else "",
        met=middle <= MOST_STATUS_S * 1000 if is_judged else None,
    )


def _absent() -> str | None:
    try:
        install.require("maos-cli")
    except install.Absent as cause:
        return str(cause)
    return None


def _command_ms(command: list[str], folder: Path) -> float:
    return _timed_ms(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder))


def _timed_ms(act: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - began_s)
