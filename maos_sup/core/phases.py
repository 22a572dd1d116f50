"""The words that `status` shows: the phase of an agent and of the orchestration."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from maos_sup.core.liveness import Liveness
from maos_sup.core.model import AgentMemory, AgentObserved, Process
from maos_sup.core.tasks import UNFINISHED, agent_want, has_failed
from state_layout.records import AgentPhase, AgentSpec, ExitReason, Phase, Specs, TaskPhase, Want

_ALIVE = {Liveness.HUNG: AgentPhase.HUNG, Liveness.SLOW: AgentPhase.SLOW}
_UNWANTED = {Want.PAUSE: AgentPhase.PAUSED, Want.STOP: AgentPhase.STOPPED}
_STARTABLE = frozenset({TaskPhase.READY, TaskPhase.RUNNING, TaskPhase.INTERRUPTED})


def agent_phase(
    specs: Specs,
    agent: AgentSpec,
    observed: AgentObserved,
    *,
    known: AgentMemory,
    mine: Collection[TaskPhase],
    now_s: float,
) -> AgentPhase:
    """Find the phase of one agent; `mine` are those of its tasks, each at least once."""
    if observed.process is not Process.GONE:
        if observed.lingers and observed.liveness is not Liveness.HUNG:
            return AgentPhase.WAITING
        starting = known.submitted > observed.last_attempt
        return AgentPhase.STARTING if starting else _ALIVE.get(observed.liveness, AgentPhase.RUNNING)
    if UNFINISHED.isdisjoint(mine):
        return AgentPhase.FAILED if TaskPhase.FAILED in mine else AgentPhase.DONE
    want = agent_want(specs.orchestration, agent)
    if want in _UNWANTED:
        return _UNWANTED[want]
    if known.not_before_s > now_s and observed.exit not in (None, ExitReason.PARKED):
        return AgentPhase.BACKOFF
    if not _STARTABLE.isdisjoint(mine):
        return AgentPhase.QUEUED
    return AgentPhase.ASKING if TaskPhase.ASKING in mine else AgentPhase.WAITING


def orchestration_phase(
    specs: Specs, phases: Mapping[str, TaskPhase], *, is_anyone_alive: bool, is_supervised: bool
) -> Phase:
    """The phase of the orchestration, whoever asks: what it came to, then what is wanted, then who is there.

    `phases` are those of all tasks; `is_anyone_alive`: an agent has a process, or may have one.
    """
    if is_anyone_alive:
        return Phase.RUNNING
    rest = resting_phase(specs, phases)
    if rest is not None:
        return rest
    if specs.orchestration.want is Want.PAUSE:
        return Phase.PAUSED
    return Phase.RUNNING if is_supervised else Phase.INTERRUPTED


def resting_phase(specs: Specs, phases: Mapping[str, TaskPhase]) -> Phase | None:
    """Find the phase in which a team ends when nobody works any more; None: work is left that is wanted.

    What it came to stands above what is wanted: `stop` after a failure that stops everything changes nothing.
    """
    left = [specs.tasks[task] for task, phase in phases.items() if phase in UNFINISHED]
    if not left:
        return Phase.FAILED if specs.refused or has_failed(specs, phases) else Phase.DONE
    if stops_for_failure(specs, phases):
        return Phase.FAILED
    wants = {specs.agents[task.agent].want for task in left if task.agent in specs.agents}
    if specs.orchestration.want is Want.STOP or wants == {Want.STOP}:
        return Phase.STOPPED
    return None


def stops_for_failure(specs: Specs, phases: Mapping[str, TaskPhase]) -> bool:
    """A task failed and that is to stop all others."""
    return specs.orchestration.limits.on_failure == "stop" and has_failed(specs, phases)
