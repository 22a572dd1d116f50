"""`cost`: what was spent, by agent and by task, of what is allowed."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.views.money import money, shares
from maos_sup.views.records import Spent, spent_by_task
from maos_sup.views.render import budget_text, table, terminal_width
from maos_sup.views.status import status_of


@click.command("cost")
@options.directory_or_default
@options.as_json
def command(directory: str | None, *, as_json: bool) -> None:
    """Print what was spent, by agent and by task, and of how much. Rows add up to the total."""
    tree = tree_or_default(directory)
    status = status_of(tree)
    agents = {
        agent["name"]: Spent(cost_usd=agent["cost_usd"], tokens=agent["tokens"]) for agent in status["agents"]
    }
    tasks = spent_by_task(tree)
    if as_json:
        counts = status["counts"]
        parts = {"agents": agents, "tasks": tasks}
        rows = {what: {name: one.to_json() for name, one in part.items()} for what, part in parts.items()}
        total = {"cost_usd": counts["cost_usd"], "tokens": counts["tokens"]}
        say_json({**rows, "total": total, "budget": status["budget"]})
        return
    total_usd = sum(one.cost_usd for one in agents.values())
    rest = Spent(
        cost_usd=max(0.0, total_usd - sum(one.cost_usd for one in tasks.values())),
        tokens=max(0, sum(one.tokens for one in agents.values()) - sum(one.tokens for one in tasks.values())),
    )
    lines = _lines("AGENT", agents)
    if tasks:
        beside = {"(beside tasks)": rest} if rest.tokens or rest.cost_usd >= 0.00005 else {}
        lines += ["", *_lines("TASK", {**tasks, **beside})]
    say("\n".join([*lines, "", f"total: {budget_text(status) or f'{money(0)} USD'}"]))


def _lines(head: str, spent: dict[str, Spent]) -> list[str]:
    costs = shares([one.cost_usd for one in spent.values()])
    rows = [(name, cost, str(one.tokens)) for (name, one), cost in zip(spent.items(), costs, strict=True)]
    return table((head, "USD", "TOKENS"), rows, width=terminal_width())
