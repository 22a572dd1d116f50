"""Says how the whole team stands: supervisor and agents, with the phase of each task, of each agent, and
of all.

Tasks and phases are judged by `core`, as the agents and the supervisor judge them. A hundred agents take some
milliseconds; who looks again and again keeps a `StandingReader`, which reads what changed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from maos_sup.core.phases import agent_phase, orchestration_phase
from maos_sup.core.tasks import merged, task_phases
from maos_sup.standing.agents import AgentStanding, agent_standing
from maos_sup.standing.presence import is_here
from maos_sup.standing.supervisors import SupervisorStanding, supervisor_standing
from state_layout.lives.snapshot_reader import SnapshotReader
from state_layout.paths import Tree
from state_layout.records import AgentPhase, Phase, Specs, TaskOutcome, TaskPhase
from state_layout.specs.read import SpecCache, SpecsRead

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot

_TOLD_BY_ITSELF = {AgentPhase.ASKING, AgentPhase.PAUSED}  # while it lives: it waits
_TOLD_MORE_OF = {AgentPhase.RUNNING, AgentPhase.QUEUED}
_TOLD_BY_SUPERVISOR = {AgentPhase.SLOW, AgentPhase.HUNG, AgentPhase.BACKOFF, AgentPhase.STARTING}
_MOST_SHARE = 0.05  # of the time that passes, for looks at all spec files


class TeamStanding(Struct, frozen=True, kw_only=True):
    """The standing is that of the team at one moment. All mappings have each agent and each task that is
    in force."""

    specs: Specs
    supervisor: SupervisorStanding
    agents: Mapping[str, AgentStanding]
    agent_phases: Mapping[str, AgentPhase]
    outcomes: Mapping[str, TaskOutcome]  # of tasks that have one
    task_phases: Mapping[str, TaskPhase]  # `asking` also within a living process
    phase: Phase


class StandingReader:
    """Looks at a tree again and again; what did not change since is not read again.

    A look at all spec files takes a small share of the time: what was edited in place may be shown a moment
    late, what came or went is not. `specs_read` is what the last look found in `spec/`.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._specs = SpecCache(tree, is_view=True)
        self._specs_read: SpecsRead | None = None
        self._due_s = 0.0
        self._readers: dict[str, SnapshotReader] = {}  # by agent

    @property
    def specs_read(self) -> SpecsRead:
        """The specs are those of the last `look`; only after the first one."""
        if self._specs_read is None:
            raise RuntimeError("nothing was looked at yet")
        return self._specs_read

    def look(self) -> TeamStanding:
        """Look how the team stands now.

        Raises BadInput or NotATree where even `spec/orchestration.json` has no good copy.
        """
        begun_s, supervisor = time.monotonic(), supervisor_standing(self.tree)
        if self._specs_read is None or begun_s >= self._due_s or self._specs.has_moved():
            self._specs_read = self._specs.read(judged=supervisor.status.get("specs"))
            now_s = time.monotonic()
            self._due_s = now_s + (now_s - begun_s) / _MOST_SHARE
        specs, here = self._specs_read.specs, is_here(self.tree)
        for name in specs.agents.keys() - self._readers.keys():
            self._readers[name] = SnapshotReader(self.tree.agent(name).status)
        agents = {
            name: agent_standing(self.tree, name, here=here, reader=self._readers[name])
            for name in specs.agents
        }
        return team_of(specs, supervisor, agents)


def team_of(
    specs: Specs, supervisor: SupervisorStanding, agents: Mapping[str, AgentStanding]
) -> TeamStanding:
    """Make the team of these parts. Pure."""
    outcomes = _outcomes(agents.values(), supervisor)
    phases = task_phases(specs, outcomes)
    mine = _phases_by_agent(specs, phases)
    agent_phases = {
        name: _agent_phase(specs, each, supervisor=supervisor, mine=mine[name])
        for name, each in agents.items()
    }
    return TeamStanding(
        specs=specs,
        supervisor=supervisor,
        agents=agents,
        agent_phases=agent_phases,
        outcomes=outcomes,
        task_phases=phases | _asking_tasks(agents, agent_phases, phases),
        phase=orchestration_phase(
            specs,
            phases,
            is_anyone_alive=any(each.pid is not None for each in agents.values()),
            is_supervised=supervisor.pid is not None,
        ),
    )


def _phases_by_agent(specs: Specs, phases: Mapping[str, TaskPhase]) -> Mapping[str, Collection[TaskPhase]]:
    """Find the phases of the tasks of each agent."""
    found = defaultdict[str, set[TaskPhase]](set)
    for task in specs.tasks.values():
        found[task.agent].add(phases[task.id])
    return found


def _outcomes(agents: Iterable[AgentStanding], supervisor: SupervisorStanding) -> dict[str, TaskOutcome]:
    own = merged(*(agent.outcomes for agent in agents))
    settled = {
        task: TaskOutcome(phase=TaskPhase.FAILED, run=value.get("run", 1), error=value.get("reason"))
        for task, value in (supervisor.status.get("tasks") or {}).items()
        if value.get("phase") == TaskPhase.FAILED and supervisor.pid is not None
    }
    whole = merged(own, settled, supervisor.memory.outcomes)
    return {task: _with_attempts(outcome, own.get(task)) for task, outcome in whole.items()}


def _with_attempts(outcome: TaskOutcome, own: TaskOutcome | None) -> TaskOutcome:
    """Complete a task that the supervisor gave up by what only its agent recorded: how often, how it
    ended."""
    if own is None or own is outcome or own.run != outcome.run:
        return outcome
    return replace(
        outcome,
        attempts=own.attempts,
        exit_code=own.exit_code,
        signal=own.signal,
        elapsed_s=own.elapsed_s,
    )


def _asking_tasks(
    agents: Mapping[str, AgentStanding],
    agent_phases: Mapping[str, AgentPhase],
    phases: Mapping[str, TaskPhase],
) -> dict[str, TaskPhase]:
    """Find the tasks that wait for an answer within a living process."""
    asking = [agent for name, agent in agents.items() if agent_phases[name] is AgentPhase.ASKING]
    waiting = (agent.current.get("task") for agent in asking)
    return {task: TaskPhase.ASKING for task in waiting if task and phases.get(task) is TaskPhase.RUNNING}


def _has_open_question(status: AgentSnapshot) -> bool:
    """The program of the task at hand waits for a person: a call, `maos-sup agent ask`."""
    here = (status.get("task"), status.get("run"))
    return any((asked.get("task"), asked.get("run")) == here for asked in status.get("questions") or ())


def _agent_phase(
    specs: Specs, agent: AgentStanding, *, supervisor: SupervisorStanding, mine: Collection[TaskPhase]
) -> AgentPhase:
    """As `core` judges it, but for what only a living supervisor can tell (slow, hung, back-off)."""
    known = supervisor.memory.of(agent.name)
    spec = specs.agents[agent.name]
    phase = agent_phase(specs, spec, agent.observed, known=known, mine=mine, now_s=float("inf"))
    if agent.pid is not None and agent.status.get("attempt") != agent.attempt:
        return AgentPhase.STARTING
    if agent.pid is not None and agent.status.get("phase") in _TOLD_BY_ITSELF:
        return AgentPhase(agent.status["phase"])
    published = ((supervisor.status.get("agents") or {}).get(agent.name) or {}).get("phase")
    if published == AgentPhase.STARTING and agent.pid is not None and agent.status.get("phase") != published:
        published = None  # it has begun since: a supervisor does not publish each second
    if supervisor.pid is not None and (phase in _TOLD_MORE_OF or agent.observed.lingers):
        phase = AgentPhase(published) if published in _TOLD_BY_SUPERVISOR else phase
    waits = phase in (AgentPhase.RUNNING, AgentPhase.SLOW) and _has_open_question(agent.status)
    return AgentPhase.ASKING if waits else phase
