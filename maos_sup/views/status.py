"""The status of an orchestration as one dictionary: what `status --json` prints and every view shows.

Reads files only, so it works with no supervisor, on a copy and on a tree being written. Tasks and phases are
judged by `core`, as the agents and the supervisor judge them. Reads what is needed and no more: a hundred
agents take a few milliseconds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from maos_sup.core.overlaps import only_tried, overlap_lines, overlaps
from maos_sup.core.tasks import UNFINISHED
from maos_sup.standing.agents import AgentStanding
from maos_sup.standing.supervisors import SupervisorStanding
from maos_sup.standing.team import StandingReader, TeamStanding
from maos_sup.views.files import last_line, moment, natural
from maos_sup.views.mirrored import mirrors_told
from maos_sup.views.money import tokens_within, usd_within
from state_layout.host.room import want_of_room
from state_layout.lives.figures import kept_of
from state_layout.lives.snapshots import exit_snapshot, read_snapshot
from state_layout.paths import Tree
from state_layout.records import AgentPhase, AgentSpec, ExitReason, Phase, TaskOutcome, TaskPhase, TaskSpec
from state_layout.specs.approvals import misnamed_answers
from state_layout.specs.read import SpecsRead
from state_layout.tree.ages import made_s

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, CountsShown, Status, TaskShown
    from state_layout.records.snapshots import SpecFault

_GOING = {TaskPhase.RUNNING, TaskPhase.ASKING}
_ORDERLY = (ExitReason.PARKED, ExitReason.PAUSED, ExitReason.ASKING, ExitReason.STOPPED)


def status_of(tree: Tree) -> Status:
    """Look up the status of `tree` now; see `Watcher.status`."""
    return Watcher(tree).status()


class Watcher:
    """Looks at a tree again and again, as `standing.TeamReader` does."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._reader = StandingReader(tree)

    def status(self) -> Status:
        """The status now, its phases in the words that docs/commands.md lists.

        Raises BadInput or NotATree where even `spec/orchestration.json` has no good copy.
        """
        team = self._reader.look()
        return _status(self.tree, team, self._reader.specs_read)


def _status(tree: Tree, team: TeamStanding, read: SpecsRead) -> Status:
    specs, supervisor = team.specs, team.supervisor
    agents = [
        _agent(tree, spec, team.agents[name], phase=team.agent_phases[name], supervisor=supervisor)
        for name, spec in sorted(specs.agents.items(), key=lambda item: natural(item[0]))
    ]
    since_s = {name: _since_s(agent) for name, agent in team.agents.items()}
    tasks = [
        _task(
            task,
            team.task_phases[task.id],
            team.outcomes.get(task.id),
            since_s=since_s.get(task.agent, 0.0),
        )
        for task in _in_place(specs.tasks.values())
    ]
    orchestration = specs.orchestration
    tried = only_tried(specs.tasks.values())
    touched = {
        agent["name"]: agent["changed"]["paths"]
        for agent in agents
        if agent["changed"] and agent["name"] not in tried
    }
    return {
        "id": orchestration.id,
        "request": orchestration.request,
        "want": orchestration.want,
        "phase": team.phase,
        "directory": str(tree.root),
        "project": orchestration.project,
        "budget": {
            "max_cost_usd": orchestration.budget.max_cost_usd,
            "max_tokens": orchestration.budget.max_tokens,
        },
        "created_at": _created_at(tree, orchestration.id),
        "supervisor": {"alive": supervisor.pid is not None, "pid": supervisor.pid, "life": supervisor.life},
        "agents": agents,
        "tasks": tasks,
        "questions": [question for agent in agents for question in agent["questions"]],
        "spec_errors": _spec_errors(read, supervisor),
        "notes": [*_notes(tree, supervisor, team.agents.values()), *overlap_lines(overlaps(touched))],
        "overlaps": overlaps(touched),
        "mirrors": mirrors_told(tree),
        "counts": _counts(agents, tasks),
    }


def _in_place(tasks: Collection[TaskSpec]) -> list[TaskSpec]:
    """Order tasks as in the plan; what was added without a place comes last, by name."""
    places = {task.order for task in tasks}
    if len(places) == len(tasks) and None not in places:  # names cost as much as all the rest
        return sorted(tasks, key=lambda task: task.order or 0)
    return sorted(tasks, key=lambda task: (math.inf if task.order is None else task.order, natural(task.id)))


def is_settled(status: Status) -> bool:
    """Nothing more happens by itself: all done, or failed, or stopped and standing still."""
    return status["phase"] in (Phase.DONE, Phase.FAILED, Phase.STOPPED) and not status["counts"]["alive"]


def _agent(
    tree: Tree,
    spec: AgentSpec,
    agent: AgentStanding,
    *,
    phase: AgentPhase,
    supervisor: SupervisorStanding,
) -> AgentShown:
    published = (supervisor.status.get("agents") or {}).get(spec.name) or {}
    own, current = agent.status, agent.current
    output_at, output = _last_output(tree, agent)
    return {
        "name": spec.name,
        "kind": spec.kind,
        "role": spec.role,
        "want": spec.want,
        "phase": phase,
        "reason": current.get("reason") or published.get("reason"),
        "pid": agent.pid,
        "where": published.get("where"),
        "attempt": agent.attempt,
        "restarts": published.get("restarts", 0),
        "failed_before": _failed_before(tree, agent),
        "task": current.get("task"),
        "progress": current.get("progress"),
        "note": own.get("note"),
        "last_output_at": output_at,
        "last_line": output,
        "messages": own.get("sent", 0) + own.get("received", 0),
        "sent": own.get("sent", 0),
        "received": own.get("received", 0),
        "discoveries": own.get("discoveries", 0),
        "last_discovery": own.get("last_discovery"),
        "artifacts": own.get("artifacts") or [],
        "questions": own.get("questions") or [],
        "cost_usd": own.get("cost_usd", 0.0),
        "tokens": own.get("tokens", 0),
        "figures": kept_of(own.get("figures")),
        "changed": own.get("changed"),
    }


def _failed_before(tree: Tree, agent: AgentStanding) -> str | None:
    """Say why the attempt before the living one ended, where it failed and the same task goes on."""
    if agent.pid is None or agent.attempt < 2:
        return None
    ended = exit_snapshot(read_snapshot(tree.agent(agent.name).attempt(agent.attempt - 1).exit))
    if ended is None or ended.get("reason") in (None, *_ORDERLY):
        return None
    if ended.get("task") != agent.current.get("task", ended.get("task")):
        return None
    return str(ended.get("detail") or "it ended without a word")


def _since_s(agent: AgentStanding) -> float:
    """Measure how old a living agent's snapshot is: its task has run on since."""
    at = agent.status.get("at") if agent.pid is not None else None
    with suppress(ValueError, TypeError):
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(str(at))).total_seconds())
    return 0.0


def _task(task: TaskSpec, phase: TaskPhase, outcome: TaskOutcome | None, *, since_s: float) -> TaskShown:
    """Show one task; what earlier runs left does not count. `since_s` after the snapshot it still runs."""
    known = (
        outcome if outcome is not None and outcome.run >= task.run else TaskOutcome(phase=phase, run=task.run)
    )
    return {
        "id": task.id,
        "agent": task.agent,
        "description": task.description,
        "want": task.want,
        "phase": phase,
        "run": task.run,
        "needs": list(task.needs),
        "progress": 1.0 if phase is TaskPhase.DONE else known.progress,
        "attempts": known.attempts,
        "result": known.result,
        "error": known.error,
        "exit_code": known.exit_code,
        "signal": known.signal,
        "elapsed_s": round(known.elapsed_s + (since_s if phase in _GOING else 0.0), 3),
    }


def _last_output(tree: Tree, agent: AgentStanding) -> tuple[str | None, str | None]:
    """Tell when the newest attempt last wrote anything, and its last line."""
    attempt = tree.agent(agent.name).attempt(agent.attempt)
    newest = max(
        (stamp for path in (attempt.stdout, attempt.stderr) if (stamp := _written(path))), default=None
    )
    if newest is None:
        return None, None
    return moment(newest[0]), last_line(newest[1])


def _written(path: Path) -> tuple[float, Path] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime, path) if found.st_size else None


def _spec_errors(read: SpecsRead, supervisor: SupervisorStanding) -> list[SpecFault]:
    """List what is wrong in `spec/` now; what the supervisor found beyond that comes after it."""
    errors: list[SpecFault] = [
        {"path": error.path, "line": error.line, "key": error.key, "text": error.text}
        for error in read.errors
    ]
    known = {(error["path"], error["text"]) for error in errors}
    if supervisor.pid is not None:
        told: list[SpecFault] = supervisor.status.get("spec_errors") or []
        errors += [error for error in told if (error.get("path"), error.get("text")) not in known]
    return errors


def _notes(tree: Tree, supervisor: SupervisorStanding, agents: Iterable[AgentStanding]) -> list[str]:
    told = [str(note) for note in supervisor.status.get("notes") or []]
    lacking = want_of_room(tree.root) if supervisor.pid is not None else None
    if lacking is not None and lacking not in told:
        told.append(lacking)  # the supervisor could not write this itself: its disk is full
    if supervisor.elsewhere is not None:
        told.append(f"the supervisor runs elsewhere: {supervisor.elsewhere}")
    told += [
        f"spec/approvals/{name}: is the name of no question; maos-sup answer lists those that are open"
        for name in misnamed_answers(tree)
    ]
    if any(tree.mail.glob("*/operator.jsonl")):  # most trees have none
        told += _problems_of_mail(tree)
    return told + [f"{agent.name}: {note}" for agent in agents for note in agent.notes if note not in told]


def _problems_of_mail(tree: Tree) -> list[str]:
    from state_layout.mail.boxes import operator_files
    from state_layout.mail.operator_mail import problems_in

    return [f"{tree.shown(path)}:{problem}" for path in operator_files(tree) for problem in problems_in(path)]


def _counts(agents: list[AgentShown], tasks: list[TaskShown]) -> CountsShown:
    phases = Counter(str(task["phase"]) for task in tasks)
    return {
        "agents": len(agents),
        "alive": sum(agent["pid"] is not None for agent in agents),
        "tasks": len(tasks),
        "tasks_left": sum(task["phase"] in UNFINISHED for task in tasks),
        "tasks_by_phase": {str(phase): phases[phase] for phase in TaskPhase if phases[phase]},
        "attempts": sum(agent["attempt"] for agent in agents),
        "messages": sum(agent["sent"] for agent in agents),
        "discoveries": sum(agent["discoveries"] for agent in agents),
        "cost_usd": round(usd_within(sum(agent["cost_usd"] for agent in agents)), 6),
        "tokens": tokens_within(sum(agent["tokens"] for agent in agents)),
    }


def _created_at(tree: Tree, id_: str) -> str | None:
    """Tell when the orchestration was made."""
    made = made_s(tree, id_)
    return None if made is None else moment(made)
