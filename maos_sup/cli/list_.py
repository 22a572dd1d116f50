"""`list`: the orchestrations in the home."""

from __future__ import annotations

from typing import Any

import click

from maos_sup.cli import options
from maos_sup.cli.places import all_trees, home
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.views.render import age_text, one_line, table, terminal_width
from maos_sup.views.status import status_of
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import Phase

_UNREADABLE = "unreadable"
_BY_WORTH = ("AGE", "ALIVE")  # the columns that may go where it is narrow


@click.command("list")
@click.option(
    "--status", "phase", type=options.Word([*map(str, Phase), _UNREADABLE]), help="Only in this phase."
)
@click.option("--limit", metavar="N", type=options.count(), default=20, show_default=True, help="At most N.")
@options.as_json
def command(*, phase: str | None, limit: int, as_json: bool) -> None:
    """List the orchestrations in the home (MAOS_SUP_HOME, or ~/.maos-sup) and elsewhere, the newest first."""
    trees = all_trees()
    found = []
    for tree in reversed(trees):
        row = _row(tree)
        if phase in (None, row["phase"]):
            found.append(row)
        if len(found) == limit:
            break
    if as_json:
        say_json({"home": str(home()), "orchestrations": found})
    elif found:
        say("\n".join(_lines(found)))
    else:
        say_aside(f"{home()}: no orchestration" + (f" is {phase}" if phase else " yet"))


def _row(tree: Tree) -> dict[str, Any]:
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
    return {
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


def _lines(found: list[dict[str, Any]]) -> list[str]:
    rows = [
        (
            row["id"],
            row["phase"],
            f"{row['tasks_done']}/{row['tasks']}" if "tasks" in row else "-",
            f"{row['alive']}/{row['agents']}" if "agents" in row else "-",
            age_text(row.get("created_at")),
            one_line(row["request"]),
        )
        for row in found
    ]
    return table(
        ("ID", "PHASE", "DONE", "ALIVE", "AGE", "REQUEST"),
        rows,
        width=terminal_width(),
        by_worth=_BY_WORTH,
    )
