"""The words that `status` shows: the phase of an agent and of the orchestration."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from maos_sup.core.liveness import Liveness
from maos_sup.core.model import AgentMemory, AgentObserved, Process
from maos_sup.core.tasks import UNFINISHED, agent_want
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
    phases: Mapping[str, TaskPhase],
    now_s: float,
) -> AgentPhase:
    """The phase of one agent; `phases` are those of all tasks."""
    if observed.process is not Process.GONE:
        starting = known.submitted > observed.last_attempt
        return AgentPhase.STARTING if starting else _ALIVE.get(observed.liveness, AgentPhase.RUNNING)
    mine = {phases[task.id] for task in specs.tasks.values() if task.agent == agent.name}
    if not mine & UNFINISHED:
        return AgentPhase.FAILED if TaskPhase.FAILED in mine else AgentPhase.DONE
    want = agent_want(specs.orchestration, agent)
    if want in _UNWANTED:
        return _UNWANTED[want]
    if known.not_before_s > now_s and observed.exit not in (None, ExitReason.PARKED):
        return AgentPhase.BACKOFF
    if mine & _STARTABLE:
        return AgentPhase.QUEUED
    return AgentPhase.ASKING if TaskPhase.ASKING in mine else AgentPhase.WAITING


def orchestration_phase(want: Want, phases: Collection[TaskPhase], *, is_anyone_alive: bool) -> Phase:
    """The phase of a supervised orchestration that has not finished."""
    if want is Want.RUN or is_anyone_alive or not UNFINISHED & set(phases):
        return Phase.RUNNING
    return Phase.PAUSED if want is Want.PAUSE else Phase.STOPPED
