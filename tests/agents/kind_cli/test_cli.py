"""Kind `cli` with a small real command line: prompts, sessions, usage, success, kills, budgets."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, wait_for

from maos_sup.agents.kinds.cli.parser import meanings
from maos_sup.agents.kinds.cli.profile import PROFILES, Profile, read_profile
from maos_sup.agents.kinds.cli.profile import RULE as RULE_SHAPE
from maos_sup.agents.kinds.shared.running import session_lock
from state_layout.ledger import spent_by
from state_layout.lives.attempts import all_lines
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase
from state_layout.shapes.shape import Unknown

Make = Callable[..., Stage]
CHATTER = [sys.executable, str(Path(__file__).with_name("chatter.py"))]
ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "6"))
PARSER = [
    {"when": {"type": "hello"}, "is": "session", "session": "session"},
    {"when": {"type": "said"}, "is": "text", "text": "text"},
    {"when": {"type": "run"}, "is": "tool_call", "id": "id", "name": "tool", "input": "with_"},
    {"when": {"type": "ran"}, "is": "tool_result", "id": "id", "content": "output"},
    {"when": {"type": "used"}, "is": "usage", "input_tokens": "tokens.in", "output_tokens": "tokens.out"},
    {"when": {"type": "bye"}, "is": "result", "text": "text"},
    {"when": {"type": "failed"}, "is": "error", "text": "why"},
]
PRICE = {"input": 10.0, "output": 10.0}


def chatter(*, env: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """An agent that is the command line beside this file."""
    own = {
        "kind": "cli",
        "start_argv": [*CHATTER, "start", "-"],
        "resume_argv": [*CHATTER, "resume", "{session}"],
        "parser": PARSER,
        "success": "both",
        "price": PRICE,
        "home_env": "CHATTER_HOME",
        "env": env or {},
    }
    return {**own, **more}


def lines_of(stage: Stage, *types: str) -> list[dict[str, Any]]:
    """The journal lines of these types that count, of all lives."""
    lines = (line.fields() for line in all_lines(stage.tree, "ann"))
    return [fields for fields in lines if fields["type"] in types]


def session(stage: Stage) -> dict[str, Any]:
    """Read what the command line itself knows of its session."""
    [path] = (stage.tree.agent("ann").session / "home").glob("*.json")
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def told(stage: Stage) -> list[str]:
    """The prompts that the session was told, in order."""
    return list(session(stage)["told"])


@pytest.mark.parametrize("usage", ["delta", "cumulative"])
def test_answers_calls_and_costs_are_on_record_and_the_last_word_is_the_result(
    stage: Make, usage: str
) -> None:
    one = stage({"ann": chatter(usage=usage, env={"CHATTER_USAGE": usage}, role="You count.")})
    assert one.run("ann") == 0, one.log()
    history = one.history("ann")
    assert (history.tasks["ann"].phase, history.tasks["ann"].result) == (TaskPhase.DONE, "the end")
    assert (history.tokens, round(history.cost_usd, 6)) == (500, 0.005)
    assert spent_by(one.tree)["ann"].tokens == 500
    assert one.words("ran") == ["0", "1", "2", "3"]
    turns, calls, results = (lines_of(one, kind) for kind in ("turn", "tool_call", "tool_result"))
    assert [turn["text"] for turn in turns][:2] == ["Now step 0.", "Now step 1."]
    assert [call["input"] for call in calls] == [{"step": step} for step in range(4)]
    assert results[3]["content"] == "step 3 done"
    assert history.last_discovery == "1 prompts"
    assert "You count." in told(one)[0] and "Do ann" in told(one)[0]
    assert "Now step 2." in one.stdout("ann") and "chatter: not an event" in one.stderr("ann")


@pytest.mark.parametrize("prompt", ["arg", "file"])
def test_prompt_is_an_argument_or_a_file(stage: Make, prompt: str) -> None:
    argv = [*CHATTER, "start", "-"] + (["-"] if prompt == "file" else [])
    one = stage({"ann": chatter(prompt=prompt, start_argv=argv, env={"CHATTER_STEPS": "0"})})
    assert one.run("ann") == 0, one.log()
    assert "Do ann" in told(one)[0]


def test_session_of_our_own_choice_and_the_options_before_the_prompt() -> None:
    profile = Profile.of({"profile": "gemini", "model": "flash", "args": ["--debug"]}, agent="ann")
    argv = profile.argv(session="S", prompt="P", is_resumed=False)
    assert argv[:4] == ["gemini", "--debug", "--model", "flash"] and "S" in argv
    assert profile.argv(session="S", prompt="P", is_resumed=True)[-4:] == ["--resume", "S", "-p", ""]


def test_failure_is_told_in_its_own_words(stage: Make) -> None:
    one = stage({"ann": chatter()}, {"t": {"agent": "ann", "description": "FAIL"}})
    assert one.run("ann") == 1
    assert one.exit("ann")["detail"].endswith("ended with exit code 3 without a result: no more credit")


@pytest.mark.parametrize(("success", "line"), [("both", "true"), ("result", "exit 3")])
def test_success_is_what_the_profile_says(stage: Make, success: str, line: str) -> None:
    argv = ["/bin/sh", "-c", f'cat > /dev/null; echo \'{{"type":"said","text":"hm"}}\'; {line}']
    one = stage({"ann": chatter(start_argv=argv, success=success)})
    assert one.run("ann") == 1
    assert "without a result" in one.exit("ann")["detail"]


def test_messages_are_told_in_the_session_and_acknowledged(stage: Make) -> None:
    one = stage({"ann": chatter(env={"CHATTER_PAUSE_S": "0.2"})})
    append_operator_message(one.tree, "ann", text="before")
    life = one.live("ann")
    wait_for(lambda: one.words("ran"), "a step")
    append_operator_message(one.tree, "ann", text="after")
    assert life.wait() == 0, one.log()
    prompts = told(one)
    assert ["before" in prompts[0], "after" in prompts[0]] == [True, False]
    assert "after" in prompts[1] and "Do ann" not in prompts[1]
    assert one.history("ann").received == 2


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_random_instants(stage: Make, seed: int) -> None:
    chance = random.Random(seed)
    one = stage({"ann": chatter(usage="cumulative", env={"CHATTER_USAGE": "cumulative"})})
    for _ in range(3):
        life = one.live("ann")
        end_s = time.monotonic() + chance.uniform(0.05, 0.6)
        wait_for(lambda end_s=end_s, life=life: time.monotonic() >= end_s or not life.is_running(), "it")
        life.kill() if life.is_running() else None
    if one.history("ann").tasks.get("ann") is None or one.history("ann").tasks["ann"].result is None:
        assert one.run("ann") == 0, one.log()
    history = one.history("ann")
    assert history.tasks["ann"].result == "the end"
    assert max(Counter(one.words("ran")).values(), default=1) == 1
    turns = [turn["text"] for turn in lines_of(one, "turn") if turn["text"].startswith("Now")]
    assert max(Counter(turns).values()) == 1
    unknown = [prompt for prompt in told(one) if "outcome unknown" in prompt]
    assert len(one.words("ran")) + len(unknown) >= 3
    used = session(one)["used"]  # 600 where it was killed after its last answer and asked for it again
    assert used >= 500 and sum(turn["tokens"] for turn in lines_of(one, "turn")) == used


def test_used_up_budget_ends_it_between_answers_and_a_higher_one_goes_on(stage: Make) -> None:
    env = {"CHATTER_PAUSE_S": "0.4", "CHATTER_STEPS": "6", "CHATTER_TOKENS": "4000"}  # an answer: 0.4 USD
    agents = {"ann": chatter(env=env, price={"input": 100.0, "output": 0.0})}
    one = stage(agents, budget={"max_cost_usd": 2.0})
    life = one.live("ann")
    wait_for(lambda: one.status("ann").get("phase") == "paused" or not life.is_running(), "a pause")
    assert "raise max_cost_usd" in str(one.status("ann")["reason"]), one.log()
    assert one.history("ann").cost_usd == pytest.approx(1.6)
    one.edit("orchestration.json", budget={"max_cost_usd": 9.0})
    assert life.wait() == 0, one.log()
    assert one.history("ann").tasks["ann"].result == "the end"
    assert max(Counter(one.words("ran")).values()) == 1


def test_program_that_says_nothing_we_know_is_done_by_its_exit_code(stage: Make) -> None:
    argv = ["/bin/sh", "-c", "cat >> $OUT/told; echo not json"]
    agent = {"kind": "cli", "start_argv": argv, "sandbox": "none"}
    one = stage({"ann": agent})
    append_operator_message(one.tree, "ann", text="before")
    assert one.run("ann") == 0, one.log()
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE
    assert one.history("ann").received == 1
    assert len([line for line in one.words("told") if "<task id=" in line]) == 1


def test_two_processes_do_not_work_on_one_session(stage: Make) -> None:
    one = stage({"ann": chatter()})
    session = one.tree.agent("ann").session
    session.mkdir(exist_ok=True)
    held = session_lock(session)
    try:
        assert one.run("ann") == 1
        assert ".maos-lock is held: another process works on this session" in one.exit("ann")["detail"]
    finally:
        os.close(held)
    assert one.run("ann") == 0, one.log()


def test_missing_command_line_and_missing_program_are_clear_errors(stage: Make) -> None:
    one = stage({"ann": {"kind": "cli"}, "bob": chatter(start_argv=["no-such-agent"])})
    assert one.run("ann") == one.run("bob") == 1
    assert "give 'profile' (one of codex, gemini, opencode) or 'start_argv'" in one.exit("ann")["detail"]
    assert "cannot start 'no-such-agent': not found" in one.exit("bob")["detail"]


@pytest.mark.parametrize("name", PROFILES)
def test_ready_profiles_are_in_form(name: str) -> None:
    profile = Profile.of({"profile": name, "model": "m"}, agent="ann")
    for rule in profile.parser:
        assert [*RULE_SHAPE.faults(dict(rule), (), unknown=Unknown.REFUSED)] == []
    assert profile.argv(session="S", prompt="P", is_resumed=True)[0] == name
    assert read_profile(name)["success"] == "both"


CODEX = [
    ({"type": "thread.started", "thread_id": "t1"}, [("session", {"session": "t1"})]),
    (
        {"type": "item.completed", "item": {"id": "i", "type": "agent_message", "text": "hi"}},
        [("text", {"text": "hi"})],
    ),
    (
        {
            "type": "turn.completed",
            "usage": {"input_tokens": 9, "cached_input_tokens": 4, "output_tokens": 2},
        },
        [("result", {}), ("usage", {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 2})],
    ),
    ({"type": "turn.failed", "error": {"message": "no"}}, [("error", {"text": "no"})]),
    ({"type": "item.updated", "item": {}}, []),
]


@pytest.mark.parametrize(("line", "expected"), CODEX)
def test_lines_of_codex_mean_what_they_say(line: dict[str, Any], expected: list[Any]) -> None:
    found = meanings(line, Profile.of({"profile": "codex"}, agent="ann").parser)
    assert [(meaning.what, dict(meaning.values)) for meaning in found] == expected
