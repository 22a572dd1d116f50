"""What supervisor, zygote and agents weigh at 100 and at 500 agents, and how long it takes until all run."""

from __future__ import annotations

import statistics
import time

from bench.figures import Row, Section, scratch, sized
from bench.orchestras import children, handle, make, pss_mb, supervised, until
from state_layout.paths import Tree

COUNTS = (sized(100, 5), sized(500, 10))
SETTLING_S = 3.0
PATIENCE_S = 240.0
MOST_SUPERVISOR_MB = 15.0
IDLER = {"kind": "command", "command": ["sleep", "100000"]}


def measure() -> list[Section]:
    """The table of this file."""
    rows = [row for count in COUNTS for row in _rows(count)]
    note = "PSS, a few seconds after all run; each agent is a process that runs a program (not counted)."
    return [Section(title="Memory", note=note, rows=rows)]


def _rows(count: int) -> list[Row]:
    names = [f"a{number}" for number in range(count)]
    with scratch() as folder:
        tree = make(folder / "tree", dict.fromkeys(names, IDLER))
        with supervised(tree) as supervisor:
            began_s = time.perf_counter()
            until(lambda: all(_runs(tree, name) for name in names), PATIENCE_S)
            took_s = time.perf_counter() - began_s
            time.sleep(SETTLING_S)
            zygote = children(supervisor.pid)[0]
            weights = [pss_mb(pid) for pid in children(zygote)]
            own, shared = pss_mb(supervisor.pid), pss_mb(zygote)
    each, all_ = statistics.median(weights), own + shared + sum(weights)
    is_first = count == COUNTS[0]
    return [
        Row(
            name=f"{count} agents: supervisor",
            value=f"{own:.1f} MB",
            target=f"<= {MOST_SUPERVISOR_MB:.0f} MB" if is_first else "",
            met=own <= MOST_SUPERVISOR_MB if is_first else None,
        ),
        Row(name=f"{count} agents: zygote", value=f"{shared:.1f} MB"),
        Row(
            name=f"{count} agents: an agent",
            value=f"{each:.1f} ({min(weights):.1f} to {max(weights):.1f}) MB",
        ),
        Row(name=f"{count} agents: all of these", value=f"{all_:.0f} MB"),
        Row(name=f"{count} agents: from the supervisor's start until all run", value=f"{took_s:.1f} s"),
    ]


def _runs(tree: Tree, agent: str) -> bool:
    found = handle(tree, agent)
    return found is not None and found.program_pid is not None
