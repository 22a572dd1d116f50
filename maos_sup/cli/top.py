"""`top`: who uses what, in a screen that stays until it is left; elsewhere one table."""

from __future__ import annotations

import time
from typing import TypedDict

import click

from maos_sup.cli import edge, options
from maos_sup.cli.follow import Manner, follow, is_screen
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.views.money import bytes_text, shares
from maos_sup.views.render import table, terminal_width
from maos_sup.views.status import status_of
from state_layout.paths import Tree

_SAMPLE_S = 0.5


@click.command("top")
@options.directory_or_default
@options.plain
@options.as_json
def command(directory: str | None, *, is_plain: bool, as_json: bool) -> int:
    """Show what agents and all that they started use: CPU, memory, money. `q` leaves; nothing is changed.

    Elsewhere than in a terminal, and with --plain: one table, CPU over half a second.
    """
    tree = tree_or_default(directory)
    manner = Manner(pauses=False, is_plain=is_plain, aside=as_json, sort="cpu", stays=True)
    if is_screen(manner):
        return follow(tree, manner)
    rows = _sampled(tree)
    if as_json:
        say_json({"agents": rows})
        return edge.OK
    costs = shares([row["cost_usd"] for row in rows])
    cells = [
        (
            row["name"],
            row["phase"],
            str(row["pid"] or "-"),
            f"{row['cpu']:.0%}",
            bytes_text(row["memory_bytes"]),
            str(row["processes"]),
            cost,
        )
        for row, cost in zip(rows, costs, strict=True)
    ]
    heads = ("AGENT", "PHASE", "PID", "CPU", "MEMORY", "PROCESSES", "USD")
    say("\n".join(table(heads, cells, width=terminal_width())))
    return edge.OK


class UsedRow(TypedDict):
    """What one agent uses."""

    name: str
    phase: str
    pid: int | None
    cpu: float  # of one core
    memory_bytes: int
    processes: int
    cost_usd: float


def _sampled(tree: Tree) -> list[UsedRow]:
    """What each agent uses, the most CPU first."""
    from maos_sup.views.screen.figures import Figures  # psutil: 40 ms that nobody else pays

    status, figures = status_of(tree), Figures()
    pids = {agent["name"]: agent["pid"] for agent in status["agents"] if agent["pid"] is not None}
    figures.sample(pids)
    time.sleep(_SAMPLE_S if pids else 0.0)
    found = figures.sample(pids)
    rows: list[UsedRow] = [
        {
            "name": agent["name"],
            "phase": str(agent["phase"]),
            "pid": agent["pid"],
            "cpu": round(figure.cpu, 4) if (figure := found.get(agent["name"])) else 0.0,
            "memory_bytes": figure.memory if figure else 0,
            "processes": figure.processes if figure else 0,
            "cost_usd": agent["cost_usd"],
        }
        for agent in status["agents"]
    ]
    return sorted(rows, key=lambda row: -row["cpu"])
