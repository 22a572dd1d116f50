"""`show`, `results`, `cost`, `messages --since`: what is on record is read back, whole, in one time zone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_trees import new_tree

from maos_sup.cli.messages import moment_of
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree

Call = Callable[..., Any]
HERE = {"task": "count", "run": 1}
CALL = {"type": "tool_use", "id": "u1", "name": "bash", "input": {"x": 1}}
GIVEN = {"id": "u1", "name": "bash", "content": "hello\x1b[2J\nworld", "elapsed_s": 0.2}
TALK: list[tuple[str, dict[str, Any]]] = [
    ("task", {**HERE, "phase": "running"}),
    ("turn", {**HERE, "n": 1, "role": "user", "content": [{"type": "text", "text": "Go"}]}),
    ("request", {**HERE, "key": "k1", "purpose": "turn"}),
    ("block", {"key": "k1", "index": 0, "block": {"type": "text", "text": "I look.\nThen I count."}}),
    ("block", {"key": "k1", "index": 1, "block": CALL}),
    ("turn", {**HERE, "role": "assistant", "key": "k1", "blocks": 2, "cost_usd": 0.0125, "tokens": 90}),
    ("tool_call", {**HERE, "id": "u1", "name": "bash", "token": "t"}),
    ("tool_result", {**HERE, **GIVEN}),
    ("task", {**HERE, "phase": "done", "result": {"lines": 3, "text": "x" * 5000}}),
]


@pytest.fixture
def talked(tree: Tree) -> Tree:
    """Alice's journal has a conversation with one call."""
    attempt = begin_attempt(tree, "alice", recall=recall(tree, "alice"), settings={})
    for type_, fields in TALK:
        attempt.journal.commit(type_, fields)
    attempt.journal.close()
    attempt.paths.stdout.write_text("> bash {}\n")
    return tree


def test_a_transcript_has_what_was_said_called_and_given(call: Call, talked: Tree) -> None:
    out = call("show", talked.root.name, "alice").out
    parts = ("Go", "0.0125 USD, 90 tokens", "I look.", '> bash {"x":1}', "hello", "world")
    places = [out.index(part) for part in parts]
    assert places == sorted(places) and "\x1b" not in out
    assert "bash gave in 0.2 s" in out and "task count done" in out


def test_raw_output_is_shown_on_demand_and_one_agent_is_wanted(call: Call, talked: Tree) -> None:
    assert call("show", talked.root.name, "alice", "--raw").out == "> bash {}\n"
    refused = call("show", talked.root.name)
    assert refused.code == 2 and "alice, bob" in refused.err


def test_results_are_whole_and_alone_for_programs(call: Call, talked: Tree) -> None:
    result = json.loads(call("results", talked.root.name, "count").out)
    assert result["lines"] == 3 and len(result["text"]) == 5000
    assert call("results", talked.root.name, "report").out == ""
    assert call("results", talked.root.name, "nobody").code == 2


def test_cost_is_told_by_task(call: Call, talked: Tree) -> None:
    told = json.loads(call("cost", talked.root.name, "--json").out)
    assert told["tasks"] == {"count": {"cost_usd": 0.0125, "tokens": 90, "calls": 1, "unpriced": 0}}
    out = call("cost", talked.root.name).out
    assert "count  0.0125  90" in out and "total: " in out
    assert "AGENT" not in call("cost", "--by", "task", "--by", "day").out


def test_cost_of_all_orchestrations_is_told_and_what_is_unreadable_left_out(
    call: Call, talked: Tree, home: Path
) -> None:
    other = new_tree(home, "20261122-0142-other-aaaa")
    attempt = begin_attempt(other, "bob", recall=recall(other, "bob"), settings={})
    attempt.journal.commit("turn", {"role": "assistant", "key": "k", "cost_usd": 1.0, "tokens": 10})
    attempt.journal.close()
    free = new_tree(home, "20261123-0142-free-bbbb")
    broken = new_tree(home, "20261124-0142-broken-cccc")
    broken.orchestration_spec.write_text("{")
    said = call("cost", "--home", "--by", "agent")
    assert said.code == 0 and f"{broken.root.name}: left out: " in said.err
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert f"{other.root.name} bob 1.00 10 1" in lines
    assert lines[-1] == "total: 1.01 USD, 100 tokens in 2 orchestrations; 1 more cost nothing"
    told = json.loads(call("cost", talked.root.name, other.root.name, "--json").out)
    assert told["total"]["cost_usd"] == 1.0125 and len(told["orchestrations"]) == 2
    assert free.root.name in call("cost", "--home", "--json").out
    assert call("cost", "--home", free.root.name).code == 2


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
def test_a_printed_time_is_taken_back(
    call: Call, tree: Tree, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    append_operator_message(tree, "alice", text="focus on auth")
    printed = call("messages", tree.root.name).out.split()[0]
    assert printed.endswith("Z")
    for since in (printed, printed[11:]):
        assert "focus on auth" in call("messages", tree.root.name, "--since", since).out
    monkeypatch.undo()
    time.tzset()


def test_a_time_of_day_is_the_last_one() -> None:
    now = datetime(2026, 11, 29, 3, 0, 0, tzinfo=UTC)
    assert moment_of("02:00:00Z", now=now) == "2026-11-29T02:00:00.000000Z"
    assert moment_of("04:00:00Z", now=now) == "2026-11-28T04:00:00.000000Z"


def test_a_result_that_a_program_told_by_a_line_is_printed(call: Call, tree: Tree) -> None:
    attempt = begin_attempt(tree, "alice", recall=recall(tree, "alice"), settings={})
    attempt.journal.commit("task", {"task": "count", "run": 1, "phase": "running"})
    attempt.journal.commit("result", {"value": {"files": 113}})
    attempt.journal.close()
    attempt = begin_attempt(tree, "alice", recall=recall(tree, "alice"), settings={})  # it went on
    attempt.journal.commit("task", {"task": "count", "run": 1, "phase": "done"})
    attempt.journal.close()
    assert json.loads(call("results", "--json").out) == {"results": {"count": {"files": 113}}}
    assert call("results", "count").out == call("results", tree.root.name, "count").out != ""
    assert call("results", "nobody").err == "maos-sup: no task 'nobody'; use count or report\n"
    assert call("results", "a", "b", "c").code == 2
