"""Says what the page is sent, as JSON: projections cut to what is drawn, every text plain. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from maos_sup.cuts.record import TeamCut
from maos_sup.projection.costs import Costs, Sums
from maos_sup.projection.text import cut, plain, short
from maos_sup.projection.wants import Wanted
from maos_sup.views.events import reason_of
from maos_sup.views.figures import said_figures

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, BudgetShown, Status, TaskShown

Sheet = dict[str, object]
_AGENT = ("name", "kind", "phase", "pid", "attempt", "restarts", "task", "progress", "sent", "received")
_TASK = ("id", "agent", "phase", "run", "needs", "progress", "attempts", "elapsed_s", "want")
_MOST_CHARS = 400
_MOST_ROWS = 200


def sheet_of(value: Any) -> Any:
    """A projection as JSON has it; texts without orders to a terminal."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Enum):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: sheet_of(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {plain(key): sheet_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [sheet_of(item) for item in value]
    return value


def head_sheet(status: Status, wants: Iterable[Wanted]) -> Sheet:
    """Show the head of an orchestration: all but its agents and tasks."""
    return {
        "id": status["id"],
        "request": cut(status["request"], 4000),
        "phase": str(status["phase"]),
        "want": str(status["want"]),
        "directory": plain(status["directory"]),
        "created_at": status["created_at"],
        "supervisor": bool(status["supervisor"]["alive"]),
        "budget": sheet_of(status["budget"]),
        "counts": sheet_of(status["counts"]),
        "notes": [short(note, _MOST_CHARS) for note in status["notes"][:50]],
        "wants": [sheet_of(wanted) for wanted in wants][:200],
    }


def agent_sheet(agent: AgentShown) -> Sheet:
    """Make a row of the board."""
    changed = agent["changed"]
    told: Mapping[str, Any] = agent
    return {
        **{key: sheet_of(told[key]) for key in _AGENT},
        "role": short(agent["role"] or "", 200),
        "reason": short(reason_of(agent) or "", _MOST_CHARS),
        "note": short(agent["note"] or "", _MOST_CHARS),
        "last_line": short(agent["last_line"] or "", _MOST_CHARS),
        "asks": len(agent["questions"]),
        "cost_usd": agent["cost_usd"],
        "tokens": agent["tokens"],
        "figures": said_figures(agent),
        "files": changed["files"] if changed else 0,
    }


def task_sheet(task: TaskShown) -> Sheet:
    """Make a row of the tasks. How long a task that goes on has run is told by whole seconds."""
    elapsed = task["elapsed_s"]
    told: Mapping[str, Any] = task
    return {
        **{key: sheet_of(told[key]) for key in _TASK},
        "elapsed_s": float(int(elapsed)) if task["phase"] in ("running", "asking") else elapsed,
        "description": short(task["description"], 200),
        "error": short(task["error"] or "", _MOST_CHARS),
    }


def costs_sheet(costs: Costs, budget: BudgetShown) -> Sheet:
    """Money, the dearest first, of each kind so many as a table shows; what is left of `budget`."""
    usd, tokens = budget["max_cost_usd"], budget["max_tokens"]
    left = {
        "max_cost_usd": usd,
        "left_usd": None if usd is None else max(0.0, usd - costs.total.cost_usd),
        "max_tokens": tokens,
        "left_tokens": None if tokens is None else max(0, tokens - costs.total.tokens),
    }
    parts = {"agents": costs.agents, "tasks": costs.tasks, "models": costs.models, "days": costs.days}
    return costs.to_json() | {part: _rows(sums) for part, sums in parts.items()} | {"budget": left}


def _rows(sums: Mapping[str, Sums]) -> list[Sheet]:
    dearest = sorted(sums.items(), key=lambda item: -item[1].cost_usd)[:_MOST_ROWS]
    return [{"name": plain(name), **one.to_json()} for name, one in dearest]


def cut_sheet(found: TeamCut) -> Sheet:
    """Show a checkpoint."""
    tasks = [phase for agent in found.agents.values() for phase in agent.tasks.values()]
    return {
        "number": found.number,
        "label": plain(found.label),
        "at": found.at,
        "by": found.by,
        "why": short(found.why, 200),
        "exact": found.is_exact,
        "pinned": found.is_kept,
        "done": sum(phase == "done" for phase in tasks),
        "tasks": len(tasks),
        "cost_usd": found.cost_usd,
    }
