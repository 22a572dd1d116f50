"""The reconciler's decision: Observation and Memory in, Actions out. A table of want x process.

Level-triggered after kopf and s6: it never asks what happened, only what is; run twice on the same values
it answers the same. What needs no look in between is decided ahead: a restart is journaled as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from maos_sup.core.board import SUPERVISOR, Board
from maos_sup.core.liveness import Liveness
from maos_sup.core.memory import is_foreseen, remember
from maos_sup.core.model import (
    Acknowledge,
    Action,
    AgentMemory,
    AgentObserved,
    Delay,
    End,
    EndReason,
    Finish,
    GiveUp,
    Memory,
    Observation,
    Process,
    Seal,
    Submit,
)
from maos_sup.core.phases import resting_phase
from maos_sup.core.restart import judge_death
from maos_sup.core.tasks import BEGUN, UNFINISHED, agent_want, ready_tasks
from state_layout.records import CALM_EXITS, AgentSpec, ExitReason, Phase, Specs, TaskPhase, Want

_HOPELESS = frozenset({ExitReason.DAMAGED})
_PATIENCE_S = 10.0  # who leaves waits this long to learn whether an agent lives, then leaves it alone
_UNDER_WAY = BEGUN | {TaskPhase.ASKING}


def decide_ahead(
    seen: Observation,
    memory: Memory,
    *,
    board: Board | None = None,
    concerned: AbstractSet[str] | None = None,
) -> list[Action]:
    """Decide what to do now, and what follows from that until somebody has to look: to be taken in this
    order.

    A death is sealed, judged and answered by a new start at once, with one sync of the journal. `board` and
    `concerned` as for `decide`.
    """
    actions: list[Action] = []
    board = board_of(seen, memory) if board is None else board
    while more := decide(seen, memory, board=board, concerned=concerned):
        actions += more
        if not all(is_foreseen(action) for action in more):
            break
        for action in more:
            memory = remember(memory, action, now_s=seen.now_s)
    return actions


def decide(
    seen: Observation,
    memory: Memory,
    *,
    board: Board | None = None,
    concerned: AbstractSet[str] | None = None,
) -> list[Action]:
    """Decide what to do now. Deaths are dealt with before anything is started.

    `board`: where the tasks stand by what is seen and remembered, where that is known. `concerned`: the only
    agents of whom something may have changed since nothing was left to do; None: look at all.
    """
    board = board_of(seen, memory) if board is None else board
    names = seen.agents if concerned is None else [name for name in seen.agents if name in concerned]
    deaths = [action for name in names for action in _death(seen, memory, name, board)]
    if deaths:
        return deaths
    stopping = seen.leaving or _stops_for_failure(board)
    actions: list[Action] = []
    free_slots = seen.specs.orchestration.limits.max_agents - _busy(seen)
    for name, spec in seen.specs.agents.items():
        if concerned is not None and name not in concerned:
            continue
        want = Want.STOP if stopping else agent_want(seen.specs.orchestration, spec)
        observed = seen.agents.get(name) or AgentObserved(process=Process.GONE)
        rule = _RULES[want, observed.process]
        if rule is _begin and free_slots <= 0:
            continue
        action = rule(seen, memory, spec, board)
        if action is not None:
            free_slots -= isinstance(action, Submit)
            actions.append(action)
    if not actions and (phase := final_phase(seen, memory, board)) is not None:
        return [Finish(phase=phase)]
    return actions


def board_of(seen: Observation, memory: Memory) -> Board:
    """Find from nothing where the tasks stand by what is seen and remembered."""
    sources = {name: observed.outcomes for name, observed in seen.agents.items()}
    return Board(seen.specs, {**sources, SUPERVISOR: memory.outcomes})


def missing_attempt(observed: AgentObserved, known: AgentMemory) -> int:
    """Find the last attempt that was there and is not any more; 0: none is missing.

    To begin again at a lower number would do again what is done: a person has to say what to do.
    """
    highest = max(observed.highest_attempt, known.handled)
    return highest if observed.last_attempt < highest else 0


def final_phase(seen: Observation, memory: Memory, board: Board | None = None) -> Phase | None:
    """The phase an orchestration ends in, or None while there is work or a process."""
    if _busy(seen):
        return None
    if seen.leaving:
        return Phase.INTERRUPTED
    board = board_of(seen, memory) if board is None else board
    if board.count(*UNFINISHED) and not _stops_for_failure(board) and not _is_stop_wanted(seen.specs):
        return None  # as `resting_phase` would say, which looks at every task
    return resting_phase(seen.specs, board.phases)


def lingerers(
    seen: Observation, memory: Memory, board: Board, *, staying: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Find whom to call of those who stay though nothing was ready, and whom to ask to give way.

    Called is who has a task now. Those give way whose tasks wait for nothing that can come, and as many as
    there are slots too few for others: who has no task before who has, else in the order of `staying`.
    """
    if not staying or seen.leaving or _stops_for_failure(board):
        return [], []
    ready = {name for name in staying if board.first(name, answered=seen.agents[name].answered) is not None}
    vain = [name for name in staying if name not in ready and TaskPhase.WAITING not in board.phases_of(name)]
    lacking = _busy(seen) - seen.specs.orchestration.limits.max_agents
    if lacking + sum(observed.process is Process.GONE for observed in seen.agents.values()) > 0:
        lacking += sum(_is_held_up(seen, memory, spec, board) for spec in seen.specs.agents.values())
    others = sorted((name for name in staying if name not in vain), key=ready.__contains__)
    leaving = [*vain, *others[: max(0, lacking - len(vain))]]
    return [name for name in others if name in ready and name not in leaving], leaving


def _is_held_up(seen: Observation, memory: Memory, spec: AgentSpec, board: Board) -> bool:
    """It would be started if there was a slot."""
    observed = seen.agents.get(spec.name) or AgentObserved(process=Process.GONE)
    rule = _RULES[agent_want(seen.specs.orchestration, spec), observed.process]
    return rule is _begin and _begin(seen, memory, spec, board) is not None


def _stops_for_failure(board: Board) -> bool:
    limits = board.specs.orchestration.limits
    return limits.on_failure == "stop" and board.count(TaskPhase.FAILED) > 0


def _is_stop_wanted(specs: Specs) -> bool:
    """Somebody is to stop."""
    return specs.orchestration.want is Want.STOP or any(
        spec.want is Want.STOP for spec in specs.agents.values()
    )


def _busy(seen: Observation) -> int:
    """Count the agents that have a process, or may have one."""
    return sum(
        observed.process is Process.ALIVE
        or (observed.process is Process.UNKNOWN and not (seen.leaving and observed.unknown_s > _PATIENCE_S))
        for observed in seen.agents.values()
    )


def _death(seen: Observation, memory: Memory, name: str, board: Board) -> list[Action]:
    """Decide what follows from an end: that it is written down, if nobody did, and what was not dealt with
    yet."""
    observed, known = seen.agents[name], memory.of(name)
    if missing_attempt(observed, known):
        return []
    if observed.process is not Process.GONE or not seen.has_room:
        return []  # on a full disk its end can neither be written down nor followed by a start
    ended, actions = observed.last_attempt, list[Action]()
    if ended > known.sealed and observed.exit is None:
        told = observed.ended and observed.ended_attempt == ended
        detail = _ending_text(observed, ExitReason.LOST) if told else None
        actions.append(Seal(agent=name, attempt=ended, detail=detail))
    if ended > known.handled or known.submitted:
        actions.append(_judged(seen, memory, name, board))
    return actions


def _judged(seen: Observation, memory: Memory, name: str, board: Board) -> Action:
    observed, known = seen.agents[name], memory.of(name)
    ended, has_begun = observed.last_attempt, observed.last_attempt > known.handled
    reason = observed.exit if has_begun and observed.exit else ExitReason.LOST
    if reason in CALM_EXITS or reason is ExitReason.DISK_FULL or known.ending is EndReason.STOP:
        return Acknowledge(agent=name, attempt=ended, reason=reason)
    unbegun = observed.error or f"attempt {known.submitted} died before it began"
    if not observed.error and observed.ended and observed.ended_attempt == known.submitted:
        unbegun = f"{unbegun}: {observed.ended}"
    text = _ending_text(observed, reason) if has_begun else unbegun
    spec = seen.specs.agents.get(name)
    if spec is None:
        return Acknowledge(agent=name, attempt=ended, reason=reason)
    ages = tuple(seen.now_s - moment for moment in known.restarted_s)
    gains = known.gains if observed.gains is None else observed.gains
    fruitless = 0 if observed.gains is None or gains > known.gains else known.fruitless + 1
    verdict = judge_death(spec.restart, ages, chance=seen.chance, fruitless=fruitless)
    if verdict.is_fruitless:
        text = f"{text}; it died {fruitless} times in a row without progress"
    if verdict.gives_up or reason in _HOPELESS:
        tasks = _tasks_to_fail(seen, name, board.phases)
        return GiveUp(agent=name, attempt=ended, reason=text, tasks=tasks)
    return Delay(
        agent=name,
        attempt=ended,
        reason=text,
        delay_s=verdict.delay_s,
        ages_s=verdict.ages_s,
        fruitless=fruitless,
        gains=gains,
    )


def _ending_text(observed: AgentObserved, reason: ExitReason) -> str:
    """Say how its last attempt ended: in its own words, else in those of who placed it."""
    if observed.detail:
        return observed.detail
    if reason is ExitReason.LOST and observed.ended and observed.ended_attempt == observed.last_attempt:
        return f"attempt {observed.last_attempt} died: {observed.ended}"
    return f"attempt {observed.last_attempt} {_ENDINGS[reason]}"


_ENDINGS = {
    ExitReason.LOST: "died without a word",
    ExitReason.FAILED: "failed",
    ExitReason.POISONED: "lost a write: the disk refused a sync",
    ExitReason.DAMAGED: "found its records corrupt",
}


def _tasks_to_fail(seen: Observation, agent: str, phases: Mapping[str, TaskPhase]) -> dict[str, int]:
    """Find the task that was under way; if none was, every task that was ready: the agent cannot even
    start."""
    ready = ready_tasks(seen.specs, agent, phases, answered=seen.agents[agent].answered)
    begun = [task for task in ready if phases[task.id] in _UNDER_WAY]
    return {task.id: task.run for task in begun or ready}


def _begin(seen: Observation, memory: Memory, spec: AgentSpec, board: Board) -> Action | None:
    observed = seen.agents.get(spec.name) or AgentObserved(process=Process.GONE)
    known = memory.of(spec.name)
    if seen.now_s < known.not_before_s or not seen.has_room or missing_attempt(observed, known):
        return None
    if board.first(spec.name, answered=observed.answered) is None:
        return None
    return Submit(agent=spec.name, attempt=observed.last_attempt + 1)


def _watch(seen: Observation, memory: Memory, spec: AgentSpec, board: Board) -> Action | None:
    if seen.agents[spec.name].liveness is Liveness.HUNG and not memory.of(spec.name).ending:
        limits = spec.limits_in_force(seen.specs.orchestration.limits)
        return End(
            agent=spec.name, ending=EndReason.HUNG, reason=f"no beat for {limits.hang_s:g} s", grace_s=0.0
        )
    return None


def _end(seen: Observation, memory: Memory, spec: AgentSpec, board: Board) -> Action | None:
    if memory.of(spec.name).ending is EndReason.STOP:
        return None
    limits = spec.limits_in_force(seen.specs.orchestration.limits)
    return End(agent=spec.name, ending=EndReason.STOP, reason="stop is wanted", grace_s=limits.stop_grace_s)


def _no_action(seen: Observation, memory: Memory, spec: AgentSpec, board: Board) -> Action | None:
    return None


_Rule = Callable[[Observation, Memory, AgentSpec, Board], Action | None]
_RULES: dict[tuple[Want, Process], _Rule] = {
    (Want.RUN, Process.GONE): _begin,
    (Want.RUN, Process.ALIVE): _watch,
    (Want.RUN, Process.UNKNOWN): _no_action,
    (Want.PAUSE, Process.GONE): _no_action,
    (Want.PAUSE, Process.ALIVE): _watch,  # it pauses by itself, at a safe point
    (Want.PAUSE, Process.UNKNOWN): _no_action,
    (Want.STOP, Process.GONE): _no_action,
    (Want.STOP, Process.ALIVE): _end,
    (Want.STOP, Process.UNKNOWN): _no_action,
}
