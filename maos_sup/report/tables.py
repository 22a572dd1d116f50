"""Rows of a report that HTML and Markdown share: its figures, tasks, agents. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from maos_sup.core.overlaps import changed_text
from maos_sup.projection.lives import LifeSpan
from maos_sup.report.contents import Contents
from maos_sup.views.events import counted, duration_text
from maos_sup.views.figures import FigureColumn, figure_columns, figures_told
from maos_sup.views.money import shares, spent_text, tokens_text
from state_layout.lives.figures import KEPT

if TYPE_CHECKING:
    from maos_sup.views.shapes import TaskShown

_LATER = ("failed", "blocked", "cancelled", "interrupted", "asking", "running")
Row = tuple[str, ...]


def figures_of(contents: Contents) -> list[tuple[str, str]]:
    """List the figures at the head of a report: what they are, how much."""
    status, counts = contents.status, contents.status["counts"]
    done = counts["tasks_by_phase"].get("done", 0)
    budget = status["budget"]
    restarts = sum(max(0, agent["attempt"] - 1) for agent in status["agents"])
    found = [
        ("tasks done", f"{done} of {counts['tasks']}"),
        ("agents", str(counts["agents"])),
        ("from first to last record", duration_text(contents.took_s)),
        ("messages", str(counts["messages"])),
    ]
    if counts["discoveries"]:
        found.append(("discoveries", str(counts["discoveries"])))
    if counts["cost_usd"] or budget["max_cost_usd"] is not None:
        found.append(("cost", spent_text(counts["cost_usd"], budget["max_cost_usd"])))
    if counts["tokens"]:
        found.append(("tokens", tokens_text(counts["tokens"])))
    if restarts:
        found.append(("started again", counted(restarts, "time")))
    return found


def tasks_in_order(contents: Contents, most: int) -> tuple[list[TaskShown], int]:
    """At most so many tasks, in the order of the plan, and how many are left out; what is not done stays."""
    tasks: list[TaskShown] = contents.status["tasks"]
    if len(tasks) <= most:
        return tasks, 0
    first = sorted(range(len(tasks)), key=lambda index: (tasks[index]["phase"] not in _LATER, index))[:most]
    return [tasks[index] for index in sorted(first)], len(tasks) - most


def agent_rows(contents: Contents, most: int) -> list[Row]:
    """Name, kind, phase, attempts with how they ended, what it changed, money, figures; for most agents."""
    agents = contents.status["agents"][:most]
    costs = shares([agent["cost_usd"] for agent in agents]) if agents else []
    figures = _figures(contents, most)
    return [
        (
            agent["name"],
            agent["kind"],
            str(agent["phase"]),
            attempts_text(contents.lives.get(agent["name"], ())),
            changed_of(agent),
            cost,
            tokens_text(agent["tokens"]),
            *(cells[place] for _, cells in figures),
        )
        for place, (agent, cost) in enumerate(zip(agents, costs, strict=True))
    ]


def figure_heads(contents: Contents, most: int) -> tuple[str, ...]:
    """The headings of the figures that `agent_rows` ends with."""
    return tuple(head.capitalize() for head, _ in _figures(contents, most))


def _figures(contents: Contents, most: int) -> list[FigureColumn]:
    return list(figure_columns(KEPT, figures_told(contents.status["agents"][:most])))


def changed_of(agent: Mapping[str, Any]) -> str:
    """Say in words what an agent changed in its worktree."""
    told = agent.get("changed")
    if not told or not told.get("files"):
        return ""
    return f"{changed_text(told['files'], told['added'], told['removed'])} on {told['branch']}"


def attempts_text(lives: tuple[LifeSpan, ...]) -> str:
    """Word attempts like `3: lost, failed, parked`; those that no longer count are said to be void."""
    ends = [f"{life.reason or 'goes on'}{' (void)' if life.is_void else ''}" for life in lives[-6:]]
    more = "..., " if len(lives) > 6 else ""
    return f"{len(lives)}: {more}{', '.join(ends)}" if lives else "none"
