"""Measures what a task costs as tasks grow in number: CPU of all processes, by shape, beside make and Luigi.

CPU time is what the kernel counted for every process that took part (orphans come to this one and are waited
for), so a busy machine moves the figures less than a clock would.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench import figures
from bench.figures import Bars, Row, Section, not_run, scratch, sized, words
from bench.former import FORMER, former, us
from bench.peers import install
from maos_sup.system.linux import become_subreaper

ROUNDS = min(figures.ROUNDS, 3)
AT_ONCE = 16
MOST_S = 600.0  # for one orchestration
MOST_GROWTH, MOST_MS, MOST_MB = 1.2, 20.0, 100.0
PLANNED, SHOWN = sized(10_000, 200), sized(5000, 60)
SMALL, MIDDLE, LARGE = sized(100, 20), sized(1000, 40), sized(5000, 60)
_Needs = Callable[[int, int], list[int]]  # of task n of so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Tasks of a kind. `agents`: 0 for one a task; `stay_s`: how long one stays with nothing ready."""

    name: str
    needs: _Needs
    agents: int = 20
    sizes: tuple[int, ...] = (SMALL, MIDDLE)
    stay_s: int = 0


SHAPES = (
    Shape(
        name="workflow, up to three needs each",
        needs=lambda n, count: sorted({n // by for by in (2, 3, 5)}) if n > 4 else [],
        sizes=(SMALL, MIDDLE, LARGE),
    ),
    Shape(name="chain", needs=lambda n, count: [n - 1] if n else []),
    Shape(name="chain, agents stay", needs=lambda n, count: [n - 1] if n else [], stay_s=60),
    Shape(name="one that needs all others", needs=lambda n, count: [*range(n)] if n == count - 1 else []),
    Shape(name="tasks of one agent", needs=lambda n, count: [], agents=1, sizes=(SMALL, sized(2000, 60))),
    Shape(
        name="an agent each, all at once", needs=lambda n, count: [], agents=0, sizes=(SMALL, sized(300, 30))
    ),
)
LUIGI = """
import json, sys
from pathlib import Path
import subprocess
import luigi

needs = json.loads(Path(sys.argv[1]).read_text())

class Work(luigi.Task):
    number = luigi.IntParameter()

    def requires(self):
        return [Work(number=each) for each in needs[self.number]]

    def output(self):
        return luigi.LocalTarget(f"{sys.argv[2]}/{self.number}")

    def run(self):
        subprocess.run(["true"], check=True)
        with self.output().open("w") as file:
            file.write("done")

luigi.build([Work(number=n) for n in range(len(needs))], local_scheduler=True, workers=1, log_level="ERROR")
"""


def measure() -> list[Section]:
    """The tables of this file."""
    become_subreaper()
    earlier = former()
    ours = {shape: _rounds(shape) for shape in SHAPES}
    rows = [row for shape, costs in ours.items() for row in _rows(shape, costs)]
    beside = SHAPES[0]
    others = [*_beside(beside, earlier)]
    note = (
        "CPU of all processes together, per task, of `maos-sup run` with tasks that run `true`, "
        f"{AT_ONCE} at once; the ratio is to {SMALL} tasks of that shape. make and Luigi (one worker) run "
        "the same command in the same shape; of the two only Luigi would go on after kill -9. "
        f"{FORMER} is an earlier commit of this tool."
    )
    bars = [_bars(ours[beside], others)]
    growth = Section(
        title="Growth: what a task costs", note=note, rows=[*rows, *_other_rows(others)], bars=bars
    )
    return [growth, _commands()]


def _commands() -> Section:
    """Commands on large plans and trees: whole processes."""
    with scratch() as folder:
        plan = folder / "plan.toml"
        plan.write_text(_plan(SHAPES[0], PLANNED, agents=PLANNED // 10))
        plans = [_command(["plan", str(plan)], folder) for _ in range(ROUNDS)]
    with scratch() as folder:
        _run(folder, SHAPES[0], SHOWN, us())
        shown = [_command(["status", str(folder / "tree"), "--json"], folder) for _ in range(ROUNDS)]
    rows = [
        _command_row(f"`plan`: {PLANNED:,} tasks, {PLANNED // 10:,} agents", plans, most_s=2.0),
        _command_row(f"`status --json`: {SHOWN:,} tasks that ran", shown, most_s=0.3),
    ]
    note = "From the start of the process to its exit, files in the page cache; memory at its peak."
    return Section(title="Growth: commands", note=note, rows=rows)


def _command(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Seconds that a command takes, and its peak in MB. Raises RuntimeError if it fails."""
    environment = us() | {"HOME": str(folder), "MAOS_SUP_HOME": str(folder / "home")}
    began_s = time.perf_counter()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "maos_sup", *arguments], stdout=said, stderr=said, env=environment
        )
        _, status, used = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments[0]} ended with exit code {process.returncode}")
    return took_s, used.ru_maxrss / 1024


def _command_row(name: str, costs: list[tuple[float, float]], *, most_s: float) -> Row:
    took_s, peak_mb = statistics.median(cost[0] for cost in costs), max(cost[1] for cost in costs)
    return Row(
        name=name,
        value=f"{took_s:.2f} s, {peak_mb:.0f} MB",
        target=f"<= {most_s:g} s, <= {MOST_MB:g} MB",
        met=took_s <= most_s and peak_mb <= MOST_MB,
    )


_Costs = dict[int, list[float]]  # ms a task, by number of tasks, round by round


def _rounds(shape: Shape) -> _Costs:
    """The large sizes are measured once: they take minutes."""
    costs: _Costs = {}
    for count in shape.sizes:
        times = ROUNDS if count <= MIDDLE else 1
        costs[count] = [_ours(shape, count, us()) for _ in range(times)]
    return costs


def _rows(shape: Shape, costs: _Costs) -> Iterator[Row]:
    small = statistics.median(costs[SMALL])
    for count, measured in costs.items():
        cost = statistics.median(measured)
        growth, is_judged = cost / small, count > SMALL
        yield Row(
            name=f"{shape.name}: {count:,}",
            value=f"{cost:.1f} ms ({min(measured):.1f} to {max(measured):.1f})",
            ratio=f"{growth:.2f}x",
            target=f"<= {MOST_GROWTH:g}x, <= {MOST_MS:g} ms" if is_judged else "",
            met=(growth <= MOST_GROWTH and cost <= MOST_MS) if is_judged else None,
        )


_Other = tuple[str, int, float | str]  # name, number of tasks, ms a task or why not


def _beside(shape: Shape, earlier: dict[str, str] | str) -> Iterator[_Other]:
    contestants: dict[str, Callable[[int], float]] = {
        "GNU make -j": lambda count: _make(shape, count),
        "Luigi": lambda count: _luigi(shape, count),
    }
    if isinstance(earlier, dict):
        contestants[FORMER] = lambda count: _ours(shape, count, earlier)
    else:
        yield FORMER, SMALL, earlier
    for name, cost in contestants.items():
        for count in (SMALL, MIDDLE):
            try:
                yield name, count, cost(count)
            except Exception as cause:  # noqa: BLE001 - a peer that cannot be measured is a row that says so
                yield name, count, words(cause)
                break


def _other_rows(others: list[_Other]) -> Iterator[Row]:
    shape = SHAPES[0]
    for name, count, cost in others:
        title = f"{name}, {shape.name}: {count:,}"
        yield not_run(title, cost) if isinstance(cost, str) else Row(name=title, value=f"{cost:.1f} ms")


def _bars(costs: _Costs, others: list[_Other]) -> Bars:
    values = {f"maos-sup, {count:,} tasks": statistics.median(of) for count, of in costs.items()}
    values |= {f"{name}, {count:,}": cost for name, count, cost in others if not isinstance(cost, str)}
    return Bars(title="CPU of a task", unit="ms", better="less", values=values)


def _ours(shape: Shape, count: int, environment: dict[str, str]) -> float:
    with scratch() as folder:
        return _run(folder, shape, count, environment) / count


def _run(folder: Path, shape: Shape, count: int, environment: dict[str, str]) -> float:
    """Run it all to its end in `folder`/tree; CPU in ms."""
    plan = folder / "plan.toml"
    plan.write_text(_plan(shape, count))
    command = [sys.executable, "-P", "-m", "maos_sup", "run", str(plan), "--dir", str(folder / "tree")]
    own = {"HOME": str(folder), "MAOS_SUP_HOME": str(folder / "home")}
    return _cost_ms(command, environment | own)


def _make(shape: Shape, count: int) -> float:
    with scratch() as folder:
        rules = [f"all: {' '.join(f't{n}' for n in range(count))}"]
        rules += [
            f"t{n}: {' '.join(f't{need}' for need in shape.needs(n, count))}\n\t@/bin/true && : > $@"
            for n in range(count)
        ]
        (folder / "Makefile").write_text("\n".join(rules) + "\n")
        make = install.program("make")
        return _cost_ms([make, "--silent", "-C", str(folder), f"-j{AT_ONCE}", "all"], us()) / count


def _luigi(shape: Shape, count: int) -> float:
    install.require("luigi")
    with scratch() as folder:
        (folder / "needs.json").write_text(json.dumps([shape.needs(n, count) for n in range(count)]))
        (folder / "work.py").write_text(LUIGI)
        command = [
            str(install.PYTHON),
            str(folder / "work.py"),
            str(folder / "needs.json"),
            str(folder / "out"),
        ]
        cost_ms = _cost_ms(command, us())
        if len([*(folder / "out").iterdir()]) != count:
            raise RuntimeError("not all tasks are done")
        return cost_ms / count


def _plan(shape: Shape, count: int, *, agents: int = 0) -> str:
    agents = agents or shape.agents or count
    at_once = agents if shape.stay_s or not shape.agents else AT_ONCE
    parts = [f'request = "growth"\n[limits]\nmax_agents = {at_once}\n']
    parts += [f"[intervals]\nlinger_s = {shape.stay_s}\n"] if shape.stay_s else []
    parts += [f'[agents.a{n}]\nkind = "command"\ncommand = ["true"]\n' for n in range(agents)]
    for n in range(count):
        needs = json.dumps([f"t{need}" for need in shape.needs(n, count)])
        parts.append(f'[[tasks]]\nid = "t{n}"\nagent = "a{n % agents}"\ndescription = "x"\nneeds = {needs}\n')
    return "".join(parts)


def _cost_ms(command: list[str], environment: dict[str, str]) -> float:
    """CPU of `command` and all that it leaves behind. Raises RuntimeError if it fails."""
    before = _used_s()
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=MOST_S, check=False, cwd="/"
    )
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
    return (_used_s() - before) * 1000


def _used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
