"""Says where each task stands, from what is wanted and what was recorded. The one place that says "ready".

Agents, the supervisor and every viewer ask here, so they never disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from state_layout.records import (
    SETTLED,
    AgentSpec,
    OrchestrationSpec,
    Specs,
    TaskOutcome,
    TaskPhase,
    TaskSpec,
    Want,
)

OVER = frozenset({TaskPhase.FAILED, TaskPhase.CANCELLED, TaskPhase.BLOCKED})
MET = frozenset({TaskPhase.DONE, TaskPhase.SKIPPED})
_WANTED = {Want.CANCEL: TaskPhase.CANCELLED, Want.SKIP: TaskPhase.SKIPPED, Want.PAUSE: TaskPhase.PAUSED}
BEGUN = frozenset({TaskPhase.RUNNING, TaskPhase.INTERRUPTED})
_UNDER_WAY = BEGUN | {TaskPhase.ASKING}
UNFINISHED = frozenset(TaskPhase) - OVER - MET


def task_phases(specs: Specs, outcomes: Mapping[str, TaskOutcome]) -> dict[str, TaskPhase]:
    """Find the phase of every task; `outcomes` are the newest recorded ones. Cycles and unknown needs
    wait."""
    phases: dict[str, TaskPhase] = {}
    for task in _needs_first(specs.tasks):
        phases[task.id] = _phase(task, outcomes.get(task.id), phases)
    return {name: phases[name] for name in specs.tasks}


def ready_tasks(
    specs: Specs, agent: str, phases: Mapping[str, TaskPhase], *, answered: Collection[str] = ()
) -> list[TaskSpec]:
    """The tasks `agent` may work on now, those begun already first, then in the order declared.

    A task that asks is among them only if it is in `answered` (ids of tasks whose question has an answer).
    """
    mine = [task for task in specs.tasks.values() if task.agent == agent]
    heard = {task.id for task in mine if task.id in answered and phases[task.id] is TaskPhase.ASKING}
    begun = [task for task in mine if phases[task.id] in BEGUN or task.id in heard]
    return begun + [task for task in mine if phases[task.id] is TaskPhase.READY]


def agent_want(orchestration: OrchestrationSpec, agent: AgentSpec) -> Want:
    """Decide what an agent is to do: the stricter of its own `want` and the orchestration's."""
    return max(orchestration.want, agent.want, key=[Want.RUN, Want.PAUSE, Want.STOP].index)


def merged(*sources: Mapping[str, TaskOutcome]) -> dict[str, TaskOutcome]:
    """Merge several sources of outcomes (agents, supervisor): the higher run wins, then the settled one."""
    whole: dict[str, TaskOutcome] = {}
    for source in sources:
        for task, outcome in source.items():
            known = whole.get(task)
            if known is None or is_newer(outcome, known):
                whole[task] = outcome
    return whole


def is_newer(outcome: TaskOutcome, known: TaskOutcome) -> bool:
    """The `outcome` counts, of two that are recorded of one task."""
    return _weight(outcome) > _weight(known)


def _weight(outcome: TaskOutcome) -> tuple[int, bool]:
    return outcome.run, outcome.phase in SETTLED


def phase_by_itself(task: TaskSpec, outcome: TaskOutcome | None) -> TaskPhase | None:
    """Find the phase of `task` by what is recorded of it and wanted; None where its needs decide."""
    if outcome is not None and outcome.run >= task.run and outcome.phase in SETTLED:
        return (
            TaskPhase.SKIPPED
            if task.want is Want.SKIP and outcome.phase is not TaskPhase.DONE
            else outcome.phase
        )
    under_way = outcome is not None and outcome.run >= task.run and outcome.phase in _UNDER_WAY
    if task.want in _WANTED:
        is_ending = under_way and outcome is not None and outcome.phase is TaskPhase.RUNNING
        return TaskPhase.RUNNING if is_ending else _WANTED[task.want]
    return outcome.phase if under_way and outcome is not None else None


def phase_by_needs(*, is_any_over: bool, are_all_met: bool) -> TaskPhase:
    """The phase of a task on which nobody has begun, by its needs."""
    if is_any_over:
        return TaskPhase.BLOCKED
    return TaskPhase.READY if are_all_met else TaskPhase.WAITING


def _phase(task: TaskSpec, outcome: TaskOutcome | None, known: Mapping[str, TaskPhase]) -> TaskPhase:
    if (phase := phase_by_itself(task, outcome)) is not None:
        return phase
    is_any_over, are_all_met = needs_of(task, known)
    return phase_by_needs(is_any_over=is_any_over, are_all_met=are_all_met)


def needs_of(task: TaskSpec, known: Mapping[str, TaskPhase]) -> tuple[bool, bool]:
    """Say whether the needs of `task` can be met no more, and whether they are; `known` are the phases by
    now."""
    needs = {known.get(need, TaskPhase.WAITING) for need in task.needs if need not in task.any_of}
    is_any_over, are_all_met = not needs.isdisjoint(OVER), needs <= MET
    if task.any_of:
        free = {known.get(need, TaskPhase.WAITING) for need in task.any_of}
        has_ended, is_one_met = free <= OVER | MET, not free.isdisjoint(MET)
        return is_any_over or (has_ended and not is_one_met), are_all_met and has_ended and is_one_met
    return is_any_over, are_all_met


def has_failed(specs: Specs, phases: Mapping[str, TaskPhase]) -> bool:
    """A task failed that counts: an attempt that failed does not, unless nothing came of all."""
    return any(
        phase is TaskPhase.FAILED
        and ((of := specs.tasks[task].settings.get("attempt_of")) is None or phases.get(of) in OVER)
        for task, phase in phases.items()
    )


def _needs_first(tasks: Mapping[str, TaskSpec]) -> list[TaskSpec]:
    """Every task after those it needs; without recursion, so a chain of thousands is no problem."""
    ordered: list[TaskSpec] = []
    begun: set[str] = set()
    done: set[str] = set()
    for start in tasks:
        stack = [start]
        while stack:
            name = stack[-1]
            if name in done or name not in tasks:
                stack.pop()
                continue
            later = [] if name in begun else [need for need in tasks[name].needs if need not in begun]
            begun.add(name)
            if later:
                stack.extend(later)
                continue
            done.add(name)
            ordered.append(tasks[stack.pop()])
    return ordered
