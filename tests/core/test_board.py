"""The board knows what `core.tasks` would find from nothing, after whatever was told in whatever order."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maos_sup.core.board import Board
from maos_sup.core.tasks import merged, ready_tasks, task_phases
from state_layout.records import OrchestrationSpec, Specs, TaskOutcome, TaskPhase, TaskSpec, Want

AGENTS = ("a", "b", "c")
RECORDED = (
    TaskPhase.RUNNING,
    TaskPhase.ASKING,
    TaskPhase.INTERRUPTED,
    TaskPhase.DONE,
    TaskPhase.FAILED,
    TaskPhase.CANCELLED,
)


def task(
    name: str, *, agent: str = "a", needs: tuple[str, ...] = (), want: Want = Want.RUN, run: int = 1
) -> TaskSpec:
    return TaskSpec(id=name, agent=agent, needs=needs, want=want, run=run)


def specs(*tasks: TaskSpec) -> Specs:
    return Specs(
        orchestration=OrchestrationSpec(id="x", request="x"),
        agents={},
        tasks={each.id: each for each in tasks},
    )


def outcome(phase: str, run: int = 1) -> TaskOutcome:
    return TaskOutcome(phase=TaskPhase(phase), run=run)


def assert_is_right(board: Board, sources: dict[str, dict[str, TaskOutcome]]) -> None:
    """All that a board answers is what follows from the sources."""
    newest = merged(*(sources[source] for source in sorted(sources, key=lambda each: (each == "", each))))
    phases = task_phases(board.specs, newest)
    assert board.phases == phases
    for phase in TaskPhase:
        assert board.count(phase) == sum(each is phase for each in phases.values())
    for phase in (TaskPhase.RUNNING, TaskPhase.INTERRUPTED, TaskPhase.ASKING, TaskPhase.FAILED):
        assert {*board.among(phase)} == {name for name, each in phases.items() if each is phase}
    for agent in AGENTS:
        mine = {name for name, each in board.specs.tasks.items() if each.agent == agent}
        assert {*board.phases_of(agent)} == {phases[name] for name in mine}
        for answered in ((), ("t1", "t3", "t5")):
            ready = ready_tasks(board.specs, agent, phases, answered=answered)
            assert board.first(agent, answered=answered) == (ready[0] if ready else None)


@settings(deadline=None)
@given(seed=st.integers(0, 1 << 30))
@example(seed=117524)  # a task that goes and comes back on the way
def test_board_is_what_would_be_found_from_nothing(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"t{n}" for n in range(chance.randint(1, 12))]
    wants = [Want.RUN] * 6 + [Want.PAUSE, Want.CANCEL, Want.SKIP]
    wanted = [
        task(
            name,
            agent=chance.choice(AGENTS),
            needs=tuple(chance.sample(names[:n], min(n, chance.randint(0, 3))))
            + ("nowhere",) * (chance.random() < 0.05),
            want=chance.choice(wants),
            run=chance.choice((1, 1, 2)),
        )
        for n, name in enumerate(names)
    ]
    chance.shuffle(wanted)
    sources = dict[str, dict[str, TaskOutcome]]()
    board = Board(specs(*wanted))
    for _ in range(chance.randint(1, 25)):
        source = chance.choice((*AGENTS, ""))
        told = dict(sources.get(source, {}))
        for name in chance.sample(names, chance.randint(0, min(3, len(names)))):
            if chance.random() < 0.2:
                told.pop(name, None)
            else:
                told[name] = outcome(chance.choice(RECORDED), chance.choice((1, 1, 2)))
        before = dict(board.phases)
        sources[source] = told
        moved = board.take(source, told)
        assert moved == {name for name in names if board.phases[name] is not before[name]}
        assert_is_right(board, sources)
    assert not board.correct()
    assert_is_right(Board(specs(*wanted), sources), sources)


def test_full_look_corrects_a_board_that_is_wrong() -> None:
    board = Board(specs(task("t0"), task("t1", needs=("t0",), agent="b")))
    board.take("a", {"t0": outcome("done")})
    board.phases["t1"] = TaskPhase.DONE  # as if a change had been overlooked
    board._unmet["t1"] = 7
    assert board.first("b") is None
    assert board.correct()
    found = board.first("b")
    assert found is not None and found.id == "t1"
    assert not board.correct()


@pytest.mark.parametrize("width", [10, 1000])
def test_an_end_costs_its_dependents_and_not_all_tasks(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain beside many others: how many phases are found again for each end of a task."""
    from maos_sup.core import board as module

    found = 0

    def count(wanted: TaskSpec, known: TaskOutcome | None) -> TaskPhase | None:
        nonlocal found
        found += 1
        return really(wanted, known)

    really = module.phase_by_itself
    chain = [task(f"c{n}", needs=(f"c{n - 1}",) if n else ()) for n in range(50)]
    many = [task(f"t{n}", agent="b") for n in range(width)]
    last = task("last", agent="c", needs=tuple(each.id for each in many))
    board = Board(specs(*chain, *many, last))
    monkeypatch.setattr(module, "phase_by_itself", count)
    told: dict[str, TaskOutcome] = {}
    for each in [*chain, *many]:
        told = {**told, each.id: outcome("done")}
        board.take("a", told)
    assert board.phases["last"] is TaskPhase.READY
    assert found <= 2 * (len(chain) + width) + 1


def test_same_words_again_cost_nothing() -> None:
    told = {"t0": outcome("done")}
    board = Board(specs(task("t0")))
    assert board.take("a", told) == {"t0"}
    assert board.take("a", told) == board.take("a", dict(told)) == set()


def test_what_a_source_does_not_say_any_more_is_not_so() -> None:
    """A snapshot that was lost, an agent whose last attempts vanished."""
    board = Board(specs(task("t0"), task("t1", needs=("t0",))))
    assert board.take("a", {"t0": outcome("done")}) == {"t0", "t1"}
    assert board.take("a", {}) == {"t0", "t1"}
    assert (board.phases["t0"], board.phases["t1"]) == (TaskPhase.READY, TaskPhase.WAITING)
