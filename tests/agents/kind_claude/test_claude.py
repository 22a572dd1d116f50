"""The real Claude Code works on its task: tools, messages, the team's tools, approvals, limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coding import DEADLINE_S, Coding, bash, steps
from processes import can_bubblewrap
from stage import wait_for

from maos_sup.agents.sandbox import landlock
from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from state_layout.ledger import spent_by
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]
SANDBOXES = [
    pytest.param("landlock", marks=pytest.mark.skipif(not landlock.abi(), reason="no Landlock here")),
    pytest.param("bubblewrap", marks=pytest.mark.skipif(not can_bubblewrap(), reason="no bwrap works here")),
]


def tool(name: str, **input_: Any) -> dict[str, Any]:
    return {"type": "tool_use", "name": name, "input": input_}


def test_end_of_turn_is_the_end_of_the_task_and_its_text_the_result(code: Make) -> None:
    one = code(steps(bash("echo made > f; cat f"), say("It is 42.\n\ndiscovery: the answer")))
    assert one.run() == 0, one.told()
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, outcome.result) == (TaskPhase.DONE, "It is 42.\n\ndiscovery: the answer")
    assert (one.stage.tree.agent("ann").workspace / "f").read_text() == "made\n"
    turns, calls, results = (one.all_lines("ann", kind) for kind in ("turn", "tool_call", "tool_result"))
    assert (turns[0]["text"], len(turns)) == ("I run it.", 2)
    assert (calls[0]["name"], results[0]["content"]) == ("Bash", "made")
    history = one.stage.history("ann")
    assert history.cost_usd > 0 and history.last_discovery == "the answer"
    assert [mail["text"] for mail in one.stage.mail("all", "ann")] == ["the answer"]
    assert "It is 42." in one.stage.stdout("ann")


def test_team_tools_are_connected_and_messages_leave_once(code: Make) -> None:
    one = code(
        steps(
            ScriptedReply(
                content=(
                    tool("mcp__maos__send_message", to="bob", text="hello"),
                    tool("mcp__maos__report_discovery", text="a bug"),
                )
            ),
            say("told"),
        ),
        {"ann": {"sandbox": "landlock" if landlock.abi() else "none"}, "bob": {}},
    )
    assert one.run() == 0, one.told()
    assert [mail["text"] for mail in one.stage.mail("bob", "ann")] == ["hello"]
    assert one.stage.history("ann").last_discovery == "a bug"
    assert "mcp__maos__ask_human" in str(one.bodies()[0]["tools"])


def test_without_the_team_server_connected_the_attempt_fails_with_one_clear_error(code: Make) -> None:
    one = code(steps(say("never")), {"ann": {"env": {"PYTHONHOME": "/nonexistent"}}})
    assert one.run() == 1
    assert one.bodies() == []
    assert "MCP server 'maos' of the team is failed, not connected" in one.stage.exit("ann")["detail"]


def test_message_that_arrives_while_it_works_is_told_once(code: Make) -> None:
    one: Coding

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.turn < 2:
            append_operator_message(one.stage.tree, "ann", text=f"note {request.turn} <b>")
        return plan(request)

    plan = steps(bash("sleep 0.3"), say("one"), say("two"))
    one = code(script)
    append_operator_message(one.stage.tree, "ann", text="before")
    assert one.run() == 0, one.told()
    told = [one.texts().count(word) for word in ("note 0 &lt;b&gt;", "note 1 &lt;b&gt;", "\\nbefore\\n")]
    assert told == [1, 1, 1]
    assert one.stage.history("ann").tasks["ann"].result == "two"
    assert one.stage.history("ann").received == 3


def test_tool_that_needs_approval_waits_for_it(code: Make) -> None:
    one = code(steps(bash("touch f"), bash("touch g"), say("so be it")), {"ann": {"approve": ["Bash"]}})
    life = one.stage.live("ann")
    for answer in ("no", "yes"):
        [question] = wait_for(lambda: one.stage.status("ann").get("questions"), "?", deadline_s=DEADLINE_S)
        wait_for(lambda: one.stage.status("ann")["phase"] == "asking", "'asking'", deadline_s=DEADLINE_S)
        (one.stage.tree.approvals / f"{question['id']}.{answer}").write_text("not now")
        wait_for(
            lambda id_=question["id"]: id_ not in str(one.stage.status("ann").get("questions")),
            "it has the answer",
            deadline_s=DEADLINE_S,
        )
    assert life.wait(deadline_s=DEADLINE_S) == 0, one.told()
    assert "the user said no: not now" in one.texts()
    workspace = one.stage.tree.agent("ann").workspace
    assert not (workspace / "f").exists() and (workspace / "g").exists()


def test_agents_of_the_project_are_used_by_name_and_its_rules_are_passed_on(
    code: Make, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / ".claude" / "agents").mkdir(parents=True)
    (project / "AGENTS.md").write_text("Never use tabs here.")
    (project / ".claude" / "agents" / "rev.md").write_text(
        "---\nname: reviewer\ndescription: Reviews code\n---\nYou are the strictest of reviewers.\n"
    )
    agents = {"ann": {"agent": "reviewer", "role": "Be brief."}, "bob": {"agent": "nobody"}}
    one = code(steps(say("fine")), agents, project="../../project")
    assert one.run() == 0, one.told()
    system = str(one.bodies()[0]["system"])
    assert "strictest of reviewers" in system
    assert "Be brief." in system and "Never use tabs here." in system
    assert one.run("bob") == 0
    error = str(one.stage.history("bob").tasks["bob"].error)
    assert "'agent' is 'nobody'" in error and "reviewer" in error.partition("use one of: ")[2]


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_it_is_confined_and_its_key_reaches_neither_commands_nor_files(
    code: Make, tmp_path: Path, sandbox: str
) -> None:
    look = "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c sk-ant"
    one = code(
        steps(bash(f"touch {tmp_path}/evil; touch good; {look}"), say("done")),
        {"ann": {"sandbox": sandbox}},
    )
    assert one.run() == 0, one.told()
    assert not (tmp_path / "evil").exists()
    assert (one.stage.tree.agent("ann").workspace / "good").exists()
    assert one.server.log.requests()
    key = b"sk-ant-dummy"
    found = [path for path in one.stage.root.rglob("*") if path.is_file() and key in path.read_bytes()]
    assert found == []


def test_missing_program_is_one_clear_error(code: Make) -> None:
    one = code(steps(say("never")), {"ann": {"program": "/nowhere/claude"}})
    assert one.run() == 0  # not tried again: it is for a person to mend
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED
    assert "npm install -g @anthropic-ai/claude-code" in str(outcome.error)


def test_task_that_takes_too_many_turns_fails(code: Make) -> None:
    one = code(steps(bash("true")), {"ann": {"max_turns": 2}})
    assert one.run() == 0
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, len(one.bodies())) == (TaskPhase.FAILED, 2)
    assert "max_turns" in str(outcome.error)


def test_what_sub_agents_spend_is_counted(code: Make) -> None:
    def script(request: LoopbackRequest) -> ScriptedReply:
        if "count the words" in request.first_user and "<task id=" not in request.first_user:
            return steps(bash("echo in the sub-agent >> $OUT/ran"), say("Three words."))(request)
        return plan(request)

    asked = {"description": "count", "prompt": "count the words", "subagent_type": "general-purpose"}
    plan = steps(ScriptedReply(content=(tool("Task", **asked),)), say("It says three."))
    one = code(script)
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "It says three."
    assert one.stage.words("ran") == ["in the sub-agent"]
    used = [entry["usage"] for entry in one.server.log.answers("complete")]
    total = sum(count for usage in used for count in usage.values())
    assert len(used) == 4
    assert ["by" in line for line in one.all_lines("ann", "tool_call")] == [False, True]
    assert one.stage.history("ann").tokens == total == spent_by(one.stage.tree)["ann"].tokens


def test_result_keeps_to_its_schema(code: Make) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    one = code(
        steps(ScriptedReply(content=(tool("StructuredOutput", n=7),)), say("There it is.")),
        {"ann": {"result_schema": schema}},
    )
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == {"n": 7}
