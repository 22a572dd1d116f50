"""Whom to call, and who gives way, of agents that stay though nothing is ready."""

from __future__ import annotations

import pytest

from maos_sup.core.decide import board_of, lingerers
from maos_sup.core.model import AgentObserved, Memory, Observation, Process
from state_layout.records import (
    AgentSpec,
    Limits,
    OrchestrationSpec,
    Specs,
    TaskOutcome,
    TaskPhase,
    TaskSpec,
    Want,
)

STAYS = AgentObserved(process=Process.ALIVE, last_attempt=1, lingers=7)
BUSY = AgentObserved(process=Process.ALIVE, last_attempt=1)
GONE = AgentObserved(process=Process.GONE)
TASKS = {
    "hub": TaskSpec(id="hub", agent="hub"),
    "a": TaskSpec(id="a", agent="a", needs=("hub",)),
    "b": TaskSpec(id="b", agent="b", needs=("a",)),
    "free": TaskSpec(id="free", agent="free"),
}


def told(
    *,
    hub: TaskPhase = TaskPhase.RUNNING,
    free: AgentObserved = BUSY,
    slots: int = 4,
    want: Want = Want.RUN,
    on_failure: str = "continue",
    leaving: bool = False,
) -> tuple[list[str], list[str]]:
    """Who is called and who gives way where a waits for the hub's task, and b for a's."""
    limits = Limits(max_agents=slots, on_failure=on_failure)
    specs = Specs(
        orchestration=OrchestrationSpec(id="o", request="r", limits=limits, want=want),
        agents={name: AgentSpec(name=name, kind="command") for name in ("a", "b", "free", "hub")},
        tasks=TASKS,
    )
    done = {"hub": TaskOutcome(phase=hub)}
    agents = {
        "a": STAYS,
        "b": STAYS,
        "free": free,
        "hub": AgentObserved(process=Process.ALIVE, last_attempt=1, outcomes=done),
    }
    seen = Observation(specs=specs, agents=agents, now_s=100.0, chance=1.0, leaving=leaving)
    memory = Memory()
    return lingerers(seen, memory, board_of(seen, memory), staying=["b", "a"])


def test_nobody_is_told_anything_while_needs_are_under_way() -> None:
    assert told() == ([], [])


def test_who_has_a_task_is_called() -> None:
    assert told(hub=TaskPhase.DONE) == (["a"], [])


def test_who_waits_in_vain_ends_however_far_the_failure_is() -> None:
    assert told(hub=TaskPhase.FAILED) == ([], ["b", "a"])


@pytest.mark.parametrize(("slots", "leaving"), [(4, []), (3, ["b"]), (2, ["b", "a"])])
def test_as_many_give_way_as_slots_are_lacking(slots: int, leaving: list[str]) -> None:
    assert told(free=GONE, slots=slots) == ([], leaving)


def test_who_has_a_task_gives_way_last_and_does_still() -> None:
    assert told(hub=TaskPhase.DONE, free=GONE, slots=3) == (["a"], ["b"])
    assert told(hub=TaskPhase.DONE, free=GONE, slots=2) == ([], ["b", "a"])


def test_fewer_slots_than_before_are_kept_to() -> None:
    assert told(slots=3) == ([], ["b"])


def test_nobody_gives_way_to_whom_is_not_to_run() -> None:
    assert told(free=GONE, slots=2, want=Want.PAUSE) == ([], ["b"])  # for the slots alone
    assert told(free=GONE, slots=3, want=Want.PAUSE) == ([], [])


def test_where_all_end_nobody_is_told_more() -> None:
    assert told(leaving=True, free=GONE, slots=1) == ([], [])
    assert told(hub=TaskPhase.FAILED, on_failure="stop") == ([], [])
