"""Weighs supervisor, zygote and agents at 100 and at 500 agents; says how long it takes until all run."""

from __future__ import annotations

import statistics
import time

from bench.figures import Row, Section, scratch, sized
from bench.orchestras import children, handle, make, pss_mb, supervised, until
from maos_sup.system.paging import can_merge, can_page_out
from state_layout.paths import Tree
from state_layout.records import MERGE, SWAP
from state_layout.specs.edit import edit_spec

FULL_COUNT = 100
COUNTS = (sized(FULL_COUNT, 5), sized(500, 10))
SETTLING_S = 3.0
PATIENCE_S = 240.0
MOST_SUPERVISOR_MB = 15.0
REST_S, RESTED_S = 10.0, 45.0  # until memory is given back, and when all of it has
ROUND_S, MERGING_S = 20.0, 400.0  # the kernel merges while a round of it gains something
WORTH_A_ROUND = 0.02
MOST_OF_ALL_MB = 250.0
IDLER = {"kind": "command", "command": ["sleep", "100000"]}


def measure() -> list[Section]:
    """The table of this file."""
    rows = [row for count in COUNTS for row in _rows(count)]
    gives = {SWAP: can_page_out(), MERGE: can_merge()}
    for way in (way for way, is_given in gives.items() if is_given):
        rows += _rows_at_rest(way)
    note = "PSS, a few seconds after all run; each agent is a process that runs a program (not counted)."
    if not gives[SWAP]:
        note += " This machine has no swap, so agents at rest keep what they have."
    note += f" It merges {'equal' if gives[MERGE] else 'no'} pages (KSM)."
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
            weights = _weights(zygote)
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
        _of_all(f"{count} agents: all of these", all_, count),
        Row(name=f"{count} agents: from the supervisor's start until all run", value=f"{took_s:.1f} s"),
    ]


def _rows_at_rest(way: str) -> list[Row]:
    """The first number of agents after a while with nothing to do, their memory given back on one way."""
    names = [f"a{number}" for number in range(COUNTS[0])]
    with scratch() as folder:
        tree = make(folder / "tree", dict.fromkeys(names, IDLER))
        intervals = {"rest_s": REST_S, "at_rest": way}
        edit_spec(tree, tree.orchestration_spec, lambda spec: spec | {"intervals": intervals})
        with supervised(tree) as supervisor:
            until(lambda: all(_runs(tree, name) for name in names), PATIENCE_S)
            time.sleep(RESTED_S)
            zygote = children(supervisor.pid)[0]
            weights = _weights(zygote)
            end_s = time.monotonic() + MERGING_S
            while way == MERGE and time.monotonic() < end_s:
                time.sleep(ROUND_S)
                before, weights = weights, _weights(zygote)
                if sum(weights) > (1 - WORTH_A_ROUND) * sum(before):
                    break
            all_ = pss_mb(supervisor.pid) + pss_mb(zygote) + sum(weights)
    done = {SWAP: "swapped", MERGE: "merged"}[way]
    return [
        Row(
            name=f"{COUNTS[0]} agents at rest, {done}: an agent", value=f"{statistics.median(weights):.1f} MB"
        ),
        _of_all(f"{COUNTS[0]} agents at rest, {done}: all of these", all_, COUNTS[0]),
    ]


def _of_all(name: str, all_mb: float, count: int) -> Row:
    """Make the row of supervisor, zygote and agents together, with a target where they are a hundred."""
    is_met = all_mb <= MOST_OF_ALL_MB if count == FULL_COUNT else None
    target = f"<= {MOST_OF_ALL_MB:.0f} MB" if is_met is not None else ""
    return Row(name=name, value=f"{all_mb:.0f} MB", target=target, met=is_met)


def _weights(zygote: int) -> list[float]:
    return [pss_mb(pid) for pid in children(zygote)]


def _runs(tree: Tree, agent: str) -> bool:
    found = handle(tree, agent)
    return found is not None and found.program_pid is not None
