"""The notification command: told of each event once, whoever is killed; its failures are notes, no more."""

from __future__ import annotations

import json
from typing import Any

from orchestra import Orchestra
from processes import kill

from maos_sup.loopback.reply import say
from maos_sup.loopback.server import LoopbackServer

TELL = {"command": ["sh", "-c", 'cat >> "$OUT/told"; echo "$MAOS_EVENT $MAOS_EVENT_TASK" >> "$OUT/names"']}
ASKING = 'maos-sup agent ask "May I?"'


def told(orchestra: Orchestra) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (orchestra.word("told") or "").splitlines()]


def test_people_are_told_of_questions_failures_and_the_end(orchestra: Orchestra) -> None:
    orchestra.start(
        {"ann": ASKING, "bob": {"kind": "command", "shell": "exit 4", "restart": {"max": 0}}}, notify=TELL
    )
    orchestra.wait(lambda: len(told(orchestra)) == 2, "question and failure told")
    events = {event["event"]: event for event in told(orchestra)}
    question = orchestra.status()["questions"][0]
    assert events["question"]["question"] == question["id"]
    assert (events["question"]["agent"], events["question"]["text"]) == ("ann", "May I?")
    assert events["task_failed"]["task"] == "bob"
    assert "exit code 4" in events["task_failed"]["text"]
    orchestra.do("answer", question["id"], "yes")
    orchestra.wait_rest("failed")
    assert [event["event"] for event in told(orchestra)][2:] == ["failed"]
    assert sorted((orchestra.word("names") or "").splitlines()) == [
        "failed ",
        "question ann",
        "task_failed bob",
    ]
    assert orchestra.status()["notes"] == []


def test_nobody_is_told_twice_by_another_supervisor(orchestra: Orchestra) -> None:
    orchestra.start({"ann": ASKING}, notify=TELL)
    orchestra.wait(lambda: len(told(orchestra)) == 1, "the question told")
    orchestra.wait(lambda: orchestra.agent("ann")["phase"] == "asking", "ann asks")
    for _ in range(2):
        before = orchestra.supervisor()
        assert before is not None
        kill(before)
        orchestra.resume()
        orchestra.wait(lambda: orchestra.supervisor() not in (None, before), "another supervisor")  # noqa: B023
    orchestra.do("answer", orchestra.status()["questions"][0]["id"], "yes")
    orchestra.wait_rest("done")
    assert [event["event"] for event in told(orchestra)] == ["question", "done"]
    orchestra.assert_sound()


def test_a_command_that_fails_is_a_note_and_stops_nothing(orchestra: Orchestra) -> None:
    orchestra.run({"ann": "true"}, notify={"command": ["sh", "-c", "echo no network >&2; exit 7"]})
    notes = orchestra.wait_rest("done")["notes"]
    assert any("failed: exit code 7: no network" in note for note in notes)


def test_a_command_that_is_not_there_is_a_note(orchestra: Orchestra) -> None:
    orchestra.run({"ann": "true"}, notify={"command": ["no-such-program"]})
    notes = orchestra.wait_rest("done")["notes"]
    assert any("cannot start 'no-such-program'" in note for note in notes)


def test_a_used_up_budget_is_told_once(orchestra: Orchestra) -> None:
    price = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}
    with LoopbackServer(lambda _: say("never")) as server:
        model = {"kind": "anthropic", "model": "test-model", "base_url": server.url, "price": price}
        orchestra.start({"ann": model}, notify=TELL, budget={"max_cost_usd": 0.000001})
        orchestra.wait(lambda: told(orchestra), "the budget told")
        event = told(orchestra)[0]
        assert (event["event"], event["agent"], event["task"]) == ("budget", "ann", "ann")
        assert event["text"].startswith("budget of all agents used up")
        orchestra.do("set", "budget.max_cost_usd", "1")
        orchestra.wait_rest("done")
    assert [event["event"] for event in told(orchestra)] == ["budget", "done"]
