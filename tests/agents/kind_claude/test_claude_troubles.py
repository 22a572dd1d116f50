"""The provider fails, the budget is used up, the process hangs: Claude Code waits, goes on or is ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from coding import DEADLINE_S, Coding, bash, steps
from stage import marked_pids, wait_for

from maos_sup.agents.kinds.claude.talk import trouble_of
from maos_sup.agents.kinds.shared.holds import hold_on
from maos_sup.agents.kinds.shared.troubles import Cause
from maos_sup.loopback.reply import FaultKind, PlannedFault, ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from state_layout.ledger import spent_by
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]
STALL = PlannedFault(kind=FaultKind.STALL, after_chunks=1)
USAGE = {
    "input_tokens": 5000,
    "output_tokens": 1000,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
}  # 0.006 USD at a dollar a million


def failing(
    at: tuple[int, ...], fault: PlannedFault, plan: Callable[[LoopbackRequest], ScriptedReply]
) -> Callable[[LoopbackRequest], ScriptedReply]:
    """`plan`, but for the questions of these numbers."""
    return lambda request: ScriptedReply(
        content=plan(request).content, fault=fault if request.number in at else None
    )


def wait_phase(one: Coding, phase: str, agent: str = "ann", *, attempt: int = 1) -> str:
    """Wait until the agent's life of this number shows `phase`; the reason that it gives."""

    def reason() -> Any:
        status = one.stage.status(agent)
        shown = (status.get("phase"), status.get("attempt"))
        return status.get("reason") if shown == (phase, attempt) else None

    return str(wait_for(reason, f"{agent} {phase}; {one.stage.log()}", deadline_s=DEADLINE_S))


def test_limit_holds_all_who_use_the_provider_and_passes(code: Make) -> None:
    limit = PlannedFault(kind=FaultKind.ERROR, status=429, retry_after_s=8.0)
    one = code(failing((1,), limit, steps(bash("true"), say("done"))), {"ann": {}, "bob": {}})
    life = one.stage.live("ann")
    assert "goes on at" in wait_phase(one, "paused")
    provider = one.server.url.removeprefix("http://")
    assert hold_on(one.stage.tree, provider) is not None
    other = one.stage.live("bob")
    assert "goes on at" in wait_phase(one, "paused", "bob")
    assert [life.wait(deadline_s=DEADLINE_S), other.wait(deadline_s=DEADLINE_S)] == [0, 0], one.told()
    first, *later = [entry["at_s"] for entry in one.server.log.requests()]
    assert min(later) - first >= 7.9


def test_outage_is_waited_out_and_the_session_goes_on(code: Make) -> None:
    down = PlannedFault(kind=FaultKind.ERROR, status=500)
    one = code(failing((2, 3), down, steps(bash("echo x >> ran"), say("done"))))
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "done"
    assert (one.stage.tree.agent("ann").workspace / "ran").read_text() == "x\n"
    assert len(one.bodies()) == 4


def test_refusal_that_no_repetition_mends_fails_the_task_at_once(code: Make) -> None:
    one = code(lambda _: ScriptedReply(fault=PlannedFault(kind=FaultKind.ERROR, status=401, message="never")))
    assert one.run() == 0, one.told()
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED and "401" in str(outcome.error)
    assert len(one.bodies()) <= 2


def test_silence_is_ended_by_the_watchdog_and_asked_again(code: Make) -> None:
    one = code(failing((1,), STALL, steps(say("done"))), {"ann": {"stall_s": 3}})
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "done"
    broken, *_ = one.all_lines("ann", "broken")
    assert broken["waste"]["tokens"] > 0


def test_pause_takes_effect_between_steps_and_the_session_goes_on(code: Make) -> None:
    one = code(steps(bash("touch $OUT/begun; until [ -e $OUT/go ]; do sleep 0.05; done"), say("done")))
    life = one.stage.live("ann")
    wait_for(lambda: (one.stage.outside / "begun").exists(), "the step", deadline_s=DEADLINE_S)
    one.stage.edit("agents/ann.json", want="pause")
    wait_for(lambda: life.is_running(), "it goes on until the step is done")
    (one.stage.outside / "go").touch()
    assert life.wait(deadline_s=DEADLINE_S) == 0
    assert one.stage.exit("ann")["reason"] == "paused"
    assert len(one.bodies()) == 1
    one.stage.edit("agents/ann.json", want="run")
    assert one.run() == 0, one.told()
    assert len(one.all_lines("ann", "tool_call")) == 1
    assert one.stage.history("ann").tasks["ann"].result == "done"


def test_used_up_budget_pauses_within_one_question_and_a_higher_one_goes_on(code: Make) -> None:
    def script(request: LoopbackRequest) -> ScriptedReply:
        made = len([line for line in one.stage.words("ran") if line])
        reply = bash("echo x >> $OUT/ran") if made < 5 else say("done")
        return ScriptedReply(content=reply.content, usage=USAGE)

    cap = 0.0225  # three answers of six; the first estimate alone is 0.0205
    one = code(script, budget={"max_cost_usd": cap})
    life = one.stage.live("ann")
    assert "raise max_cost_usd" in wait_phase(one, "paused")
    asked = len(one.bodies())
    spent = sum(amount.cost_usd or 0 for amount in spent_by(one.stage.tree).values())
    assert 0 < spent <= cap
    life.kill()
    life = one.stage.live("ann")
    assert "raise max_cost_usd" in wait_phase(one, "paused", attempt=2)
    assert len(one.bodies()) == asked
    one.stage.edit("orchestration.json", budget={"max_cost_usd": 1.0})
    assert life.wait(deadline_s=DEADLINE_S) == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].phase is TaskPhase.DONE
    assert len(one.stage.words("ran")) == 5


@pytest.mark.parametrize("output_tokens", [42, 90_000], ids=["gate", "fence"])
def test_answer_that_costs_more_than_was_left_is_the_last(code: Make, output_tokens: int) -> None:
    """A little more: it is kept, and the next question not asked. Much more: Claude Code stops by itself."""

    def script(request: LoopbackRequest) -> ScriptedReply:
        if len(one.server.log.requests()) > 1:
            return say("done")
        content = bash("echo x >> $OUT/ran").content
        return ScriptedReply(content=content, usage={"input_tokens": 30_000, "output_tokens": output_tokens})

    one = code(script, {"ann": {"price": None}}, budget={"max_cost_usd": 0.08})
    life = one.stage.live("ann")
    assert "raise max_cost_usd" in wait_phase(one, "paused")
    assert len(one.bodies()) == 1
    assert one.stage.history("ann").cost_usd > 0.08
    one.stage.edit("orchestration.json", budget={"max_cost_usd": 9.0})
    assert life.wait(deadline_s=DEADLINE_S) == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "done"
    assert spent_by(one.stage.tree)["ann"].cost_usd == pytest.approx(one.stage.history("ann").cost_usd)
    assert len(one.stage.words("ran")) <= 1


def test_stop_ends_it_with_all_that_it_started(code: Make) -> None:
    one = code(steps(bash("trap '' TERM HUP; touch $OUT/begun; (sleep 61 & sleep 61)"), say("done")))
    life = one.stage.live("ann")
    wait_for(lambda: (one.stage.outside / "begun").exists(), "the step", deadline_s=DEADLINE_S)
    append_operator_message(one.stage.tree, "ann", text="stop that")
    one.stage.edit("orchestration.json", limits={"stop_grace_s": 1.0})
    one.stage.edit("agents/ann.json", want="stop")
    assert life.wait(deadline_s=DEADLINE_S) == 0, one.told()
    assert marked_pids(one.stage.root) == []
    assert one.stage.exit("ann")["reason"] == "stopped"


RESULTS: list[tuple[dict[str, Any], dict[str, Any], Cause, float | None]] = [
    ({"api_error_status": 529, "result": "Overloaded"}, {}, Cause.OVERLOAD, None),
    ({"api_error_status": 401, "result": "no"}, {"status": "allowed"}, Cause.REFUSED, None),
    ({"api_error_status": 404, "result": "no"}, {}, Cause.REFUSED, None),
    ({"result": "You've hit your limit"}, {"status": "rejected", "resetsAt": 1600}, Cause.LIMIT, 600.0),
    ({"result": "You've hit your limit"}, {"status": "rejected"}, Cause.LIMIT, None),
    ({"result": "API Error: Connection error."}, {}, Cause.NETWORK, None),
    ({"subtype": "error_max_budget_usd"}, {}, Cause.OVERLOAD, None),
    ({"subtype": "error_during_execution", "errors": ["what"]}, {}, Cause.REFUSED, None),
]


@pytest.mark.parametrize(("result", "limit", "cause", "wait_s"), RESULTS)
def test_results_that_are_no_success_mean(
    result: dict[str, Any], limit: dict[str, Any], cause: Cause, wait_s: float | None
) -> None:
    trouble = trouble_of(result, limit=limit, now=1000.0)
    assert (trouble.cause, trouble.retry_after_s) == (cause, wait_s)
