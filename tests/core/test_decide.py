"""The reconciler's table, one row at a time, and whole lives in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from maos_sup.core.decide import decide, decide_ahead
from maos_sup.core.liveness import Liveness, Watch, liveness, look
from maos_sup.core.memory import (
    forget_what_was_asked,
    from_record,
    memory_from_json,
    memory_to_json,
    remember,
    to_record,
)
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
from maos_sup.core.restart import judge_death
from state_layout.records import (
    AgentSpec,
    ExitReason,
    Limits,
    OrchestrationSpec,
    Phase,
    Restart,
    Specs,
    TaskOutcome,
    TaskPhase,
    TaskSpec,
    Want,
)

GONE, ALIVE, UNKNOWN = Process.GONE, Process.ALIVE, Process.UNKNOWN


def observation(
    agents: Mapping[str, AgentObserved],
    *,
    want: Want = Want.RUN,
    limits: Limits | None = None,
    now_s: float = 100.0,
    **agent_wants: Want,
) -> Observation:
    """Each agent has one task of its name."""
    specs = Specs(
        orchestration=OrchestrationSpec(id="o", request="r", want=want, limits=limits or Limits()),
        agents={
            name: AgentSpec(name=name, kind="command", want=agent_wants.get(name, Want.RUN))
            for name in agents
        },
        tasks={name: TaskSpec(id=name, agent=name) for name in agents},
    )
    return Observation(specs=specs, agents=agents, now_s=now_s, chance=1.0)


def seen(process: Process = GONE, **more: object) -> AgentObserved:
    return AgentObserved(process=process, **more)  # type: ignore[arg-type]  # free fields of one record


def outcome(phase: TaskPhase) -> dict[str, TaskOutcome]:
    return {"a": TaskOutcome(phase=phase)}


@pytest.mark.parametrize(
    ("want", "process", "expected"),
    [
        (Want.RUN, GONE, [Submit(agent="a", attempt=1)]),
        (Want.RUN, ALIVE, []),
        (Want.RUN, UNKNOWN, []),
        (Want.PAUSE, GONE, []),
        (Want.PAUSE, ALIVE, []),
        (Want.PAUSE, UNKNOWN, []),
        (Want.STOP, ALIVE, [End(agent="a", ending=EndReason.STOP, reason="stop is wanted", grace_s=5.0)]),
        (Want.STOP, UNKNOWN, []),
        (Want.STOP, GONE, [Finish(phase=Phase.STOPPED)]),
    ],
)
def test_want_and_process_give_the_action(want: Want, process: Process, expected: list[Action]) -> None:
    assert decide(observation({"a": seen(process)}, want=want), Memory()) == expected


def test_a_stop_is_asked_for_once() -> None:
    memory = Memory(agents={"a": AgentMemory(ending=EndReason.STOP)})
    assert decide(observation({"a": seen(ALIVE)}, want=Want.STOP), memory) == []


def test_no_more_are_started_than_there_are_slots() -> None:
    agents = {"a": seen(ALIVE), "b": seen(), "c": seen(), "d": seen(UNKNOWN)}
    assert decide(observation(agents, limits=Limits(max_agents=3)), Memory()) == [
        Submit(agent="b", attempt=1)
    ]


def test_a_full_disk_starts_nothing() -> None:
    assert decide(replace(observation({"a": seen()}), has_room=False), Memory()) == []


@pytest.mark.parametrize("memory", [Memory(), Memory(agents={"a": AgentMemory(submitted=3)})], ids=str)
def test_a_death_on_a_full_disk_waits_for_room(memory: Memory) -> None:
    dead = observation({"a": seen(last_attempt=3)})
    assert decide(replace(dead, has_room=False), memory) == []
    assert decide(dead, memory) != []


def test_a_silent_death_is_sealed_judged_and_answered_with_one_look() -> None:
    dead = observation({"a": seen(last_attempt=3)})
    assert decide_ahead(dead, Memory()) == [
        Seal(agent="a", attempt=3),
        Delay(agent="a", attempt=3, reason="attempt 3 died without a word", delay_s=0.0, ages_s=(0.0,)),
        Submit(agent="a", attempt=4),
    ]


def test_nothing_is_decided_on_a_look_that_an_action_makes_old() -> None:
    agents = {"a": seen(last_attempt=1, exit=ExitReason.PARKED), "b": seen(ALIVE)}
    [acknowledged, ended] = decide_ahead(observation(agents, want=Want.STOP), Memory())
    assert isinstance(acknowledged, Acknowledge)
    assert isinstance(ended, End)


def test_an_end_that_a_dead_supervisor_dealt_with_and_may_not_have_sealed_is_sealed() -> None:
    dead = observation({"a": seen(last_attempt=1)}, want=Want.STOP)
    memory = Memory()
    for action in decide_ahead(dead, memory):
        memory = remember(memory, action, now_s=100.0)
    assert all(not isinstance(action, Seal) for action in decide_ahead(dead, memory))
    assert decide(dead, forget_what_was_asked(memory))[0] == Seal(agent="a", attempt=1)


@pytest.mark.parametrize(
    "reason",
    [ExitReason.PARKED, ExitReason.PAUSED, ExitReason.ASKING, ExitReason.STOPPED, ExitReason.DISK_FULL],
)
def test_a_calm_exit_is_only_acknowledged(reason: ExitReason) -> None:
    actions = decide(observation({"a": seen(last_attempt=1, exit=reason)}), Memory())
    assert actions == [Acknowledge(agent="a", attempt=1, reason=reason)]


@pytest.mark.parametrize("reason", [ExitReason.LOST, ExitReason.FAILED, ExitReason.POISONED])
def test_the_first_death_is_restarted_at_once(reason: ExitReason) -> None:
    [action] = decide(observation({"a": seen(last_attempt=1, exit=reason, detail="why")}), Memory())
    assert action == Delay(agent="a", attempt=1, reason="why", delay_s=0.0, ages_s=(0.0,))


def test_corrupt_records_are_given_up_at_once() -> None:
    [action] = decide(observation({"a": seen(last_attempt=1, exit=ExitReason.DAMAGED)}), Memory())
    assert isinstance(action, GiveUp)
    assert action.tasks == {"a": 1}


def test_a_death_while_stopping_is_calm_but_a_killed_hang_counts() -> None:
    lost = observation({"a": seen(last_attempt=1, exit=ExitReason.LOST)})
    assert isinstance(decide(lost, Memory(agents={"a": AgentMemory(ending=EndReason.STOP)}))[0], Acknowledge)
    assert isinstance(decide(lost, Memory(agents={"a": AgentMemory(ending=EndReason.HUNG)}))[0], Delay)


def test_too_many_deaths_fail_the_task_under_way() -> None:
    memory = Memory(agents={"a": AgentMemory(restarted_s=(90.0, 92.0, 95.0, 97.0, 99.0))})
    begun = seen(
        last_attempt=6, exit=ExitReason.FAILED, detail="exit 1", outcomes=outcome(TaskPhase.INTERRUPTED)
    )
    [action] = decide(observation({"a": begun}), memory)
    assert action == GiveUp(agent="a", attempt=6, reason="exit 1", tasks={"a": 1})
    after = remember(memory, action, now_s=100.0)
    assert decide(observation({"a": begun}), after) == [Finish(phase=Phase.FAILED)]


def test_a_hung_agent_is_ended_once() -> None:
    hung = observation({"a": seen(ALIVE, liveness=Liveness.HUNG)})
    [action] = decide(hung, Memory())
    assert isinstance(action, End)
    assert decide(hung, remember(Memory(), action, now_s=100.0)) == []


def test_a_failure_stops_all_where_that_is_wanted() -> None:
    agents = {
        "a": seen(last_attempt=1, exit=ExitReason.PARKED, outcomes=outcome(TaskPhase.FAILED)),
        "b": seen(ALIVE),
    }
    memory = Memory(agents={"a": AgentMemory(handled=1)})
    [action] = decide(observation(agents, limits=Limits(on_failure="stop")), memory)
    assert isinstance(action, End)
    assert action.agent == "b"
    assert decide(observation(agents), memory) == []


def test_all_settled_finishes_as_done() -> None:
    done = seen(last_attempt=1, exit=ExitReason.PARKED, outcomes=outcome(TaskPhase.DONE))
    assert decide(observation({"a": done}), Memory(agents={"a": AgentMemory(handled=1)})) == [
        Finish(phase=Phase.DONE)
    ]


def test_what_is_all_done_is_done_whatever_is_wanted() -> None:
    done = seen(last_attempt=1, exit=ExitReason.PARKED, outcomes=outcome(TaskPhase.DONE))
    stopped = observation({"a": done}, want=Want.STOP)
    assert decide(stopped, Memory(agents={"a": AgentMemory(handled=1)})) == [Finish(phase=Phase.DONE)]


def test_leaving_takes_the_agents_along_and_ends_interrupted() -> None:
    leaving = replace(observation({"a": seen(ALIVE)}), leaving=True)
    assert isinstance(decide(leaving, Memory())[0], End)
    gone = replace(observation({"a": seen()}), leaving=True)
    assert decide(gone, Memory()) == [Finish(phase=Phase.INTERRUPTED)]


def test_who_leaves_does_not_wait_for_ever_for_an_agent_that_may_or_may_not_live() -> None:
    unknown = AgentObserved(process=Process.UNKNOWN, unknown_s=1.0)
    leaving = replace(observation({"a": unknown}), leaving=True)
    assert decide(leaving, Memory()) == []
    longer = replace(leaving, agents={"a": replace(unknown, unknown_s=11.0)})
    assert decide(longer, Memory()) == [Finish(phase=Phase.INTERRUPTED)]
    assert decide(replace(longer, leaving=False), Memory()) == []


def test_a_submission_that_died_before_it_began_counts_once_and_keeps_its_number() -> None:
    memory = remember(Memory(), Submit(agent="a", attempt=1), now_s=100.0)
    [action] = decide(observation({"a": seen()}), memory)
    assert action == Delay(
        agent="a", attempt=0, reason="attempt 1 died before it began", delay_s=0.0, ages_s=(0.0,)
    )
    after = remember(memory, action, now_s=100.0)
    assert decide(observation({"a": seen()}), after) == [Submit(agent="a", attempt=1)]
    begun = remember(after, Submit(agent="a", attempt=1), now_s=100.0)
    [sealed, judged] = decide(observation({"a": seen(last_attempt=1)}), forget_what_was_asked(begun))
    assert sealed == Seal(agent="a", attempt=1)
    assert isinstance(judged, Delay)


def test_how_a_launcher_says_that_an_attempt_ended_is_written_down() -> None:
    told = replace(seen(last_attempt=2), ended="job 7: out of memory", ended_attempt=2)
    sealed, judged = decide(observation({"a": told}), Memory())
    text = "attempt 2 died: job 7: out of memory"
    assert sealed == Seal(agent="a", attempt=2, detail=text)
    assert isinstance(judged, Delay)
    assert judged.reason == text
    assert from_record({"type": "seal", **to_record(sealed)[1]}) == sealed  # type: ignore[arg-type, typeddict-item]


def test_what_is_told_of_another_attempt_is_not_said_of_this_one() -> None:
    told = replace(seen(last_attempt=2), ended="job 7: out of memory", ended_attempt=1)
    assert decide(observation({"a": told}), Memory())[0] == Seal(agent="a", attempt=2)
    memory = remember(Memory(), Submit(agent="a", attempt=1), now_s=100.0)
    unbegun = replace(seen(), ended="job 7: out of memory", ended_attempt=1)
    [judged] = decide(observation({"a": unbegun}), memory)
    assert isinstance(judged, Delay)
    assert judged.reason == "attempt 1 died before it began: job 7: out of memory"


def test_a_submission_lost_with_its_supervisor_is_no_death() -> None:
    memory = forget_what_was_asked(remember(Memory(), Submit(agent="a", attempt=1), now_s=100.0))
    assert decide(observation({"a": seen()}), memory) == [Submit(agent="a", attempt=1)]


@pytest.mark.parametrize("want", [Want.RUN, Want.STOP])
def test_an_end_that_a_dead_supervisor_may_not_have_asked_for_is_asked_for_again(want: Want) -> None:
    hung = observation({"a": seen(ALIVE, last_attempt=1, liveness=Liveness.HUNG)}, want=want)
    [action] = decide(hung, Memory())
    assert isinstance(action, End)
    memory = remember(Memory(), action, now_s=100.0)
    assert decide(hung, memory) == []
    assert decide(hung, forget_what_was_asked(memory)) == [action]


def test_backoff_grows_is_capped_and_gives_up() -> None:
    policy = Restart(max=4, window_s=60, backoff_s=1, backoff_max_s=3)
    ages: tuple[float, ...] = ()
    delays = []
    while not (verdict := judge_death(policy, ages, chance=1.0)).gives_up:
        delays.append(verdict.delay_s)
        ages = verdict.ages_s
    assert delays == [0.0, 1.0, 2.0, 3.0]
    assert judge_death(policy, (500.0,), chance=1.0).delay_s == 0.0


def deaths_until_given_up(policy: Restart, gains: Callable[[int], int | None], *, most: int = 60) -> int:
    """Count how often an agent dies, every 20 s, until it is given up; `most` if it never is."""
    memory = Memory()
    for attempt in range(1, most):
        look = observation(
            {"a": seen(last_attempt=attempt, exit=ExitReason.FAILED, gains=gains(attempt))},
            now_s=20.0 * attempt,
        )
        spec = replace(look.specs.agents["a"], restart=policy)
        [action] = decide(replace(look, specs=replace(look.specs, agents={"a": spec})), memory)
        if isinstance(action, GiveUp):
            assert "without progress" in action.reason
            return attempt
        memory = remember(memory, action, now_s=look.now_s)
        memory = memory_from_json(memory_to_json(memory, now_s=look.now_s), now_s=look.now_s)
    return most


@pytest.mark.parametrize(
    ("policy", "gains", "deaths"),
    [
        (Restart(), lambda _: 0, 11),
        (Restart(), lambda _: 7, 12),  # what it had gained before was seen at its first death
        (Restart(max_without_progress=2), lambda _: 0, 3),
        (Restart(max=20), lambda _: 0, 21),
        (Restart(max=20, max_without_progress=4), lambda _: 0, 5),
        (Restart(), lambda attempt: attempt, 60),
        (Restart(), lambda attempt: attempt // 9, 60),
        (Restart(), lambda attempt: attempt // 30, 11),
        (Restart(), lambda _: None, 60),  # of a build that did not say
    ],
)
def test_a_failure_that_comes_slowly_ends_if_nothing_is_gained(
    policy: Restart, gains: Callable[[int], int | None], deaths: int
) -> None:
    assert deaths_until_given_up(policy, gains) == deaths


@pytest.mark.parametrize(
    "action",
    [
        Submit(agent="a", attempt=2),
        Acknowledge(agent="a", attempt=2, reason=ExitReason.PARKED),
        Delay(agent="a", attempt=2, reason="why", delay_s=0.5, ages_s=(3.0, 0.0), fruitless=2, gains=5),
        GiveUp(agent="a", attempt=2, reason="why", tasks={"t": 1}),
        End(agent="a", ending=EndReason.HUNG, reason="why", grace_s=1.0),
        Finish(phase=Phase.DONE),
    ],
)
def test_an_action_survives_its_journal(action: Action) -> None:
    type_, fields = to_record(action)
    assert from_record({"type": type_, **fields}) == action


def test_memory_survives_a_life() -> None:
    memory = remember(
        Memory(), Delay(agent="a", attempt=2, reason="why", delay_s=9.0, ages_s=(3.0, 0.0)), now_s=50.0
    )
    memory = remember(memory, GiveUp(agent="b", attempt=1, reason="no", tasks={"t": 1}), now_s=50.0)
    again = memory_from_json(memory_to_json(memory, now_s=50.0), now_s=1050.0)
    assert again.of("a") == AgentMemory(handled=2, restarted_s=(1047.0, 1050.0), reason="why")
    assert again.outcomes == memory.outcomes


def watched(*moments: tuple[float, int, int]) -> Watch:
    watch: Watch | None = None
    for now_s, beat, progress in moments:
        watch = look(watch, (beat, progress), now_s=now_s, tick_s=1.0)
    assert watch is not None
    return watch


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([(0, 1, 1), (4, 5, 1), (8, 9, 1)], Liveness.LIVELY),
        ([(float(second), second, 1) for second in range(40)], Liveness.SLOW),
        ([(float(second), 1, 1) for second in range(40)], Liveness.HUNG),
        ([(0, 1, 1), (500, 1, 1)], Liveness.LIVELY),  # the observer slept, too
    ],
)
def test_slow_is_not_hung(moments: list[tuple[float, int, int]], expected: Liveness) -> None:
    assert liveness(watched(*moments), hang_s=10, expect_s=30) is expected


def test_a_missing_beat_is_unknown() -> None:
    assert liveness(look(None, None, now_s=1.0, tick_s=1.0), hang_s=1, expect_s=1) is Liveness.UNKNOWN
