"""The ready-made profiles with a program that speaks as the real ones do: ends, failures, calls, prompts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lines
import pytest
from lines import PROFILES
from looks import Actor, Make, journal, spent, told, whole
from stage import wait_for

from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase

GEMINI_401 = {
    "type": "result",
    "status": "error",
    "error": {"message": '[API Error: {"error":{"code":401,"message":"no","status":"UNAUTHENTICATED"}}]'},
}

# -- ends


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("after", [{"sleep": 600}, {"noise": 600}])
def test_program_that_stays_after_its_result_is_ended_and_paid_once(
    stage: Make, actor: Actor, profile: str, after: dict[str, Any]
) -> None:
    one = stage({"ann": actor(profile, [*whole(profile), after], linger_s=0.3)})
    assert one.run("ann") == 0, one.log()
    assert one.history("ann").tasks["ann"].result == "the answer"
    assert (len(told(one)), spent(one)) == (1, 1010)


@pytest.mark.parametrize("profile", PROFILES)
def test_agent_that_is_killed_after_the_result_asks_nobody_again(
    stage: Make, actor: Actor, profile: str
) -> None:
    one = stage({"ann": actor(profile, [*whole(profile), {"touch": "said"}, {"sleep": 600}], linger_s=600)})
    life = one.live("ann")
    wait_for(lambda: (one.outside / "said").exists() and journal(one, "turn"), "a result")
    life.kill()
    assert one.run("ann") == 0, one.log()
    assert one.history("ann").tasks["ann"].result == "the answer"
    assert (len(told(one)), spent(one)) == (1, 1010)


def test_broken_tries_of_gemini_do_not_stand_before_its_answer(stage: Make, actor: Actor) -> None:
    """Its stream has the pieces of both tries, its session the second alone."""
    said = [*lines.text("gemini", "a long a"), *lines.text("gemini", "a long answer\n")]
    entries = [
        {"type": "gemini", "content": "before"},
        {"type": "gemini", "content": "a long answer"},
        {"$set": {}},
    ]
    kept = [{"file": ".gemini/tmp/p/chats/session-1.jsonl", "line": entry} for entry in entries]
    one = stage({"ann": actor("gemini", [*lines.begin("gemini"), *said, *kept, *lines.end("gemini")])})
    assert one.run("ann") == 0, one.log()
    assert one.history("ann").tasks["ann"].result == "a long answer"
    assert [entry["text"] for entry in journal(one, "turn")] == ["a long answer"]


@pytest.mark.parametrize("content", ["another answer", "", "the answer", 7])
def test_answer_stands_as_it_came_where_the_session_says_nothing_else(
    stage: Make, actor: Actor, content: object
) -> None:
    kept = {"file": ".gemini/tmp/p/chats/session-1.jsonl", "line": {"type": "gemini", "content": content}}
    one = stage({"ann": actor("gemini", [kept, *whole("gemini")])})
    assert one.run("ann") == 0, one.log()
    assert one.history("ann").tasks["ann"].result == "the answer"


def test_result_of_a_program_that_then_fails_does_not_count(stage: Make, actor: Actor) -> None:
    one = stage({"ann": actor("codex", [*whole("codex", "half"), {"exit": 7}], whole("codex", "all"))})
    assert one.run("ann") == 1
    assert one.run("ann") == 0, one.log()
    assert one.history("ann").tasks["ann"].result == "all"


@pytest.mark.parametrize(
    ("profile", "act"),
    [
        ("gemini", [{"stderr": "not trusted"}, {"exit": 55}]),
        ("gemini", [{"stderr": "Invalid auth method selected."}, {"exit": 41}]),
        ("gemini", [{"stderr": "API key not valid"}, {"exit": 144}]),
        ("gemini", [GEMINI_401, {"sleep": 600}]),  # it may stay after that: no exit code tells the status
        ("codex", [{"type": "turn.failed", "error": {"message": "unexpected status 401 Unauthorized"}}]),
        ("codex", [{"type": "turn.failed", "error": {"message": "Quota exceeded. Check your plan"}}]),
        (
            "opencode",
            [{"type": "error", "error": {"data": {"message": "bad key", "statusCode": 401}}}, {"exit": 1}],
        ),
    ],
)
def test_what_will_never_work_fails_the_task_at_once(
    stage: Make, actor: Actor, profile: str, act: list[dict[str, Any]]
) -> None:
    one = stage({"ann": actor(profile, [*act, {"exit": 1}], linger_s=0.3)})
    one.run("ann")
    assert one.history("ann").tasks["ann"].phase is TaskPhase.FAILED
    assert (len(told(one)), spent(one)) == (1, 0)


@pytest.mark.parametrize(
    ("profile", "act"),
    [
        ("gemini", [{"exit": 173}]),
        ("codex", [{"type": "turn.failed", "error": {"message": "last status: 429 Too Many Requests"}}]),
        ("opencode", [{"type": "error", "error": {"data": {"message": "slow", "statusCode": 429}}}]),
    ],
)
def test_limits_are_waited_out_and_shared(
    stage: Make, actor: Actor, profile: str, act: list[dict[str, Any]]
) -> None:
    agent = actor(profile, [*act, {"exit": 1}], whole(profile), provider="one.example")
    other = actor(profile, whole(profile), provider="one.example")
    one = stage({"ann": agent, "bob": other})
    assert one.run("ann") == 0, one.log()
    [hold] = [json.loads(path.read_text()) for path in one.tree.run_holds.glob("*.json")]
    assert hold["provider"] == "one.example"
    hold["until_s"] += 3600
    one.tree.hold("ann").write_text(json.dumps(hold))
    life = one.live("bob")
    wait_for(lambda: one.status("bob").get("phase") == "paused", "a wait")
    assert life.is_running() and len(told(one)) == 2


def test_what_it_leaves_out_and_says_on_stderr_only_is_a_warning_once(stage: Make, actor: Actor) -> None:
    said = "Security Warning: Skipping system settings file"
    act = [{"stderr": f"{said} A"}, {"stderr": f"{said} A"}, {"stderr": "Ripgrep is not there"}]
    one = stage({"ann": actor("gemini", [*act, *whole("gemini")])})
    assert one.run("ann") == 0, one.log()
    assert [entry["text"] for entry in journal(one, "warning") if said in entry["text"]] == [
        f"{Path(sys.executable).name} says: {said} A"
    ]
    assert "Ripgrep" not in str(journal(one, "warning"))


@pytest.mark.parametrize("wrong", [{"failures": [{"text": "(", "is": "final"}]}, {"warnings": ["("]}])
def test_pattern_that_is_none_is_a_clear_error(stage: Make, actor: Actor, wrong: dict[str, Any]) -> None:
    one = stage({"ann": actor("gemini", whole("gemini"), **wrong)})
    one.run("ann")
    error = str(one.history("ann").tasks["ann"].error)
    assert f"'{next(iter(wrong))}' has the pattern '('" in error and "missing )" in error


# -- calls


@pytest.mark.parametrize("profile", PROFILES)
def test_calls_of_every_process_are_on_record_though_their_ids_are_alike(
    stage: Make, actor: Actor, profile: str
) -> None:
    def act(command: str) -> list[dict[str, Any]]:
        begun = [*lines.begin(profile), *lines.call_begins(profile, "item_1", command)]
        return [*begun, *lines.call_ends(profile, "item_1", command, f"did {command}")]

    first = [*act("one"), {"touch": "one"}, {"wait": "go"}, *lines.text(profile, "a"), *lines.end(profile)]
    last = [*act("two"), *lines.text(profile, "b"), *lines.end(profile, tokens=2000)]
    one = stage({"ann": actor(profile, first, last)})
    life = one.live("ann")
    one.wait_word("told")
    append_operator_message(one.tree, "ann", text="more")
    (one.outside / "go").touch()
    assert life.wait() == 0, one.log()
    calls, results = journal(one, "tool_call"), journal(one, "tool_result")
    assert [json.dumps(call["input"]).find("one") > 0 for call in calls] == [True, False]
    assert [result["content"] for result in results] == ["did one", "did two"]
    assert len({call["id"] for call in calls}) == 2
    assert {call["program_id"] for call in calls} == {"item_1"}


@pytest.mark.parametrize("profile", PROFILES)
def test_failed_call_is_recorded_as_failed(stage: Make, actor: Actor, profile: str) -> None:
    act = [
        *lines.begin(profile),
        *lines.call_begins(profile, "i", "false"),
        *lines.call_ends(profile, "i", "false", "oops", code=3),
        *lines.text(profile, "x"),
        *lines.end(profile),
    ]
    one = stage({"ann": actor(profile, act)})
    assert one.run("ann") == 0, one.log()
    [result] = journal(one, "tool_result")
    assert (result["is_error"], result["content"]) == (True, "oops")


def test_failed_tool_of_the_team_and_warnings_of_codex_are_told(stage: Make, actor: Actor) -> None:
    item = {"id": "item_1", "type": "mcp_tool_call", "tool": "send_message", "arguments": {"to": "x"}}
    failed = {**item, "status": "failed", "result": None, "error": {"message": "no such agent"}}
    act = [
        *lines.begin("codex"),
        {"type": "item.completed", "item": {"id": "item_0", "type": "error", "message": "old model"}},
        {"type": "item.started", "item": {**item, "status": "in_progress"}},
        {"type": "item.completed", "item": failed},
        *lines.text("codex", "x"),
        *lines.end("codex"),
    ]
    one = stage({"ann": actor("codex", act)})
    assert one.run("ann") == 0, one.log()
    [result] = journal(one, "tool_result")
    assert (result["is_error"], result["content"]) == (True, "no such agent")
    assert "warning: old model" in one.stdout("ann")


@pytest.mark.parametrize("profile", ["codex", "gemini"])
def test_interrupted_call_is_on_record_and_told_once(stage: Make, actor: Actor, profile: str) -> None:
    begun = [*lines.begin(profile), *lines.call_begins(profile, "item_1", "sleep 9"), {"sleep": 600}]
    one = stage({"ann": actor(profile, begun, whole(profile, "first"), whole(profile, "second"))})
    life = one.live("ann")
    wait_for(lambda: journal(one, "tool_call"), "a call")
    life.kill()
    assert one.run("ann") == 0, one.log()
    [result] = journal(one, "tool_result")
    assert result["is_interrupted"] and "outcome unknown" in result["content"]
    assert "sleep 9" in told(one)[1] and "outcome unknown" in told(one)[1]
    assert sum("outcome unknown" in prompt for prompt in told(one)) == 1


# -- what it is told, and how it reaches its team


@pytest.mark.parametrize("profile", PROFILES)
def test_prompt_arrives_word_for_word_however_long_and_whatever_it_begins_with(
    stage: Make, actor: Actor, profile: str
) -> None:
    description = 'say "it" \\ $HOME `x`\n' + "long " * 40_000
    tasks = {"t": {"agent": "ann", "description": description}}
    one = stage({"ann": actor(profile, whole(profile), role='- be "careful"')}, tasks)
    assert one.run("ann") == 0, one.log()
    assert told(one)[0].startswith('- be "careful"\n') and description in told(one)[0]


@pytest.mark.parametrize("profile", PROFILES)
def test_team_is_reached_by_mcp(stage: Make, actor: Actor, profile: str) -> None:
    one = stage({"ann": actor(profile, whole(profile), team=True)})
    assert one.run("ann") == 0, one.log()
    argv, environment = json.loads(one.words("argv")[0]), json.loads(one.words("environment")[0])
    if profile == "codex":
        text = " ".join(argv)
        assert 'mcp_servers.maos.default_tools_approval_mode="approve"' in text
    elif profile == "gemini":
        settings = json.loads((Path(environment["GEMINI_CLI_HOME"]) / ".gemini/settings.json").read_text())
        assert settings["mcpServers"]["maos"]["trust"]
        text = json.dumps(settings)
    else:
        text = Path(environment["OPENCODE_CONFIG"]).read_text()
        assert json.loads(text)["mcp"]["maos"]["enabled"]
    assert str(one.root) in text and "maos_sup" in text
    assert "MCP server `maos`" in told(one)[0]


def test_settings_of_the_user_are_kept_beside_those_of_the_team(stage: Make, actor: Actor) -> None:
    one = stage({"ann": actor("gemini", whole("gemini"), team=True, env={"GEMINI_API_KEY": "k"})})
    path = one.tree.agent("ann").session / "home/.gemini/settings.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"ui": {"theme": "x"}, "mcpServers": {"mine": {"command": "y"}}}')
    assert one.run("ann") == 0, one.log()
    settings = json.loads(path.read_text())
    assert settings["ui"] == {"theme": "x"} and set(settings["mcpServers"]) == {"mine", "maos"}
    assert settings["security"]["auth"]["selectedType"] == "gemini-api-key"


@pytest.mark.parametrize("profile", PROFILES)
def test_program_is_told_the_folder_that_it_is_in(stage: Make, actor: Actor, profile: str) -> None:
    one = stage({"ann": actor(profile, whole(profile))})
    assert one.run("ann") == 0, one.log()
    assert json.loads(one.words("environment")[0])["PWD"] == str(one.tree.agent("ann").workspace)
