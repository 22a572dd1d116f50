"""What a supervisor keeps from look to look, and that a general look puts right whatever of it is wrong."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from maos_sup.core.decide import decide
from maos_sup.core.model import Action, AgentObserved, Finish, Memory, Observation, Process, Submit
from maos_sup.supervisor import turns as module
from maos_sup.supervisor.turns import Turns
from state_layout.records import (
    AgentSpec,
    Limits,
    OrchestrationSpec,
    Phase,
    Specs,
    TaskOutcome,
    TaskPhase,
    TaskSpec,
)

DONE = TaskOutcome(phase=TaskPhase.DONE)
GONE, ALIVE = Process.GONE, Process.ALIVE
MEMORY = Memory()


def chain(length: int, *, max_agents: int = 16) -> Specs:
    """Task and agent n need those before them."""
    return Specs(
        orchestration=OrchestrationSpec(id="x", request="x", limits=Limits(max_agents=max_agents)),
        agents={f"a{n}": AgentSpec(name=f"a{n}", kind="command") for n in range(length)},
        tasks={
            f"t{n}": TaskSpec(id=f"t{n}", agent=f"a{n}", needs=(f"t{n - 1}",) if n else ())
            for n in range(length)
        },
    )


def observed(specs: Specs, **more: AgentObserved) -> dict[str, AgentObserved]:
    return {name: more.get(name, _NOBODY) for name in specs.agents}


_NOBODY = AgentObserved(process=GONE)


def look(
    turns: Turns, specs: Specs, agents: Mapping[str, AgentObserved], *, is_general: bool
) -> list[Action]:
    """One round; what is decided. If that is nothing, it was settled."""
    seen = Observation(specs=specs, agents=agents, now_s=100.0, chance=0.5)
    turns.take(seen, MEMORY, is_general=is_general)
    actions = decide(seen, MEMORY, board=turns.board, concerned=turns.concerned)
    if not actions:
        turns.settle()
    return actions


def begun(turns: Turns, specs: Specs) -> dict[str, AgentObserved]:
    """The first agent lives, and nothing is left to do."""
    agents = observed(specs)
    assert look(turns, specs, agents, is_general=True) == [Submit(agent="a0", attempt=1)]
    agents = observed(specs, a0=AgentObserved(process=ALIVE, last_attempt=1))
    assert look(turns, specs, agents, is_general=False) == []
    assert turns.concerned == frozenset()
    return agents


def test_end_of_a_task_concerns_those_whose_task_is_ready_now() -> None:
    specs, turns = chain(5), Turns()
    agents = begun(turns, specs)
    after = {**agents, "a0": AgentObserved(process=ALIVE, last_attempt=1, outcomes={"t0": DONE})}
    assert look(turns, specs, after, is_general=False) == [Submit(agent="a1", attempt=1)]
    assert turns.concerned == {"a0", "a1"}


def test_same_observation_concerns_nobody() -> None:
    specs, turns = chain(3), Turns()
    agents = begun(turns, specs)
    assert look(turns, specs, agents, is_general=False) == []
    assert turns.changed == set() and turns.concerned == frozenset()


def test_who_waits_for_a_slot_is_decided_on_when_one_is_free() -> None:
    specs = chain(3, max_agents=1)
    specs = Specs(
        orchestration=specs.orchestration,
        agents=specs.agents,
        tasks={name: TaskSpec(id=name, agent=task.agent) for name, task in specs.tasks.items()},
    )
    turns = Turns()
    agents = begun(turns, specs)
    assert turns.waits("a1") and turns.waits("a2") and not turns.waits("a0")
    over = AgentObserved(process=GONE, outcomes={"t0": DONE})
    assert look(turns, specs, {**agents, "a0": over}, is_general=False) == [Submit(agent="a1", attempt=1)]


def test_general_look_decides_on_who_was_forgotten() -> None:
    """An index that lacks somebody costs the time until the next general look."""
    specs, turns = chain(3), Turns()
    agents = begun(turns, specs)
    after = {**agents, "a0": AgentObserved(process=ALIVE, last_attempt=1, outcomes={"t0": DONE})}
    turns._seen = after  # as if the news had been taken already
    turns.board.take("a0", after["a0"].outcomes)
    assert look(turns, specs, after, is_general=False) == []
    assert look(turns, specs, after, is_general=True) == [Submit(agent="a1", attempt=1)]


def test_general_look_finds_wrong_phases_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    specs, turns = chain(3), Turns()
    agents = begun(turns, specs)
    monkeypatch.setattr(module, "CORRECT_EVERY_S", 0.0)
    turns._correct_s = 0.0
    turns.board._unmet["t1"] = 5  # a stale count: the end of its need would not make it ready
    after = {**agents, "a0": AgentObserved(process=ALIVE, last_attempt=1, outcomes={"t0": DONE})}
    assert look(turns, specs, after, is_general=False) == []
    assert look(turns, specs, after, is_general=True) == [Submit(agent="a1", attempt=1)]
    assert "found again" in capsys.readouterr().err


def test_nothing_is_finished_by_a_board_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    specs, turns = chain(2), Turns()
    begun(turns, specs)
    turns.board.newest["t1"] = DONE  # nobody said that
    after = observed(specs, a0=AgentObserved(process=GONE, outcomes={"t0": DONE}))
    turns.board._leave(specs.tasks["t1"], turns.board.phases["t1"])
    turns.board.phases["t1"] = TaskPhase.DONE
    turns.board._enter(specs.tasks["t1"], TaskPhase.DONE)
    assert look(turns, specs, after, is_general=False) == [Finish(phase=Phase.DONE)]
    assert turns.correct()
    assert look(turns, specs, after, is_general=False) == [Submit(agent="a1", attempt=1)]
    assert "found again" in capsys.readouterr().err


def test_other_specs_make_another_board() -> None:
    specs, turns = chain(3), Turns()
    agents = begun(turns, specs)
    tasks = {**specs.tasks, "t1": TaskSpec(id="t1", agent="a1")}
    edited = Specs(orchestration=specs.orchestration, agents=specs.agents, tasks=tasks)
    assert look(turns, edited, agents, is_general=False) == [Submit(agent="a1", attempt=1)]
