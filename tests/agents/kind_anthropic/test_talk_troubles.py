"""Providers fail in every way there is: limits, outages, stalls, broken streams; and so do budgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stage import wait_for
from talking import Talk, finish, steps, use

from maos_sup.loopback.reply import FaultKind, PlannedFault, ScriptedReply
from maos_sup.loopback.request import LoopbackRequest
from state_layout.ledger import spent_by
from state_layout.records import TaskPhase

Make = Callable[..., Talk]
FAULTS = [
    {"status": 500},
    {"status": 529},
    {"kind": "drop"},
    {"kind": "drop", "after_chunks": 1},
    {"kind": "truncate", "after_chunks": 1},
    {"kind": "stream_error", "status": 529, "after_chunks": 1},
    {"kind": "stall", "after_chunks": 1},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.get('kind', fault.get('status'))}")
def test_answer_that_did_not_come_whole_is_asked_for_again(talk: Make, fault: dict[str, Any]) -> None:
    script = steps(use("bash", command="echo once >> f"), finish(), fault=[{"at": [1, 3], **fault}])
    one = talk(script, {"ann": {"stall_s": 1}})
    assert one.stage.run("ann") == 0, one.stage.log()
    digests = one.bought()
    assert len(digests) == 4 and digests[0] == digests[1] and digests[2] == digests[3]
    keys = [entry["key"] for entry in one.server.log.requests()]
    assert keys[0] == keys[1] != keys[2]
    assert (one.stage.tree.agent("ann").workspace / "f").read_text() == "once\n"
    assert len(one.stage.lines("ann", "broken")) == 2


def test_partial_text_is_on_record_while_it_streams(talk: Make) -> None:
    text = "word " * 40
    pace = {"chunk_chars": 5, "chunk_delay_s": 0.05}
    one = talk(steps({"text": text, "pace": pace}))
    life = one.stage.live("ann")
    wait_for(lambda: one.all_lines("ann", "partial") if one.bought() else [], "partial text")
    assert not one.stage.lines("ann", "block")
    assert life.wait() == 0
    partial = one.stage.lines("ann", "partial")
    assert len(partial) >= 4
    assert text.startswith("".join(line["text"] for line in partial))


def test_limit_of_one_agent_holds_all_who_use_the_provider(talk: Make) -> None:
    retry_after_s = 2.0

    def script(request: LoopbackRequest) -> Any:
        reply = plan(request)
        if request.number == 6:
            fault = PlannedFault(kind=FaultKind.ERROR, status=429, retry_after_s=retry_after_s)
            return ScriptedReply(content=reply.content, fault=fault)
        return reply

    pace = {"delay_s": 0.1}
    plan = steps(*[{**use("bash", command="true"), "pace": pace}] * 4, finish())
    agents = {name: {} for name in ("ann", "bob", "cid", "dan")}
    one = talk(script, agents)
    lives = [one.stage.live(name) for name in agents]
    refused_s = wait_for(lambda: one.server.log.answers("error"), "the refusal")[0]["at_s"]
    paused = wait_for(
        lambda: [name for name in agents if one.stage.status(name).get("phase") == "paused"], "a pause"
    )
    assert "goes on at" in one.stage.status(paused[0])["reason"]
    assert [life.wait() for life in lives] == [0, 0, 0, 0], one.stage.log()
    arrived = [entry["at_s"] - refused_s for entry in one.server.log.requests()]
    assert not [moment for moment in arrived if 0.5 < moment < retry_after_s]
    assert sum(moment >= retry_after_s for moment in arrived) > 4


def test_outage_shows_as_pause_and_is_waited_out(talk: Make) -> None:
    down = [True]
    plan = steps(finish())

    def script(request: LoopbackRequest) -> Any:
        reply = plan(request)
        return ScriptedReply(fault=PlannedFault(kind=FaultKind.ERROR, status=529)) if down else reply

    one = talk(script)
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.status("ann").get("phase") == "paused", "a pause")
    assert "overloaded_error" in one.stage.status("ann")["reason"]
    down.clear()
    assert life.wait() == 0
    assert one.stage.history("ann").tasks["ann"].phase is TaskPhase.DONE


def test_work_that_waits_for_a_provider_can_be_stopped_and_paused(talk: Make) -> None:
    one = talk(
        lambda _: ScriptedReply(fault=PlannedFault(kind=FaultKind.ERROR, status=429, retry_after_s=60))
    )
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.status("ann").get("phase") == "paused", "a pause")
    one.stage.edit("agents/ann.json", want="pause")
    assert life.wait() == 0
    assert one.stage.exit("ann")["reason"] == "paused"


def test_stop_cuts_a_stream_short_and_the_next_life_asks_again(talk: Make) -> None:
    pace = {"chunk_chars": 1, "chunk_delay_s": 0.1}
    one = talk(steps({"text": "long answer " * 50, "pace": pace}))
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.lines("ann", "partial") if one.bought() else [], "text")
    one.stage.edit("agents/ann.json", want="stop")
    assert life.wait(deadline_s=5) == 0
    assert one.stage.exit("ann")["reason"] == "stopped"
    [broken] = one.stage.lines("ann", "broken")
    assert broken["waste"]["tokens"] > 0
    one.server.script = steps({"text": "short"})
    one.stage.edit("agents/ann.json", want="run")
    assert one.stage.run("ann") == 0
    assert one.stage.history("ann").tasks["ann"].result == "short"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusal_that_no_repetition_mends_fails_the_task_at_once(talk: Make, status: int) -> None:
    one = talk(
        lambda _: ScriptedReply(fault=PlannedFault(kind=FaultKind.ERROR, status=status, message="never"))
    )
    assert one.stage.run("ann") == 0
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED
    assert "never" in str(outcome.error)
    assert status == 400 or "; see that" in str(outcome.error)
    assert len(one.bought()) == 1
    assert spent_by(one.stage.tree)["ann"].tokens == 0


def test_nobody_to_ask_is_one_clear_error(talk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    one = talk(steps(finish()))
    one.stage.edit("agents/ann.json", base_url="http://x")
    spec = one.stage.tree.agent_spec("ann")
    spec.write_text(spec.read_text().replace('"base_url": "http://x",', ""))
    assert one.stage.run("ann") == 0  # not tried again: it is for a person to mend
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED
    assert "set ANTHROPIC_API_KEY" in str(outcome.error)


def all_at_rest(one: Talk, agents: Any) -> bool:
    """Every agent is paused, or done already."""
    return all(one.stage.status(name).get("phase") in ("paused", "parked") for name in agents)


def test_used_up_budget_pauses_and_a_higher_one_goes_on(talk: Make) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 1000}
    usage |= {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    turn = {**use("bash", command="true"), "usage": usage}
    agents = {name: {"max_tokens": 1000} for name in ("ann", "bob", "cid", "dan")}
    cap = 0.024  # of 4 x 6 turns at 0.002
    one = talk(steps(*[turn] * 5, finish() | {"usage": usage}), agents, budget={"max_cost_usd": cap})
    lives = [one.stage.live(name) for name in agents]
    wait_for(lambda: all_at_rest(one, agents), "all paused")
    reasons = [str(one.stage.status(name)["reason"]) for name in agents]
    assert any("raise max_cost_usd" in reason for reason in reasons)
    spent = sum(amount.cost_usd or 0 for amount in spent_by(one.stage.tree).values())
    assert cap - 0.008 <= spent <= cap + 1e-9
    bought = len(one.bought())
    for life in lives:
        life.kill()
    lives = [one.stage.live(name) for name in agents]
    wait_for(lambda: all_at_rest(one, agents), "all paused")
    assert len(one.bought()) == bought
    one.stage.edit("orchestration.json", budget={"max_cost_usd": 1.0})
    assert [life.wait() for life in lives] == [0, 0, 0, 0], one.stage.log()
    assert len(one.bought()) == 24
    spent = sum(amount.cost_usd or 0 for amount in spent_by(one.stage.tree).values())
    assert spent == pytest.approx(24 * 0.002)


def test_unknown_price_is_unknown_and_tokens_are_capped_all_the_same(talk: Make) -> None:
    one = talk(steps(*[use("bash", command="true")] * 9), {"ann": {"budget": {"max_tokens": 5000}}})
    spec = one.stage.tree.agent_spec("ann")
    one.stage.edit("agents/ann.json", max_tokens=600)
    value = spec.read_text()
    start = value.index('"price"')
    spec.write_text(value[:start] + value[value.index("}", start) + 2 :].lstrip())
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.status("ann").get("phase") == "paused", "a pause")
    assert "tokens" in one.stage.status("ann")["reason"]
    turns = [line for line in one.stage.lines("ann", "turn") if line["role"] == "assistant"]
    assert {turn["cost"] for turn in turns} == {"unknown"}
    assert all("cost_usd" not in turn for turn in turns)
    life.kill()


def test_secrets_reach_no_file_of_the_tree(talk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "correct-horse-battery"
    monkeypatch.setenv("MY_API_KEY", secret)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-" + "x" * 30)
    pace = {"chunk_chars": 7, "chunk_delay_s": 0.05}
    one = talk(
        steps(
            use("bash", command="env | grep -c -e KEY; cat /proc/$PPID/environ | tr '\\0' '\\n' | grep KEY"),
            {"text": f"It is {secret} and ghp_{'a' * 36} I think", "pace": pace},
        )
    )
    assert one.stage.run("ann") == 0, one.stage.log()
    assert one.stage.lines("ann", "tool_result")[0]["content"].startswith("0\n")
    found = [
        path
        for path in one.stage.root.rglob("*")
        if path.is_file() and (secret.encode() in path.read_bytes() or b"sk-ant-xxx" in path.read_bytes())
    ]
    assert found == []
    assert "[redacted]" in one.stage.stdout("ann")
