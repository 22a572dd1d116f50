"""Measures what a checkpoint of a team costs, cold and warm, and a rollback, beside peers that go back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench import beside
from bench.figures import (
    ROUNDS,
    Bars,
    Figures,
    Row,
    Section,
    interleaved,
    not_run,
    scratch,
    sized,
    spread,
)
from bench.large_trees import Talker, tree_of_talkers
from bench.peers import undoing
from maos_sup.cuts import store
from maos_sup.cuts.going_back import preview_rollback
from maos_sup.cuts.take import take_cut, team_reader
from maos_sup.cuts.traces import TeamReader
from maos_sup.supervisor.rewinding import rewind
from state_layout.paths import Tree

AGENTS, LINES = 20, sized(100_000, 10_000)
NEW_LINES = 20  # of each agent between two cuts
WHOLE, KNOWN, COLD, WARM, BACK = "whole", "known", "cold", "warm", "rollback"
MOST_COLD_US, MOST_WARM_MS, MOST_BACK_S = 3.0, 20.0, 1.0


def measure() -> list[Section]:
    """The table of this file."""
    found: Figures = {WHOLE: [], KNOWN: [], COLD: [], WARM: [], BACK: []}
    failed = undoing.absent()
    contestants: dict[str, Callable[[Path], float]] = {"ours": lambda folder: _ours(folder, found)}
    contestants |= {name: run for name, run in undoing.CONTESTANTS.items() if name not in failed}
    figures = interleaved(contestants, min(ROUNDS, 3), failed=failed)
    size = f"{AGENTS} agents, {LINES:,} lines"
    rows = [
        _row(f"maos-sup, a cut of {size}, warm (CPU)", found[WARM], "ms", most=MOST_WARM_MS),
        _row(
            f"the same, cold: from compactions (CPU, a line of {LINES:,})",
            found[COLD],
            "us",
            most=MOST_COLD_US,
        ),
        _row("the same, cold, from the last checkpoint", found[KNOWN], "us", most=MOST_COLD_US),
        _row("the same, cold, with neither: every line is read", found[WHOLE], "us", most=MOST_COLD_US),
        _row(f"maos-sup, a rollback of {size} by half", found[BACK], "s", most=MOST_BACK_S),
    ]
    with scratch() as folder:
        rows += beside.rows(folder)
    rows += [
        Row(name=name, value=spread(values, "s", 2)) for name, values in figures.items() if name != "ours"
    ]
    rows += [not_run(name, why) for name, why in failed.items()]
    note = (
        "A cut is one consistent moment of the whole team, found without a pause; warm: "
        f"{NEW_LINES * AGENTS} lines were added since the last. LangGraph: `get_state_history` and "
        f"`update_state` of one thread of {undoing.TURNS} turns in a SqliteSaver. stepback: `rewind` of "
        f"{undoing.FILES} files, a whole command as people call it."
    )
    bars = {"maos-sup, a team": found[BACK][-1]} if found[BACK] else {}
    bars |= {name: values[-1] for name, values in figures.items() if name != "ours"}
    group = Bars(title="Going back", unit="seconds", better="less", values=bars)
    return [Section(title="Undo for a team", note=note, rows=rows, bars=[group])]


def _row(name: str, values: list[float], unit: str, *, most: float) -> Row:
    met = bool(values) and sorted(values)[len(values) // 2] <= most
    told = spread(values, unit, 2) if values else "not run"
    return Row(name=name, value=told, target=f"<= {most:g} {unit}", met=met)


def _ours(folder: Path, found: Figures) -> float:
    """One round; seconds of the rollback."""
    tree, talkers = tree_of_talkers(folder / "tree", agents=AGENTS, lines=LINES // 2)
    half = take_cut(tree, by="bench", why="half")
    _talk(talkers, LINES // 2 // AGENTS)
    agents = [talker.agent for talker in talkers]
    found[WHOLE].append(_cold_us(TeamReader(tree), agents))
    take_cut(tree, by="bench", why="known")
    _talk(talkers, NEW_LINES)
    found[KNOWN].append(_cold_us(team_reader(tree), agents))
    for talker in talkers:
        talker.save()
    _talk(talkers, NEW_LINES)
    found[COLD].append(_cold_us(TeamReader(tree), agents))
    reader = TeamReader(tree)
    reader.forget_before(reader.moment(agents, {}).places)  # as the supervisor does after each
    _talk(talkers, NEW_LINES)
    began_s = time.process_time()
    take_cut(tree, by="bench", why="warm", reader=reader)
    found[WARM].append(1e3 * (time.process_time() - began_s))
    for talker in talkers:
        talker.end()
    found[BACK].append(_back_s(tree, half.number))
    return found[BACK][-1]


def _cold_us(reader: TeamReader, agents: list[str]) -> float:
    """CPU of a first look, in microseconds a line of the tree."""
    began_s = time.process_time()
    reader.moment(agents, {})
    return 1e6 * (time.process_time() - began_s) / LINES


def _talk(talkers: list[Talker], steps: int) -> None:
    for _ in range(steps):
        for talker in talkers:
            talker.step()


def _back_s(tree: Tree, number: int) -> float:
    """Seconds of a rollback, its own checkpoint of what was before included."""
    began_s = time.monotonic()
    reader = team_reader(tree)
    back = take_cut(tree, by="bench", why="before", reader=reader)
    plan = preview_rollback(tree, store.read(tree, number), reader=reader).plan
    rewind(tree, replace(plan, back=back.number), by="bench", why="bench")
    return time.monotonic() - began_s
