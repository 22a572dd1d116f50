"""`list`: the orchestrations in the home."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import click

from maos_sup.cli import options
from maos_sup.cli.places import all_trees, home
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.views.cells import cut
from maos_sup.views.render import age_text, one_line, table, terminal_width
from maos_sup.views.status import status_of
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import Phase

_UNREADABLE = "unreadable"
_BY_WORTH = ("AGE", "ALIVE")  # the columns that may go where it is narrow
_BESIDE = 72  # cells of the other columns
_LEAST_REQUEST = 48  # cells: two lines of the last column where there is little room


class _Member(TypedDict):
    name: str
    phase: str


class TreeListed(TypedDict):
    """The entry is one of `list --json`; of a tree that cannot be read `request` says why, and counts are
    missing."""

    id: str
    phase: str
    directory: str
    request: str
    want: NotRequired[str]
    created_at: NotRequired[str | None]
    tasks: NotRequired[int]
    tasks_done: NotRequired[int]
    agents: NotRequired[int]
    alive: NotRequired[int]
    cost_usd: NotRequired[float]
    team: NotRequired[list[_Member]]


@click.command("list")
@click.option(
    "--status", "phase", type=options.Word([*map(str, Phase), _UNREADABLE]), help="Only in this phase."
)
@click.option("--limit", metavar="N", type=options.count(), default=20, show_default=True, help="At most N.")
@click.option("--agents", "has_agents", is_flag=True, help="Show the agents and how each stands.")
@options.as_json
def command(*, phase: str | None, limit: int, has_agents: bool, as_json: bool) -> None:
    """List the orchestrations in the home (MAOS_SUP_HOME, or ~/.maos-sup) and elsewhere, the newest first."""
    trees = all_trees()
    found = []
    for tree in reversed(trees):
        row = _row(tree, has_agents=has_agents)
        if phase in (None, row["phase"]):
            found.append(row)
        if len(found) == limit:
            break
    if as_json:
        say_json({"home": str(home()), "orchestrations": found})
    elif found:
        say("\n".join(_lines(found, has_agents=has_agents)))
    else:
        say_aside(f"{home()}: no orchestration" + (f" is {phase}" if phase else " yet"))


def _row(tree: Tree, *, has_agents: bool) -> TreeListed:
    try:
        status = status_of(tree)
    except LayoutError as error:
        return {
            "id": tree.root.name,
            "phase": _UNREADABLE,
            "directory": str(tree.root),
            "request": str(error),
        }
    counts = status["counts"]
    row: TreeListed = {
        "id": tree.root.name,
        "phase": str(status["phase"]),
        "want": str(status["want"]),
        "created_at": status["created_at"],
        "tasks": counts["tasks"],
        "tasks_done": counts["tasks_by_phase"].get("done", 0),
        "agents": counts["agents"],
        "alive": counts["alive"],
        "cost_usd": counts["cost_usd"],
        "directory": status["directory"],
        "request": status["request"],
    }
    if has_agents:
        row["team"] = [{"name": agent["name"], "phase": str(agent["phase"])} for agent in status["agents"]]
    return row


def _lines(found: list[TreeListed], *, has_agents: bool) -> list[str]:
    width = terminal_width()
    rows = [
        (
            row["id"],
            row["phase"],
            f"{row['tasks_done']}/{row['tasks']}" if "tasks_done" in row and "tasks" in row else "-",
            f"{row['alive']}/{row['agents']}" if "alive" in row and "agents" in row else "-",
            age_text(row.get("created_at")),
            _team_text(row) if has_agents else _request_text(row, width),
        )
        for row in found
    ]
    return table(
        ("ID", "PHASE", "DONE", "ALIVE", "AGE", "AGENTS" if has_agents else "REQUEST"),
        rows,
        width=width,
        by_worth=_BY_WORTH,
    )


def _request_text(row: TreeListed, width: int) -> str:
    """Show what was asked for, in a few lines at most; of a tree that cannot be read, why, whole."""
    text = one_line(row["request"])
    return cut(text, max(_LEAST_REQUEST, width - _BESIDE)) if "tasks" in row else text


def _team_text(row: TreeListed) -> str:
    """Say how each agent stands; of a tree that cannot be read, why."""
    if "team" not in row:
        return one_line(row["request"])
    return ", ".join(f"{agent['name']} {agent['phase']}" for agent in row["team"])
