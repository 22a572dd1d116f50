"""What Claude Code spends is charged once: the ledger against what the loopback server charged."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from coding import DEADLINE_S, Coding, bash, steps
from processes import children_of, kill
from stage import kill_marked, wait_for

from maos_sup.agents.kinds.shared.prices import blind_cap
from maos_sup.loopback.reply import FaultKind, PlannedFault, ReplyPace, ScriptedReply, call, say
from maos_sup.loopback.request import LoopbackRequest
from state_layout.ledger import spent_by
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(400)
Make = Callable[..., Coding]
USAGE = {
    "input_tokens": 7000,
    "output_tokens": 300,
    "cache_read_input_tokens": 40_000,
    "cache_creation_input_tokens": 500,
}
OVERLOAD = PlannedFault(kind=FaultKind.ERROR, status=529)


def charged(one: Coding) -> int:
    """Tokens of all that the server answered or began to answer, as it charges them."""
    usages = [entry.get("charged") or {} for entry in one.server.log.answers()]
    return sum(count for usage in usages for count in usage.values() if isinstance(count, int))


def told(one: Coding) -> tuple[int, int]:
    """Tokens on record: by the budget's ledger, by the journal."""
    return spent_by(one.stage.tree)["ann"].tokens, one.stage.history("ann").tokens


def usd(one: Coding) -> float:
    return spent_by(one.stage.tree)["ann"].cost_usd or 0.0


def priced(
    plan: Callable[[LoopbackRequest], ScriptedReply], **faults: PlannedFault
) -> Callable[[LoopbackRequest], ScriptedReply]:
    """`plan` at a known usage; `faults` by the number of the question (`n3`)."""
    return lambda request: ScriptedReply(
        content=plan(request).content, usage=USAGE, fault=faults.get(f"n{request.number}")
    )


def assert_once(one: Coding) -> None:
    assert one.stage.history("ann").tasks["ann"].phase is TaskPhase.DONE, one.told()
    assert told(one) == (charged(one), charged(one)), one.told()
    assert usd(one) == pytest.approx(charged(one) / 1_000_000)


def test_session_that_many_processes_work_on_is_charged_once(code: Make) -> None:
    """Outages end processes, mail and pauses begin others: newer versions tell of the session each time."""
    plan = priced(steps(bash("true"), bash("true"), bash("true"), say("done")), n2=OVERLOAD, n3=OVERLOAD)
    one = code(plan)
    assert one.run() == 0, one.told()
    assert len(one.all_lines("ann", "turn")) == 4
    assert_once(one)


def test_session_that_is_paused_again_and_again_is_charged_once(code: Make) -> None:
    def plan(request: LoopbackRequest) -> ScriptedReply:
        turn = request.turn
        wait = f"touch $OUT/at{turn}; until [ -e $OUT/go{turn} ]; do sleep 0.05; done"
        return say("done") if turn == 5 else bash(wait)

    one = code(priced(plan))
    pauses = opened = 0
    while opened < 5:
        life, first = one.stage.live("ann"), one.stage.outside / f"at{opened}"
        wait_for(first.exists, "the next turn", deadline_s=DEADLINE_S)
        one.stage.edit("agents/ann.json", want="pause")
        end_s = time.monotonic() + DEADLINE_S
        while life.is_running():  # a pause that is seen late comes after one more turn
            assert time.monotonic() < end_s, one.told()
            if (one.stage.outside / f"at{opened}").exists():
                (one.stage.outside / f"go{opened}").touch()
                opened += 1
            time.sleep(0.02)
        assert life.wait() == 0, one.told()
        one.stage.edit("agents/ann.json", want="run")
        pauses += 1
    assert pauses >= 3
    assert one.run() == 0, one.told()
    assert len(one.bodies()) == 6
    assert_once(one)


@pytest.mark.parametrize("whom", ["agent", "program", "all"])
def test_kills_in_the_middle_of_tools_lose_and_double_nothing(code: Make, whom: str) -> None:
    def plan(request: LoopbackRequest) -> ScriptedReply:
        known = request.all_text.count("outcome unknown: it was running")
        return say("done") if known == 2 else bash(f"echo {known} >> $OUT/ran; sleep 60")

    one = code(priced(plan))
    for step in range(2):
        life = one.stage.live("ann")
        wait_for(lambda step=step: len(one.stage.words("ran")) > step, "a step", deadline_s=DEADLINE_S)
        if whom == "agent":
            life.kill()
        elif whom == "program":
            [kill(pid) for pid in children_of(life.pid)[:1]]
            life.wait(deadline_s=DEADLINE_S)
        else:
            life.kill()
            wait_for(lambda: not kill_marked([one.stage.root]), "all is dead", deadline_s=DEADLINE_S)
    assert one.run() == 0, one.told()
    assert_once(one)


def test_answer_that_a_kill_cuts_costs_what_is_known_of_it(code: Make) -> None:
    slow = ReplyPace(chunk_chars=20, chunk_delay_s=0.05)

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.number == 2:
            return ScriptedReply(content=say("word " * 4000).content, usage=USAGE, pace=slow)
        return ScriptedReply(content=plan(request).content, usage=USAGE)

    plan = steps(bash("true"), say("done"))
    one = code(script)
    life = one.stage.live("ann")
    events = one.stage.tree.agent("ann").attempt(1).events
    wait_for(
        lambda: events.exists() and events.read_bytes().count(b"text_delta") > 20, "it", deadline_s=DEADLINE_S
    )
    life.kill()
    assert one.run() == 0, one.told()
    inputs = sum(USAGE.values()) - USAGE["output_tokens"]
    whole = len(one.server.log.answers("complete")) * sum(USAGE.values())
    ledger, journal = told(one)
    assert whole == 2 * sum(USAGE.values())
    assert whole + inputs < ledger < whole + inputs + 4000
    assert journal == ledger


def test_streams_that_end_too_early_are_waste_and_the_rest_is_charged_once(code: Make) -> None:
    cut = PlannedFault(kind=FaultKind.TRUNCATE, after_chunks=1)
    one = code(priced(steps(bash("true"), say("done")), n2=cut))
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "done"
    ledger, journal = told(one)
    assert ledger == journal
    assert charged(one) - 600 <= ledger <= charged(one) + 600  # the output of the broken one is an estimate


def sub_agents(request: LoopbackRequest) -> ScriptedReply:
    if "count the words" in request.first_user and "<task id=" not in request.first_user:
        return steps(bash("echo x >> $OUT/ran; sleep $(cat $OUT/long 2>/dev/null || echo 0)"), say("Three."))(
            request
        )
    asked = {"description": "count", "prompt": "count the words", "subagent_type": "general-purpose"}
    if "outcome unknown: it was running" in request.all_text:
        return say("done")
    return steps(call("Task", asked), say("done"))(request)


def test_sub_agents_are_charged_while_they_work_and_once(code: Make) -> None:
    one = code(priced(sub_agents))
    (one.stage.outside / "long").write_text("60")
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.words("ran"), "the sub-agent's step", deadline_s=DEADLINE_S)
    inputs = sum(USAGE.values()) - USAGE["output_tokens"]
    wait_for(lambda: told(one)[1] >= sum(USAGE.values()) + inputs, "its cost", deadline_s=DEADLINE_S)
    life.kill()
    assert one.run() == 0, one.told()
    ledger, journal = told(one)
    assert ledger == journal
    assert charged(one) - 300 <= ledger <= charged(one) + 300  # estimates


def test_task_that_fails_for_good_leaves_nothing_reserved(code: Make) -> None:
    one = code(priced(steps(bash("true"), say("never")), n2=PlannedFault(kind=FaultKind.ERROR, status=403)))
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].phase is TaskPhase.FAILED
    assert told(one) == (charged(one), charged(one))


UNTOLD = dict.fromkeys(USAGE, 0)


def test_answers_whose_usage_is_not_told_fill_the_budget(code: Make) -> None:
    """A router that tells 0 for all: what was expected stands, is said once, and the cap holds."""
    one = code(
        lambda _: ScriptedReply(content=bash("true").content, usage=UNTOLD),
        {"ann": {"budget": {"max_tokens": 100_000}}},
    )
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.status("ann").get("phase") == "paused", "a pause", deadline_s=DEADLINE_S)
    assert "max_tokens" in one.stage.status("ann")["reason"]
    assert 2 <= len(one.bodies()) <= 5 and charged(one) == 0
    [warning] = [line for line in one.stage.lines("ann", "warning") if "does not say what" in line["text"]]
    assert "budgets count" in warning["text"]
    ledger, journal = told(one)
    assert 40_000 < ledger == journal <= 100_000
    life.kill()


def test_sub_agents_whose_usage_is_not_told_cost_an_estimate(code: Make) -> None:
    one = code(lambda request: ScriptedReply(content=sub_agents(request).content, usage=UNTOLD))
    assert one.run() == 0, one.told()
    answers = len(one.bodies())
    assert answers == 4
    ledger, journal = told(one)
    assert answers * 20_000 < ledger == journal < answers * 30_000


def test_cap_in_usd_that_cannot_be_held_is_told_once(code: Make) -> None:
    agent = {"model": "of-my-own", "price": None, "budget": {"max_cost_usd": 0.01}}
    one = code(priced(steps(bash("true"), say("done"))), {"ann": agent})
    assert one.run() == 0, one.told()
    warnings = [line["text"] for line in one.stage.lines("ann", "warning") if "max_cost_usd" in line["text"]]
    assert warnings == [blind_cap("of-my-own")]


def test_mail_after_the_end_goes_on_in_the_session_and_is_charged_once(code: Make) -> None:
    one: Coding

    def plan(request: LoopbackRequest) -> ScriptedReply:
        if request.turn == 0:
            append_operator_message(one.stage.tree, "ann", text="one more thing")
        return say(f"answer {request.turn}")

    one = code(priced(plan))
    assert one.run() == 0, one.told()
    assert len(one.bodies()) == 2
    assert_once(one)
