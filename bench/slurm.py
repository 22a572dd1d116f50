"""Agents as jobs of Slurm, beside plain `sbatch` in a loop and one job array: from the wish until all run.

Asks whatever cluster the commands of this shell reach (SLURM_CONF); `BENCH_SCRATCH` has to lie where its
nodes see it. A plain job is one line of shell. An agent is that line, run by a Python that records it; so the
fair peer submits the very same program by hand, without a supervisor. Where all nodes are one machine, what
lies between the line of shell and the program is how long its processors need to start so many Pythons.
`BENCH_CLOSED` names a partition that takes jobs and starts none: there agents wait, and cost what they cost.
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
from maos_sup.launchers.base import Submission
from maos_sup.launchers.slurm.arrays import Arrays
from maos_sup.launchers.slurm.clerk import BUSY_S
from maos_sup.launchers.slurm.commands import (
    array_script_of,
    make_log,
    sbatch_environment,
    script_of,
    submit_command,
    variables_of,
)
from maos_sup.supervisor.entries import PLACED_ENTRY
from state_layout.host.identity import read_handle
from state_layout.paths import Tree
from state_layout.tree.making import create_tree

COUNTS = (2,) if QUICK else (2, 20, 200)
MOST_RATIO, MOST_CPU = 1.2, 1.0
PLAIN, PLAIN_ARRAY = "`sbatch` of a line of shell in a loop", "one job array of it"
PEER, PEER_ARRAY = "`sbatch` of the agents' program in a loop", "one job array of that"
AGENTS, AGENTS_ARRAY = "agents", "agents with `place.array`"
FREED, FREED_ARRAY = "agents whose supervisor is there", "the same with `place.array`"
_OURS = (AGENTS, AGENTS_ARRAY, FREED, FREED_ARRAY)
_GATE = "touch {folder}/up; while [ ! -e {folder}/go ]; do sleep 0.01; done"
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
        PLAIN: _loop,
        PLAIN_ARRAY: _array,
        PEER: _programs,
        PEER_ARRAY: _program_array,
        AGENTS: _agents,
        AGENTS_ARRAY: _agents_array,
        FREED: _freed,
        FREED_ARRAY: _freed_array,
    }
    times_s: dict[str, list[float]] = {name: [] for name in ways}
    cpu = list[float]()
    for _ in range(max(1, ROUNDS // 2) if count > 20 else ROUNDS):
        for name, way in ways.items():
            with scratch() as folder:
                times_s[name].append(way(folder, count))
                if name == AGENTS:
                    cpu.append(_cpu_of_supervisor(folder))
                _end(folder)
    peer = statistics.median(times_s[PEER])
    rows = [
        Row(
            name=f"{count} jobs: {name}",
            value=spread(times, "s", 1),
            ratio=f"{statistics.median(times) / peer:.2f}x",
            target=f"<= {MOST_RATIO}x" if name in _OURS else "",
            met=statistics.median(times) <= MOST_RATIO * peer if name in _OURS else None,
        )
        for name, times in times_s.items()
    ]
    return [*rows, _cpu_row(f"{count} agents that run", cpu), _queued_row(count)]


def _cpu_row(what: str, cpu: list[float]) -> Row:
    return Row(
        name=f"{what}: CPU of their supervisor and its `squeue`, of one core",
        value=spread(cpu, "%", 2),
        target=f"<= {MOST_CPU:g} %",
        met=statistics.median(cpu) <= MOST_CPU,
    )


def _queued_row(count: int) -> Row:
    """The same where all jobs wait in the queue."""
    name, closed = f"{count} agents that are queued", os.environ.get("BENCH_CLOSED")
    if not closed:
        return not_run(name, "no partition is named that starts nothing (BENCH_CLOSED)")
    with scratch() as folder:
        _begin(folder, count, place={"partition": closed})
        until_s = time.perf_counter() + _PATIENCE_S
        while _count_of(folder) < count and time.perf_counter() < until_s:
            time.sleep(0.2)
        time.sleep(2 * BUSY_S)
        cpu = _cpu_of_supervisor(folder)
        _end(folder)
    return _cpu_row(name, [cpu])


def _loop(folder: Path, count: int) -> float:
    began_s = time.perf_counter()
    for _ in range(count):
        _submit(folder)
    return _await(folder, count, began_s)


def _array(folder: Path, count: int) -> float:
    began_s = time.perf_counter()
    _submit(folder, f"--array=1-{count}")
    return _await(folder, count, began_s)


def _programs(folder: Path, count: int) -> float:
    tree, orders = _tree(folder, count)
    began_s = time.perf_counter()
    for order in orders:
        variables = {**variables_of(order), "MAOS_SUP_ATTEMPT": "1"}
        name, log = f"x.{order.agent}.1", make_log(tree.job_log(order.agent))
        argv = submit_command(name, order.place, root=str(tree.root), log=log)
        _call(argv, script_of(PLACED_ENTRY, order), variables)
    return _await(folder, count, began_s)


def _program_array(folder: Path, count: int) -> float:
    tree, orders = _tree(folder, count)
    began_s = time.perf_counter()
    token, variables = Arrays(tree).write(orders), variables_of(orders[0])
    argv = submit_command(
        "x.+array",
        orders[0].place,
        root=str(tree.root),
        log=make_log(tree.array_log(token)),
        tasks=count,
    )
    script = array_script_of(PLACED_ENTRY, tree_root=str(tree.root), record=str(tree.array(token)))
    _call(argv, script, variables)
    return _await(folder, count, began_s)


def _agents(folder: Path, count: int) -> float:
    return _await(folder, count, _begin(folder, count))


def _agents_array(folder: Path, count: int) -> float:
    return _await(folder, count, _begin(folder, count, place={"array": True}))


def _freed(folder: Path, count: int) -> float:
    return _await(folder, count, _free(folder, count))


def _freed_array(folder: Path, count: int) -> float:
    return _await(folder, count, _free(folder, count, place={"array": True}))


def _free(folder: Path, count: int, *, place: dict[str, object] | None = None) -> float:
    """Have agents started that waited for the end of one on this machine; the moment of that end."""
    _begin(folder, count, place=place, is_gated=True)
    while not (folder / "up").exists():
        time.sleep(0.02)
    (folder / "go").touch()
    return time.perf_counter()


def _begin(
    folder: Path, count: int, *, place: dict[str, object] | None = None, is_gated: bool = False
) -> float:
    """Have agents started; the moment when it was wished."""
    _tree(folder, count, place=place, is_gated=is_gated)
    began_s = time.perf_counter()
    command = [sys.executable, "-P", "-m", "maos_sup", "resume", str(folder / "tree"), "--detach"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return began_s


def _tree(
    folder: Path, count: int, *, place: dict[str, object] | None = None, is_gated: bool = False
) -> tuple[Tree, list[Submission]]:
    """A tree with agents that leave word, if gated after another, and what a supervisor would submit."""
    agents: dict[str, dict[str, object]] = {
        f"a{number}": {"kind": "command", "shell": _LINE.format(folder=_words(folder))}
        for number in range(count)
    }
    orchestration = {
        "id": folder.name.replace("_", "-").lower(),
        "request": "bench",
        "launcher": "slurm",
        "place": place or {},
        "limits": {"max_agents": count, "timeout_s": 100_000},
    }
    tasks = {name: {"agent": name, "needs": ["gate"] if is_gated else []} for name in agents}
    orders = [Submission(agent=name, attempt=1, tree_root=str(folder / "tree")) for name in agents]
    if is_gated:
        agents["gate"] = {"kind": "command", "shell": _GATE.format(folder=folder), "launcher": "local"}
        tasks["gate"] = {"agent": "gate", "needs": []}
    root = folder / "tree"
    create_tree(root, orchestration=orchestration, agents=agents, tasks=tasks, files={})
    return Tree(root), orders


def _call(argv: list[str], script: str, variables: dict[str, str]) -> None:
    environment = sbatch_environment(variables)
    subprocess.run(argv, input=script, env=environment, text=True, check=True, stdout=subprocess.DEVNULL)


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
    """Measure how much of a core the supervisor and its calls take while all agents work, in percent."""
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


def _count_of(folder: Path) -> int:
    """Count the jobs that work in `folder`."""
    listing = ["squeue", "--noheader", "--me", "--array", "--format=%Z"]
    lines = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
    return sum(line.startswith(str(folder)) for line in lines)


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
