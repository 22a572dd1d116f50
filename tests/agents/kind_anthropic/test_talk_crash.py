"""A kill at any instant: no recorded answer is bought again, no tool run twice, every message seen once."""

from __future__ import annotations

import os
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, wait_for
from talking import Talk, finish, steps, use

from maos_sup.loopback.request import LoopbackRequest
from state_layout.files.chain import Line
from state_layout.files.journal import Reader
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase

Make = Callable[..., Talk]
ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "10"))
TURNS = 3
NOTES = 4


def plan(pace: dict[str, float] | None = None) -> Any:
    """Three commands that leave a word outside, messages, a state; then the result."""
    pace = pace or {}
    replies: list[Any] = []
    for n in range(TURNS):
        tools = [
            {"name": "bash", "input": {"command": f"echo {n} >> ran; sleep 0.01"}},
            {"name": "send_message", "input": {"to": "bob", "text": f"word {n}"}},
            {"name": "save_state", "input": {"key": "n", "value": n}},
        ]
        replies.append({"text": f"I do step {n} of a few, word by word.", "tools": tools, "pace": pace})
    return steps(*replies, {**finish({"n": TURNS}), "pace": pace})


def crash_talk(talk: Make, pace: dict[str, float] | None = None) -> Talk:
    one = talk(plan(pace), {"ann": {}, "bob": {}}, tasks={"t": {"agent": "ann"}})
    for n in range(NOTES):
        append_operator_message(one.stage.tree, "ann", text=f"note {n}")
    return one


def recorded(one: Talk) -> Counter[int]:
    """By turn: how many recorded answers."""
    return Counter(line["n"] for line in one.all_lines("ann", "turn") if line["role"] == "assistant")


def assert_all_once(one: Talk, *, kills: int) -> None:
    stage = one.stage
    outcome = stage.history("ann").tasks["t"]
    assert (outcome.phase, outcome.result) == (TaskPhase.DONE, {"n": TURNS}), (outcome, stage.log())
    ran = (stage.tree.agent("ann").workspace / "ran").read_text().split()
    assert all(count == 1 for count in Counter(ran).values()), ran
    results = [str(line["content"]) for line in one.all_lines("ann", "tool_result")]
    unknown = [result for result in results if "outcome unknown" in result]
    assert len(ran) + len(unknown) >= TURNS
    assert [mail["text"] for mail in stage.mail("bob", "ann")] == [f"word {n}" for n in range(TURNS)]
    assert set(recorded(one).values()) == {1}
    last = str(one.messages())
    assert [last.count(f"note {n}") for n in range(NOTES)] == [1] * NOTES
    assert stage.history("ann").state == {"n": TURNS - 1}
    assert not [entry for entry in one.server.log.entries if entry["what"] == "refused"]
    asked = Counter(entry["turn"] for entry in one.server.log.requests())
    assert sum(asked.values()) <= TURNS + 1 + kills


def assert_never_bought_again(one: Talk, before: Counter[int], asked_before: int) -> None:
    """No request after a life began asks for an answer that was recorded before it began."""
    later = one.server.log.requests()[asked_before:]
    for entry in later:
        assert entry["turn"] >= len(before), (entry["turn"], before)


def test_killed_before_each_operation_on_the_disk(talk: Make) -> None:
    """Every commit point: each life dies one operation later than the one before it."""
    one = crash_talk(talk)
    kills, operation = 0, 4
    while True:
        before, asked = recorded(one), len(one.bought())
        if not one.stage.die_at("ann", operation):
            break
        assert_never_bought_again(one, before, asked)
        kills += 1
        operation += 1
        if kills > 150:
            raise AssertionError(one.stage.log())
    assert kills > 20
    assert_all_once(one, kills=kills)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_random_instants(talk: Make, seed: int) -> None:
    chance = random.Random(seed)
    one = crash_talk(talk, {"chunk_chars": 8, "chunk_delay_s": 0.01})
    kills = 0
    for _ in range(4):
        before, asked = recorded(one), len(one.bought())
        life = one.stage.live("ann")
        end_s = time.monotonic() + chance.uniform(0.05, 0.8)
        wait_for(lambda end_s=end_s: time.monotonic() >= end_s, "the instant")
        life.kill() if life.is_running() else None
        kills += 1
        assert_never_bought_again(one, before, asked)
    assert one.stage.run("ann") == 0, one.stage.log()
    assert_all_once(one, kills=kills)


def test_running_command_is_told_as_unknown_and_not_run_again(talk: Make) -> None:
    one = talk(steps(use("bash", command="echo begun >> f; sleep 30; echo late >> f"), finish()))
    workspace = one.stage.tree.agent("ann").workspace
    life = one.stage.live("ann")
    wait_for(lambda: (workspace / "f").exists(), "the command")
    life.kill()
    assert one.stage.run("ann") == 0, one.stage.log()
    told = one.messages()[-1]["content"][0]
    assert told["is_error"] is True and "outcome unknown" in told["content"]
    assert (workspace / "f").read_text() == "begun\n"


def test_view_that_was_interrupted_is_done_again(talk: Make) -> None:
    one = talk(steps(use("read_messages", wait_s=20), finish()))
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.lines("ann", "tool_call") if one.bought() else [], "the call")
    life.kill()
    append_operator_message(one.stage.tree, "ann", text="at last")
    assert one.stage.run("ann") == 0, one.stage.log()
    assert "at last" in str(one.messages()[-1])


def test_conversation_goes_on_in_a_copy_of_the_tree(talk: Make, tmp_path: Path) -> None:
    one = crash_talk(talk, {"chunk_chars": 8, "chunk_delay_s": 0.02})
    life = one.stage.live("ann")
    wait_for(lambda: recorded(one)[3] if one.bought() else 0, "two answers")
    shutil.copytree(one.stage.root, tmp_path / "elsewhere", ignore_dangling_symlinks=True)
    life.kill()
    asked = len(one.bought())
    copy = object.__new__(Stage)
    copy.__dict__.update(one.stage.__dict__)
    copy.tree = type(one.stage.tree)(tmp_path / "elsewhere")
    copy.root, copy.lives = copy.tree.root, []
    shutil.rmtree(copy.tree.run)
    copy.pretend_supervised()
    before = copy.history("ann")
    assert before.tasks["t"].phase is TaskPhase.RUNNING
    assert copy.run("ann") == 0, copy.log()
    assert copy.history("ann").tasks["t"].result == {"n": TURNS}
    assert all(entry["turn"] >= 2 for entry in one.server.log.requests()[asked:])


def test_no_absolute_path_or_pid_in_what_the_conversation_records(talk: Make) -> None:
    one = crash_talk(talk)
    assert one.stage.run("ann") == 0, one.stage.log()
    root = str(one.stage.root)
    lines: list[Line] = Reader(one.stage.tree.agent("ann").attempt(1).journal).read()
    found = [line.raw for line in lines if root.encode() in line.raw or re.search(rb'"pid"', line.raw)]
    assert found == []


def test_summing_up_survives_a_kill_at_each_operation(talk: Make) -> None:
    def script(request: LoopbackRequest) -> Any:
        if "about to be shortened" in request.last_user:
            return steps({"text": "My notes."})(request)
        if "My notes" in request.all_text:
            return steps(finish("after notes"))(request)
        return steps(use("bash", command="echo x >> ran; seq 3000"))(request)

    one = talk(script, {"ann": {"context_tokens": 6000, "compact_at": 0.9}})
    operation = 4
    while one.stage.die_at("ann", operation):
        operation += 1
    assert one.stage.history("ann").tasks["ann"].result == "after notes"
    assert len(one.all_lines("ann", "compacted")) == 1
