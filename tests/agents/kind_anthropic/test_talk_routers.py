"""Servers in front of others: what they stream is read where it has a meaning, and never bought for ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
from stage import wait_for
from talking import Talk, finish, steps, use

from maos_sup.agents.kinds.anthropic.conversation import Conversation
from maos_sup.agents.kinds.anthropic.events import AnswerEnded, StreamReading, Whole
from maos_sup.agents.kinds.shared.prices import blind_cap
from maos_sup.agents.kinds.shared.troubles import Cause, Trouble, delay_s, in_vain
from maos_sup.loopback.reply import FaultKind, PlannedFault, ScriptedReply
from maos_sup.loopback.request import LoopbackRequest
from state_layout.ledger import spent_by
from state_layout.records import TaskPhase

Make = Callable[..., Talk]
Event = dict[str, Any]
UNTOLD = dict.fromkeys(
    ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), 0
)


def begin(**usage: int) -> Event:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m"}
    return {"type": "message_start", "message": message | {"usage": usage or {"input_tokens": 9}}}


def text(index: int) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}


def call(index: int, id_: str = "", name: str = "bash", input_: object = None) -> Event:
    block = {"type": "tool_use", "id": id_, "name": name, "input": {} if input_ is None else input_}
    return {"type": "content_block_start", "index": index, "content_block": block}


def said(index: int, words: str) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": words}}


def typed(index: int, raw: str) -> Event:
    delta = {"type": "input_json_delta", "partial_json": raw}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "tool_use", **usage: int) -> list[Event]:
    delta = {
        "type": "message_delta",
        "delta": {"stop_reason": reason},
        "usage": usage or {"output_tokens": 5},
    }
    return [delta, {"type": "message_stop"}]


BLOCK_OF_TEXT: Event = {"type": "content_block_start", "index": 0, "content_block": "text"}


def read(events: Iterable[Event]) -> tuple[list[Whole], AnswerEnded]:
    """The last word on each block, and the end."""
    reading = StreamReading()
    told = [told for event in events for told in reading.take(event)] + list(reading.end())
    blocks = {each.index: each for each in told if isinstance(each, Whole)}
    assert isinstance(told[-1], AnswerEnded)
    return [blocks[index] for index in sorted(blocks)], told[-1]


def wired(events: Iterable[Event]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events
    )


def test_block_goes_on_after_its_end_and_calls_come_interleaved() -> None:
    events = [begin(), text(0), said(0, "I "), stop(0), call(1, "a"), call(2, "b"), typed(2, '{"command"')]
    events += [typed(1, '{"command": "x"}'), stop(1), typed(2, ': "y"}'), stop(2), said(0, "call."), *end()]
    blocks, ended = read(events)
    assert blocks[0].block["text"] == "I call."
    assert [each.block["input"] for each in blocks[1:]] == [{"command": "x"}, {"command": "y"}]
    assert [each.bad_input for each in blocks] == [None] * 3
    assert ended == AnswerEnded(stop_reason="tool_use", usage={"input_tokens": 9, "output_tokens": 5})


@pytest.mark.parametrize(
    ("events", "named"),
    [
        ([{"type": "message_start", "message": ["m"]}], "message"),
        ([{"type": "message_start", "message": {}}, {"type": "message_delta", "delta": "end"}], "delta"),
        ([{"type": "message_start", "message": {}}, BLOCK_OF_TEXT], "content_block"),
    ],
)
def test_parts_that_are_no_objects_are_named(events: list[Event], named: str) -> None:
    with pytest.raises(ValueError, match=f"'{named}' is no object"):
        read(events)


def test_ends_that_nobody_said_are_made_out() -> None:
    blocks, ended = read([begin(), text(0), said(0, "done"), {"type": "message_stop"}])
    assert (blocks[0].block["text"], ended.stop_reason) == ("done", "end_turn")
    _, ended = read([begin(), call(0, "a", input_={"command": "x"}), {"type": "message_stop"}])
    assert ended.stop_reason == "tool_use"
    with pytest.raises(ValueError, match="in the middle"):
        read([begin(), text(0), said(0, "do")])


@pytest.mark.parametrize(
    ("told", "meant"), [("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use")]
)
def test_words_of_other_providers_are_understood(told: str, meant: str) -> None:
    assert read([begin(), text(0), said(0, "x"), stop(0), *end(told)])[1].stop_reason == meant


def test_calls_without_an_id_of_their_own_get_one() -> None:
    blocks, _ = read([begin(), call(0), call(1, "same"), call(2, "same"), *end()])
    ids = [each.block["id"] for each in blocks]
    assert len(set(ids)) == 3 and all(ids) and ids[1] == "same"


def test_zero_told_at_the_end_takes_no_count_back() -> None:
    _, ended = read([begin(input_tokens=70), text(0), said(0, "x"), *end(input_tokens=0, output_tokens=7)])
    assert ended.usage == {"input_tokens": 70, "output_tokens": 7}


BAD_INPUTS = [
    ('{"command": oops}', "no JSON"),
    ('["echo"]', "it is a list, not an object"),
    ('"echo"', "it is text, not an object"),
    ('{"command": "x"}{"command": "x"}', "no JSON"),
]


@pytest.mark.parametrize(("raw", "reason"), BAD_INPUTS)
def test_model_hears_why_the_input_of_its_call_is_unusable(talk: Make, raw: str, reason: str) -> None:
    plan = steps(finish(), finish())

    def script(request: LoopbackRequest) -> ScriptedReply:
        events = [begin(), call(0, "a"), typed(0, raw), stop(0), *end()]
        return ScriptedReply(raw=wired(events)) if request.turn == 0 else plan(request)

    one = talk(script)
    assert one.stage.run("ann") == 0, one.stage.log()
    [result] = [line for line in one.stage.lines("ann", "tool_result") if line["name"] == "bash"]
    assert reason in result["content"] and "too long" not in result["content"]
    assert result["is_error"] and len(one.bought()) == 2
    assert one.stage.history("ann").tasks["ann"].phase is TaskPhase.DONE


def test_empty_text_before_a_call_is_not_told_back(talk: Make) -> None:
    plan = steps(finish(), finish())

    def script(request: LoopbackRequest) -> ScriptedReply:
        events = [begin(), text(0), stop(0), call(1, "a"), typed(1, '{"command": "true"}'), stop(1), *end()]
        return ScriptedReply(raw=wired(events)) if request.turn == 0 else plan(request)

    one = talk(script)
    assert one.stage.run("ann") == 0, one.stage.log()
    assert one.stage.history("ann").tasks["ann"].phase is TaskPhase.DONE
    assert not [entry for entry in one.server.log.entries if entry["what"] == "refused"]


NO_ANSWERS = [
    b"<html><body>Sign in to the guest network</body></html>",
    wired([text(0), said(0, "x"), *end()]),
    wired([begin(), text(3), said(3, "x"), *end()]),
]


@pytest.mark.parametrize("data", NO_ANSWERS, ids=("page", "no-beginning", "astray"))
def test_answer_that_is_none_is_asked_for_a_few_times_over_all_lives(talk: Make, data: bytes) -> None:
    one = talk(lambda _: ScriptedReply(raw=data))
    life = one.stage.live("ann")
    wait_for(lambda: len(one.all_lines("ann", "broken")) >= 2, "two tries")
    life.kill()
    assert one.stage.run("ann", deadline_s=60) == 0, one.stage.log()
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED
    assert "asked" in str(outcome.error) and "cannot be understood" in str(outcome.error)
    assert 4 <= len(one.bought()) <= 5  # the one that the kill cut off counts as none


def test_call_that_was_announced_and_did_not_come_is_asked_for(talk: Make) -> None:
    one = talk(steps({"text": "I call.", "stop_reason": "tool_use"}, finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    assert len(one.bought()) == 2
    assert "no call came" in str(one.messages()[-1]["content"])


def test_answers_whose_usage_is_not_told_fill_the_budget(talk: Make) -> None:
    turn = {**use("bash", command="true"), "usage": UNTOLD}
    one = talk(steps(*[turn] * 25, finish() | {"usage": UNTOLD}), {"ann": {"budget": {"max_tokens": 8000}}})
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.status("ann").get("phase") == "paused", "a pause")
    assert "max_tokens" in one.stage.status("ann")["reason"]
    assert 0 < len(one.bought()) < 10
    assert 4000 < spent_by(one.stage.tree)["ann"].tokens <= 8000
    [warning] = [line for line in one.stage.lines("ann", "warning") if "does not say what" in line["text"]]
    assert "budgets count" in warning["text"]
    turns = [line for line in one.stage.lines("ann", "turn") if line["role"] == "assistant"]
    assert sum(line["tokens"] for line in turns) == spent_by(one.stage.tree)["ann"].tokens
    life.kill()


@pytest.mark.parametrize("price", [None, {"input": 1.0, "output": 1.0}])
def test_cap_in_usd_that_cannot_be_held_is_told_at_the_start(
    talk: Make, price: dict[str, float] | None
) -> None:
    one = talk(
        steps(use("bash", command="true"), finish()), {"ann": {"price": price}}, budget={"max_cost_usd": 9}
    )
    assert one.stage.run("ann") == 0, one.stage.log()
    warnings = [line for line in one.stage.lines("ann", "warning") if "max_cost_usd" in line["text"]]
    if price is not None:
        assert warnings == []
        return
    assert [line["text"] for line in warnings] == [blind_cap("test-model")]
    [first, *_] = one.stage.lines("ann", "request")
    assert warnings[0]["seq"] < first["seq"]


def test_half_told_usage_is_completed(talk: Make) -> None:
    told = UNTOLD | {"input_tokens": 500}
    one = talk(steps({"text": "word " * 700, "usage": told}))
    assert one.stage.run("ann") == 0, one.stage.log()
    assert 500 + 900 < spent_by(one.stage.tree)["ann"].tokens < 500 + 1200


@pytest.mark.parametrize("retry_after_s", [None, 0.0])
def test_limit_without_a_time_backs_off(talk: Make, retry_after_s: float | None) -> None:
    plan = steps(finish())

    def script(request: LoopbackRequest) -> ScriptedReply:
        fault = PlannedFault(kind=FaultKind.ERROR, status=429, retry_after_s=retry_after_s)
        return ScriptedReply(fault=fault) if request.number <= 4 else plan(request)

    one = talk(script)
    assert one.stage.run("ann", deadline_s=60) == 0, one.stage.log()
    at_s = [entry["at_s"] for entry in one.server.log.requests()]
    gaps = [later - sooner for sooner, later in pairwise(at_s)]
    assert len(gaps) == 4
    assert all(gap >= least for gap, least in zip(gaps, (0.25, 0.5, 1.0, 2.0), strict=True)), gaps


def test_limits_in_vain() -> None:
    trouble = Trouble(cause=Cause.NOT_UNDERSTOOD, text="odd")
    assert in_vain(trouble, 3) is None
    last = in_vain(trouble, 4)
    assert last is not None and "4 times" in last.text and "odd" in last.text
    assert delay_s(Trouble(cause=Cause.LIMIT, text="", retry_after_s=0.0), 3, chance=1.0) == 2.0


def test_journals_of_before_are_folded_alike() -> None:
    talk = Conversation(task="t", run=1)
    head = {"task": "t", "run": 1}
    block = {"type": "tool_use", "id": "a", "name": "bash", "input": {}}
    talk.take_all(
        [
            {"type": "turn", **head, "n": 0, "role": "user", "content": [{"type": "text", "text": "go"}]},
            {"type": "request", **head, "n": 1, "key": "k"},
            {"type": "block", "key": "k", "index": 0, "block": block, "is_cut_off": True},
            {
                "type": "turn",
                **head,
                "n": 1,
                "role": "assistant",
                "key": "k",
                "blocks": 1,
                "stop_reason": "x",
            },
        ]
    )
    assert talk.bad_inputs == {"a": ""} and talk.uses == [block]
