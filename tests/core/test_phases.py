"""Supervisor and viewers say the same phase of every state there can be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from maos_sup.core.decide import board_of, final_phase
from maos_sup.core.model import AgentObserved, Memory, Observation, Process
from maos_sup.core.phases import orchestration_phase
from maos_sup.core.tasks import task_phases
from maos_sup.supervisor.publish import snapshot
from state_layout.records import (
    AgentSpec,
    Limits,
    OrchestrationSpec,
    Phase,
    Specs,
    TaskOutcome,
    TaskPhase,
    TaskSpec,
    Want,
)

RECORDED = (
    None,
    TaskPhase.RUNNING,
    TaskPhase.INTERRUPTED,
    TaskPhase.ASKING,
    TaskPhase.DONE,
    TaskPhase.FAILED,
)
WANTS = (Want.RUN, Want.PAUSE, Want.STOP)
GONE, ALIVE = Process.GONE, Process.ALIVE


def observation(
    want: Want,
    on_failure: str,
    agent_wants: tuple[Want, ...],
    recorded: tuple[TaskPhase | None, ...],
    *,
    needs: tuple[str, ...] = (),
    process: Process = GONE,
) -> Observation:
    """Agents a and b with a task each; b's has `needs`."""
    limits = Limits(on_failure=on_failure)  # type: ignore[arg-type]  # one of two words
    specs = Specs(
        orchestration=OrchestrationSpec(id="o", request="r", want=want, limits=limits),
        agents={
            name: AgentSpec(name=name, kind="command", want=wanted)
            for name, wanted in zip("ab", agent_wants, strict=True)
        },
        tasks={
            name: TaskSpec(id=name, agent=name, needs=list(needs) if name == "b" else []) for name in "ab"
        },
    )
    agents = {
        name: AgentObserved(
            process=process,
            last_attempt=1,
            outcomes={} if phase is None else {name: TaskOutcome(phase=phase, run=1)},
        )
        for name, phase in zip("ab", recorded, strict=True)
    }
    return Observation(specs=specs, agents=agents, now_s=0.0, chance=0.5)


def states() -> Iterator[Observation]:
    for want, on_failure, agent_wants, recorded, needs, process in product(
        WANTS,
        ("continue", "stop"),
        product(WANTS, repeat=2),
        product(RECORDED, repeat=2),
        ((), ("a",)),
        (GONE, ALIVE),
    ):
        yield observation(want, on_failure, agent_wants, recorded, needs=needs, process=process)


def shown(seen: Observation, *, is_supervised: bool) -> Phase:
    """Give the phase that a viewer says."""
    outcomes = {task: outcome for each in seen.agents.values() for task, outcome in each.outcomes.items()}
    is_anyone_alive = any(each.process is not GONE for each in seen.agents.values())
    phases = task_phases(seen.specs, outcomes)
    return orchestration_phase(
        seen.specs, phases, is_anyone_alive=is_anyone_alive, is_supervised=is_supervised
    )


def test_viewers_say_of_each_state_what_the_supervisor_said_or_that_it_is_gone() -> None:
    count = 0
    for seen in states():
        count += 1
        final = final_phase(seen, Memory())
        unsupervised = shown(seen, is_supervised=False)
        published = snapshot(seen, Memory(), board_of(seen, Memory()), final=final)["phase"]
        assert published == shown(seen, is_supervised=True), seen
        if final is not None:
            assert unsupervised is final, seen
        elif seen.agents["a"].process is ALIVE:
            assert unsupervised is Phase.RUNNING, seen
        else:
            assert unsupervised in (Phase.PAUSED, Phase.INTERRUPTED), seen
    assert count == 3 * 2 * 9 * 36 * 2 * 2


@pytest.mark.parametrize("want", WANTS)
@pytest.mark.parametrize("agent_want", WANTS)
def test_a_failure_that_stops_everything_stays_one_whatever_is_wanted_then(
    want: Want, agent_want: Want
) -> None:
    seen = observation(want, "stop", (agent_want, agent_want), (TaskPhase.FAILED, TaskPhase.INTERRUPTED))
    assert final_phase(seen, Memory()) is Phase.FAILED


def test_a_stop_before_any_failure_is_a_stop() -> None:
    seen = observation(Want.STOP, "stop", (Want.RUN, Want.RUN), (TaskPhase.DONE, TaskPhase.INTERRUPTED))
    assert final_phase(seen, Memory()) is Phase.STOPPED
