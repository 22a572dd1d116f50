"""`top`: who uses what, in a screen that stays until it is left; elsewhere one table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from maos_sup.cli import edge, options
from maos_sup.cli.follow import Manner, follow, is_screen
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.views.figures import MEASURED, figure_columns, figures_told, rounded
from maos_sup.views.money import shares
from maos_sup.views.render import table, terminal_width
from maos_sup.views.status import status_of

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, Status

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
    status = status_of(tree)
    measure(status)
    agents = sorted(status["agents"], key=lambda agent: -agent["figures"]["cpu"])
    if as_json:
        say_json({"agents": [_used(agent) for agent in agents]})
        return edge.OK
    costs = shares([agent["cost_usd"] for agent in agents])
    columns = list(figure_columns(MEASURED, figures_told(agents), with_empty=True))
    cells = [
        (
            agent["name"],
            str(agent["phase"]),
            str(agent["pid"] or "-"),
            *(column[place] for _, column in columns),
            cost,
        )
        for place, (agent, cost) in enumerate(zip(agents, costs, strict=True))
    ]
    heads = ("AGENT", "PHASE", "PID", *(head for head, _ in columns), "USD")
    say("\n".join(table(heads, cells, width=terminal_width())))
    return edge.OK


def _used(agent: AgentShown) -> dict[str, object]:
    """Tell as JSON what one agent uses; all but CPU is whole."""
    told = {row.key: agent["figures"][row.key] for row in MEASURED}
    return {
        **{"name": agent["name"], "phase": str(agent["phase"]), "pid": agent["pid"]},
        **told,
        "cost_usd": agent["cost_usd"],
    }


def measure(status: Status) -> None:
    """Add to each agent's figures what it and all that it started use; takes half a second if any lives."""
    from maos_sup.views.screen.figures import Figures  # psutil: 40 ms that nobody else pays

    figures = Figures()
    pids = {agent["name"]: agent["pid"] for agent in status["agents"] if agent["pid"] is not None}
    figures.sample(pids)
    time.sleep(_SAMPLE_S if pids else 0.0)
    found = figures.sample(pids)
    for agent in status["agents"]:
        told = found.get(agent["name"], {})
        agent["figures"] |= {row.key: rounded(row, told.get(row.key, 0)) for row in MEASURED}
