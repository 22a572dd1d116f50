"""The status of an orchestration as one dictionary: what `status --json` prints and every view shows.

Reads files only, so it works with no supervisor, on a copy and on a tree being written. Tasks and phases are
judged by `core`, as the agents and the supervisor judge them. Reads what is needed and no more: a hundred
agents take a few milliseconds.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maos_sup.core.overlaps import overlap_lines, overlaps
from maos_sup.core.phases import agent_phase, orchestration_phase
from maos_sup.core.tasks import UNFINISHED, merged, task_phases
from maos_sup.views.files import last_line, moment, natural
from maos_sup.views.sight import AgentSight, SupervisorSight, is_here, see_agent, see_supervisor
from state_layout.host.room import want_of_room
from state_layout.lives.told import Told
from state_layout.paths import Tree
from state_layout.records import AgentPhase, AgentSpec, Phase, Specs, TaskOutcome, TaskPhase, TaskSpec
from state_layout.specs.approvals import misnamed_answers
from state_layout.specs.read import SpecCache, SpecsRead

Status = dict[str, Any]
_ID_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)-")
_TOLD_BY_ITSELF = {AgentPhase.ASKING, AgentPhase.PAUSED}  # while it lives: it waits
_MOST_SHARE = 0.05  # of the time that passes, for looks at all spec files
_GOING = {TaskPhase.RUNNING, TaskPhase.ASKING}
_TOLD_BY_SUPERVISOR = {AgentPhase.SLOW, AgentPhase.HUNG, AgentPhase.BACKOFF, AgentPhase.STARTING}


def status_of(tree: Tree) -> Status:
    """The status of `tree` now; see `Watcher.status`."""
    return Watcher(tree).status()


class Watcher:
    """Looks at a tree again and again; what did not change since is not read again.

    A look at all spec files takes a small share of the time: what was edited in place may be shown a moment
    late, what came or went is not.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._specs = SpecCache(tree, is_view=True)
        self._read: SpecsRead | None = None
        self._due_s = 0.0
        self._told: dict[str, Told] = {}  # by agent

    def status(self) -> Status:
        """The status now, its phases in the words that docs/commands.md lists.

        Raises BadInput or NotATree where even `spec/orchestration.json` has no good copy.
        """
        begun_s, supervisor = time.monotonic(), see_supervisor(self.tree)
        if self._read is None or begun_s >= self._due_s or self._specs.has_moved():
            self._read = self._specs.read(judged=supervisor.status.get("specs"))
            now_s = time.monotonic()
            self._due_s = now_s + (now_s - begun_s) / _MOST_SHARE
        return _status(self.tree, self._read, self._told, supervisor)


def _status(tree: Tree, read: SpecsRead, told: dict[str, Told], supervisor: SupervisorSight) -> Status:
    specs = read.specs
    here = is_here(tree)
    for name in specs.agents.keys() - told.keys():
        told[name] = Told(tree.agent(name).status)
    sights = {name: see_agent(tree, name, here=here, told=told[name]) for name in specs.agents}
    outcomes = _outcomes(sights.values(), supervisor)
    phases = task_phases(specs, outcomes)
    mine = _phases_by_agent(specs, phases)
    agents = [
        _agent(tree, specs, spec, sights[name], supervisor=supervisor, mine=mine[name])
        for name, spec in sorted(specs.agents.items(), key=lambda item: natural(item[0]))
    ]
    shown = phases | _asking_tasks(agents, phases)
    since_s = {name: _since_s(sight) for name, sight in sights.items()}
    tasks = [
        _task(task, shown[task.id], outcomes.get(task.id), since_s=since_s.get(task.agent, 0.0))
        for task in _in_place(specs.tasks.values())
    ]
    orchestration = specs.orchestration
    touched = {agent["name"]: agent["changed"]["paths"] for agent in agents if agent["changed"]}
    return {
        "id": orchestration.id,
        "request": orchestration.request,
        "want": orchestration.want,
        "phase": orchestration_phase(
            specs,
            phases,
            is_anyone_alive=any(sight.pid is not None for sight in sights.values()),
            is_supervised=supervisor.pid is not None,
        ),
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
        "notes": [*_notes(tree, supervisor, sights.values()), *overlap_lines(overlaps(touched))],
        "overlaps": overlaps(touched),
        "counts": _counts(agents, tasks),
    }


def _phases_by_agent(specs: Specs, phases: Mapping[str, TaskPhase]) -> Mapping[str, Collection[TaskPhase]]:
    """The phases of the tasks of each agent."""
    found = defaultdict[str, set[TaskPhase]](set)
    for task in specs.tasks.values():
        found[task.agent].add(phases[task.id])
    return found


def _in_place(tasks: Collection[TaskSpec]) -> list[TaskSpec]:
    """As in the plan; what was added without a place comes last, by name."""
    places = {task.order for task in tasks}
    if len(places) == len(tasks) and None not in places:  # names cost as much as all the rest
        return sorted(tasks, key=lambda task: task.order or 0)
    return sorted(tasks, key=lambda task: (math.inf if task.order is None else task.order, natural(task.id)))


def is_settled(status: Status) -> bool:
    """Whether nothing more happens by itself: all done, or failed, or stopped and standing still."""
    return status["phase"] in (Phase.DONE, Phase.FAILED, Phase.STOPPED) and not status["counts"]["alive"]


def _outcomes(sights: Iterable[AgentSight], supervisor: SupervisorSight) -> dict[str, TaskOutcome]:
    own = merged(*(sight.outcomes for sight in sights))
    settled = {
        task: TaskOutcome(phase=TaskPhase.FAILED, run=value.get("run", 1), error=value.get("reason"))
        for task, value in (supervisor.status.get("tasks") or {}).items()
        if value.get("phase") == TaskPhase.FAILED and supervisor.pid is not None
    }
    whole = merged(own, settled, supervisor.memory.outcomes)
    return {task: _with_attempts(outcome, own.get(task)) for task, outcome in whole.items()}


def _with_attempts(outcome: TaskOutcome, own: TaskOutcome | None) -> TaskOutcome:
    """A task that the supervisor gave up, with what only its agent recorded: how often and how it ended."""
    if own is None or own is outcome or own.run != outcome.run:
        return outcome
    return replace(
        outcome,
        attempts=own.attempts,
        exit_code=own.exit_code,
        signal=own.signal,
        elapsed_s=own.elapsed_s,
    )


def _agent(
    tree: Tree,
    specs: Specs,
    spec: AgentSpec,
    sight: AgentSight,
    *,
    supervisor: SupervisorSight,
    mine: Collection[TaskPhase],
) -> Status:
    told = (supervisor.status.get("agents") or {}).get(spec.name) or {}
    own = sight.status
    output_at, output = _last_output(tree, sight)
    is_current = own.get("attempt") == sight.attempt
    return {
        "name": spec.name,
        "kind": spec.kind,
        "role": spec.role,
        "want": spec.want,
        "phase": _agent_phase(specs, spec, sight, supervisor=supervisor, mine=mine),
        "reason": (own.get("reason") if sight.pid is not None and is_current else None) or told.get("reason"),
        "pid": sight.pid,
        "attempt": sight.attempt,
        "restarts": told.get("restarts", 0),
        "task": own.get("task") if sight.pid is not None and is_current else None,
        "progress": own.get("progress") if sight.pid is not None and is_current else None,
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
        "changed": own.get("changed"),
    }


def _asking_tasks(agents: Iterable[Status], phases: Mapping[str, TaskPhase]) -> dict[str, TaskPhase]:
    """The tasks that wait for an answer within a living process."""
    waiting = [agent["task"] for agent in agents if agent["phase"] is AgentPhase.ASKING]
    return {task: TaskPhase.ASKING for task in waiting if phases.get(task) is TaskPhase.RUNNING}


def _has_open_question(status: Status) -> bool:
    """Whether the program of the task at hand waits for a person: a call, `maos-sup agent ask`."""
    here = (status.get("task"), status.get("run"))
    return any((asked.get("task"), asked.get("run")) == here for asked in status.get("questions") or ())


def _agent_phase(
    specs: Specs,
    spec: AgentSpec,
    sight: AgentSight,
    *,
    supervisor: SupervisorSight,
    mine: Collection[TaskPhase],
) -> AgentPhase:
    """As `core` judges it, but for what only a living supervisor can tell (slow, hung, back-off)."""
    known = supervisor.memory.of(spec.name)
    phase = agent_phase(specs, spec, sight.observed, known=known, mine=mine, now_s=float("inf"))
    if sight.pid is not None and sight.status.get("attempt") != sight.attempt:
        return AgentPhase.STARTING
    if sight.pid is not None and sight.status.get("phase") in _TOLD_BY_ITSELF:
        return AgentPhase(sight.status["phase"])
    told = ((supervisor.status.get("agents") or {}).get(spec.name) or {}).get("phase")
    if told == AgentPhase.STARTING and sight.pid is not None and sight.status.get("phase") != told:
        told = None  # it has begun since: a supervisor does not publish each second
    if supervisor.pid is not None and phase in (AgentPhase.RUNNING, AgentPhase.QUEUED):
        phase = AgentPhase(told) if told in _TOLD_BY_SUPERVISOR else phase
    waits = phase in (AgentPhase.RUNNING, AgentPhase.SLOW) and _has_open_question(sight.status)
    return AgentPhase.ASKING if waits else phase


def _since_s(sight: AgentSight) -> float:
    """How old the snapshot of a living agent is: its task has run on since."""
    at = sight.status.get("at") if sight.pid is not None else None
    with suppress(ValueError, TypeError):
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(str(at))).total_seconds())
    return 0.0


def _task(task: TaskSpec, phase: TaskPhase, outcome: TaskOutcome | None, *, since_s: float) -> Status:
    """One task; what earlier runs left does not count. `since_s` after the snapshot it still runs."""
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


def _last_output(tree: Tree, sight: AgentSight) -> tuple[str | None, str | None]:
    """When the newest attempt last wrote anything, and its last line."""
    attempt = tree.agent(sight.name).attempt(sight.attempt)
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


def _spec_errors(read: SpecsRead, supervisor: SupervisorSight) -> list[Status]:
    """What is wrong in `spec/` now; what the supervisor found beyond that comes after it."""
    errors = [
        {"path": error.path, "line": error.line, "key": error.key, "text": error.text}
        for error in read.errors
    ]
    known = {(error["path"], error["text"]) for error in errors}
    if supervisor.pid is not None:
        told: list[Status] = supervisor.status.get("spec_errors") or []
        errors += [error for error in told if (error.get("path"), error.get("text")) not in known]
    return errors


def _notes(tree: Tree, supervisor: SupervisorSight, sights: Iterable[AgentSight]) -> list[str]:
    told = [str(note) for note in supervisor.status.get("notes") or []]
    lacking = want_of_room(tree.root) if supervisor.pid is not None else None
    if lacking is not None and lacking not in told:
        told.append(lacking)  # who has no room to say so is helped
    if supervisor.elsewhere is not None:
        told.append(f"the supervisor runs elsewhere: {supervisor.elsewhere}")
    told += [
        f"spec/approvals/{name}: is the name of no question; maos-sup answer lists those that are open"
        for name in misnamed_answers(tree)
    ]
    return told + [f"{sight.name}: {note}" for sight in sights for note in sight.notes if note not in told]


def _counts(agents: list[Status], tasks: list[Status]) -> Status:
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
        "cost_usd": round(sum(agent["cost_usd"] for agent in agents), 6),
        "tokens": sum(agent["tokens"] for agent in agents),
    }


def _created_at(tree: Tree, id_: str) -> str | None:
    """When the orchestration was created: its oldest file, unless its id says that this is a later copy."""
    try:
        written_s = tree.format.stat().st_mtime
    except OSError:
        written_s = 0.0
    named_s = _time_in(id_)
    if named_s is None:
        return moment(written_s) if written_s else None
    return moment(written_s if named_s <= written_s < named_s + 120 else named_s)


def _time_in(id_: str) -> float | None:
    """The time that an id begins with, as seconds since the epoch. (`strptime` costs 4 ms to import.)"""
    found = _ID_TIME.match(id_)
    if found is None:
        return None
    year, month, day, hour, minute = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()
    except ValueError:
        return None
