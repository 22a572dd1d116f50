"""Agents as jobs of Slurm, beside plain `sbatch` in a loop and one job array: from the wish until all run.

Asks whatever cluster the commands of this shell reach (SLURM_CONF); `BENCH_SCRATCH` has to lie where its
nodes see it. A plain job is one line of shell; an agent is that line under a supervisor's eyes.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import QUICK, ROUNDS, Row, Section, not_run, scratch, spread
from state_layout.host.identity import read_handle
from state_layout.paths import Tree
from state_layout.tree.making import create_tree

COUNTS = (2,) if QUICK else (2, 20, 200)
MOST_RATIO, MOST_CPU = 1.2, 1.0
_WATCHED_S = 5.0 if QUICK else 30.0
_PATIENCE_S = 600.0
_LINE = "touch {folder}/$SLURM_JOB_ID; exec sleep 1000"


def measure() -> list[Section]:
    """The table of this file."""
    note = "From the wish until every job has left word, on whatever cluster is asked."
    if (
        shutil.which("sbatch") is None
        or subprocess.run(["squeue"], capture_output=True, check=False).returncode
    ):
        return [Section(title="Slurm", note=note, rows=[not_run("agents as jobs", "no Slurm answers here")])]
    rows = [row for count in COUNTS for row in _rows(count)]
    return [Section(title="Slurm", note=note, rows=rows)]


def _rows(count: int) -> list[Row]:
    ways: dict[str, Callable[[Path, int], float]] = {
        "`sbatch` in a loop": _loop,
        "one job array": _array,
        "agents": _agents,
    }
    times_s: dict[str, list[float]] = {name: [] for name in ways}
    cpu = list[float]()
    for _ in range(max(1, ROUNDS // 2) if count > 20 else ROUNDS):
        for name, way in ways.items():
            with scratch() as folder:
                times_s[name].append(way(folder, count))
                if name == "agents":
                    cpu.append(_cpu_of_supervisor(folder))
                _end(folder)
    plain = statistics.median(times_s["`sbatch` in a loop"])
    rows = [
        Row(
            name=f"{count} jobs: {name}",
            value=spread(times, "s"),
            ratio=f"{statistics.median(times) / plain:.2f}x",
            target=f"<= {MOST_RATIO}x" if name == "agents" else "",
            met=statistics.median(times) <= MOST_RATIO * plain if name == "agents" else None,
        )
        for name, times in times_s.items()
    ]
    middle = statistics.median(cpu)
    told = Row(
        name=f"{count} agents: CPU of their supervisor and its `squeue`, of one core",
        value=spread(cpu, "%"),
        target=f"<= {MOST_CPU:g} %",
        met=middle <= MOST_CPU,
    )
    return [*rows, told]


def _loop(folder: Path, count: int) -> float:
    began_s = time.perf_counter()
    for _ in range(count):
        _submit(folder)
    return _await(folder, count, began_s)


def _array(folder: Path, count: int) -> float:
    began_s = time.perf_counter()
    _submit(folder, f"--array=1-{count}")
    return _await(folder, count, began_s)


def _agents(folder: Path, count: int) -> float:
    agents = {
        f"a{number}": {"kind": "command", "shell": _LINE.format(folder=_words(folder))}
        for number in range(count)
    }
    orchestration = {
        "id": folder.name.replace("_", "-").lower(),
        "request": "bench",
        "launcher": "slurm",
        "limits": {"max_agents": count, "timeout_s": 100_000},
    }
    tasks = {name: {"agent": name} for name in agents}
    create_tree(folder / "tree", orchestration=orchestration, agents=agents, tasks=tasks, files={})
    began_s = time.perf_counter()
    command = [sys.executable, "-P", "-m", "maos_sup", "resume", str(folder / "tree"), "--detach"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _await(folder, count, began_s)


def _submit(folder: Path, *options: str) -> None:
    script = f"#!/bin/sh\n{_LINE.format(folder=_words(folder))}\n"
    argv = ["sbatch", "--parsable", "--output=/dev/null", f"--chdir={folder}", *options]
    subprocess.run(argv, input=script, text=True, check=True, stdout=subprocess.DEVNULL)


def _words(folder: Path) -> Path:
    (folder / "words").mkdir(exist_ok=True)
    return folder / "words"


def _await(folder: Path, count: int, began_s: float) -> float:
    while len(os.listdir(_words(folder))) < count:  # noqa: PTH208 - names only
        if time.perf_counter() - began_s > _PATIENCE_S:
            raise TimeoutError(f"not all of {count} jobs began within {_PATIENCE_S:g} s")
        time.sleep(0.02)
    return time.perf_counter() - began_s


def _cpu_of_supervisor(folder: Path) -> float:
    """How much of a core the supervisor and what it calls take while all agents work, in percent."""
    handle = read_handle(Tree(folder / "tree").supervisor_handle)
    if handle is None:
        return 0.0
    before = _ticks(handle.pid)
    time.sleep(_WATCHED_S)
    return 100 * (_ticks(handle.pid) - before) / os.sysconf("SC_CLK_TCK") / _WATCHED_S


def _ticks(pid: int) -> int:
    """Its CPU time with that of the children that it waited for."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return sum(map(int, text[text.rindex(")") + 2 :].split()[11:15]))


def _end(folder: Path) -> None:
    """End all jobs that work in `folder`, and the supervisor, before the next one is measured."""
    if (folder / "tree").exists():
        handle = read_handle(Tree(folder / "tree").supervisor_handle)
        if handle is not None:
            os.kill(handle.pid, 9)
    listing = ["squeue", "--noheader", "--me", "--array", "--format=%i|%Z"]
    until_s = time.perf_counter() + _PATIENCE_S
    while time.perf_counter() < until_s:
        lines = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
        mine = [line.partition("|")[0] for line in lines if line.partition("|")[2].startswith(str(folder))]
        if not mine:
            return
        subprocess.run(["scancel", "--quiet", *mine], check=False)
        time.sleep(0.5)
