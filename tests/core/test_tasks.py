"""Where tasks stand, by tables."""

from __future__ import annotations

import pytest

from maos_sup.core.tasks import agent_want, merged, ready_tasks, task_phases
from state_layout.records import AgentSpec, OrchestrationSpec, Specs, TaskOutcome, TaskPhase, TaskSpec, Want


def specs(*tasks: TaskSpec) -> Specs:
    agents = {task.agent: AgentSpec(name=task.agent, kind="command") for task in tasks}
    return Specs(
        orchestration=OrchestrationSpec(id="o", request="r"),
        agents=agents,
        tasks={task.id: task for task in tasks},
    )


def task(
    id_: str, *, needs: tuple[str, ...] = (), agent: str = "a", want: Want = Want.RUN, run: int = 1
) -> TaskSpec:
    return TaskSpec(id=id_, agent=agent, needs=needs, want=want, run=run)


def outcome(phase: str, run: int = 1) -> TaskOutcome:
    return TaskOutcome(phase=TaskPhase(phase), run=run)


@pytest.mark.parametrize(
    ("need", "expected"),
    [
        (None, "waiting"),
        ("running", "waiting"),
        ("interrupted", "waiting"),
        ("done", "ready"),
        ("failed", "blocked"),
        ("cancelled", "blocked"),
    ],
)
def test_a_task_waits_for_its_need(need: str | None, expected: str) -> None:
    outcomes = {} if need is None else {"first": outcome(need)}
    assert task_phases(specs(task("second", needs=("first",)), task("first")), outcomes)["second"] == expected


@pytest.mark.parametrize(
    ("want", "recorded", "expected"),
    [
        ("run", None, "ready"),
        ("pause", None, "paused"),
        ("cancel", None, "cancelled"),
        ("skip", None, "skipped"),
        ("cancel", "running", "running"),
        ("cancel", "interrupted", "cancelled"),
        ("cancel", "done", "done"),
        ("skip", "failed", "skipped"),
        ("skip", "done", "done"),
        ("pause", "interrupted", "paused"),
        ("run", "interrupted", "interrupted"),
    ],
)
def test_want_and_outcome_give_the_phase(want: str, recorded: str | None, expected: str) -> None:
    outcomes = {"t": outcome(recorded)} if recorded else {}
    assert task_phases(specs(task("t", want=Want(want))), outcomes)["t"] == expected


def test_a_raised_run_makes_an_outcome_stale() -> None:
    assert task_phases(specs(task("t", run=2)), {"t": outcome("failed", run=1)})["t"] == "ready"


def test_a_skipped_need_is_met_and_a_blocked_one_blocks_on() -> None:
    chain = specs(
        task("a", want=Want.SKIP),
        task("b", needs=("a",)),
        task("c"),
        task("d", needs=("c",)),
        task("e", needs=("d",)),
    )
    phases = task_phases(chain, {"c": outcome("failed")})
    assert phases == {"a": "skipped", "b": "ready", "c": "failed", "d": "blocked", "e": "blocked"}


def test_a_cycle_or_an_unknown_need_waits_for_ever_and_ends_here() -> None:
    assert set(task_phases(specs(task("a", needs=("b",)), task("b", needs=("a",))), {}).values()) == {
        TaskPhase.WAITING
    }
    assert task_phases(specs(task("a", needs=("nowhere",))), {})["a"] == "waiting"


def test_a_chain_of_thousands_is_no_problem() -> None:
    chain = [task(f"t{number}", needs=(f"t{number + 1}",)) for number in range(20_000)]
    assert task_phases(specs(*chain, task("t20000")), {"t20000": outcome("failed")})["t0"] == "blocked"


def test_tasks_begun_come_before_ready_ones() -> None:
    wanted = specs(task("one"), task("two"), task("other", agent="b"))
    found = ready_tasks(wanted, "a", task_phases(wanted, {"two": outcome("interrupted")}))
    assert [each.id for each in found] == ["two", "one"]


def test_a_task_that_asks_is_ready_only_when_answered() -> None:
    asking = task_phases(specs(task("t")), {"t": outcome("asking")})
    assert ready_tasks(specs(task("t")), "a", asking) == []
    assert [each.id for each in ready_tasks(specs(task("t")), "a", asking, answered={"t"})] == ["t"]


def test_the_higher_run_wins_then_the_settled_one() -> None:
    assert merged({"t": outcome("failed", 1)}, {"t": outcome("running", 2)})["t"].phase == "running"
    assert merged({"t": outcome("running", 1)}, {"t": outcome("failed", 1)})["t"].phase == "failed"
    assert merged({"t": outcome("done", 2)}, {"t": outcome("failed", 1)})["t"].phase == "done"


@pytest.mark.parametrize(
    ("orchestration", "agent", "expected"),
    [
        ("run", "run", "run"),
        ("run", "pause", "pause"),
        ("pause", "run", "pause"),
        ("pause", "stop", "stop"),
        ("stop", "run", "stop"),
    ],
)
def test_the_stricter_want_holds(orchestration: str, agent: str, expected: str) -> None:
    whole = OrchestrationSpec(id="o", request="r", want=Want(orchestration))
    assert agent_want(whole, AgentSpec(name="a", kind="command", want=Want(agent))) == expected
