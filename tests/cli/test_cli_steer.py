"""Commands that edit `spec/`: what they write, and what they refuse. Nobody works on these trees."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_trees import settle

from state_layout.files import disk
from state_layout.paths import Tree

Call = Callable[..., Any]


def spec(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_pause_and_stop_say_what_changed(call: Call, tree: Tree) -> None:
    assert call("pause", tree.root.name).out == "the orchestration: pause is wanted (was run)\n"
    assert spec(tree.orchestration_spec)["want"] == "pause"
    assert call("pause", tree.root.name).out == "the orchestration: pause is wanted already\n"
    assert call("stop", tree.root.name, "--agent", "bob").out == "agent bob: stop is wanted (was run)\n"
    assert spec(tree.agent_spec("bob"))["want"] == "stop"


def test_cancel_takes_one_task_or_all_that_are_unfinished(call: Call, tree: Tree) -> None:
    assert call("cancel", tree.root.name, "--task", "report").code == 0
    assert spec(tree.task_spec("report"))["want"] == "cancel"
    assert "want" not in spec(tree.task_spec("count"))
    assert call("cancel", tree.root.name).out == "task count: cancel is wanted (was run)\n"
    assert call("cancel", tree.root.name).out == "nothing left to cancel\n"


def test_retry_raises_the_run_of_what_failed(call: Call, tree: Tree) -> None:
    call("pause", tree.root.name)
    settle(tree, "alice", "count", "failed")
    out = call("retry", tree.root.name).out
    assert "task count is to run again (run 2)" in out
    assert "wanted to pause" in out
    assert spec(tree.task_spec("count"))["run"] == 2


def test_retry_of_a_task_that_has_not_ended_is_refused(call: Call, tree: Tree) -> None:
    answer = call("retry", tree.root.name, "--task", "report")
    assert answer.code == 2
    assert "has not ended" in answer.err


def test_retry_with_nothing_failed_says_so(call: Call, tree: Tree) -> None:
    assert "nothing has failed" in call("retry", tree.root.name).out


def test_skip_lets_what_needs_it_begin(call: Call, tree: Tree) -> None:
    call("pause", tree.root.name)
    call("skip", tree.root.name, "--task", "count")
    tasks = json.loads(call("status", tree.root.name, "--json").out)["tasks"]
    assert {task["id"]: task["phase"] for task in tasks} == {"count": "skipped", "report": "ready"}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["pause", "--agent", "bobb"], "did you mean 'bob'"),
        (["pause", "--agent", "bob", "--task", "count"], "exclude"),
        (["pause", "--task", "../x"], "no task"),
        (["cancel", "--agent", "nobody"], "use alice or bob"),
        (["skip", "--task", "coun"], "did you mean 'count'"),
        (["set", "limits.max_agents", "many"], "whole number"),
        (["set", "limits.max_agents", "-1"], "whole number"),
        (["set", "limits.max_agent", "8"], "did you mean 'max_agents'"),
        (["set", "limit.max_agents", "8"], "did you mean 'limits'"),
        (["set", "agents/bob.rol", "x"], "did you mean 'role'"),
        (["set", "tasks/report.timeout", "8"], "'timeout' is no known key"),
        (["set", "want", "runn"], "run, pause or stop"),
        (["set", "agents/nobody.want", "run"], "no agent"),
        (["set", "tasks/nothing.want", "run"], "no task"),
        (["set", "agents/bob.", "1"], "no key"),
        (["set", "", "1"], "no key"),
        (["set", "mail/bob.want", "run"], "use agents/NAME.key"),
        (["set", "limits.max_agents"], "a VALUE"),
        (["set", "id", "--remove"], "id"),
        (["set", "agents/bob.command", "[]"], "command"),
        (["save-interval", "often"], "save_s"),
        (["save-interval", "-1"], "save_s"),
        (["send", "nobody", "hello"], "no agent"),
        (["send", "bob"], "nothing to send"),
        (["send", "bob", "--body", "{"], "no JSON"),
        (["answer", "q", "yes"], "nothing is asked"),
        (["resume", "--agent", "bob"], "--task TEXT"),
        (["resume", "--task", "more"], "--agent"),
        (["resume", "--project", "/nowhere"], "not there"),
    ],
)
def test_mistake_is_named_and_changes_nothing(call: Call, tree: Tree, words: list[str], part: str) -> None:
    before = {path: path.read_bytes() for path in tree.spec.rglob("*.json")}
    answer = call(words[0], tree.root.name, *words[1:])
    assert answer.code == 2, answer
    assert part in answer.err
    assert {path: path.read_bytes() for path in tree.spec.rglob("*.json")} == before
    assert not tree.mail_file("bob", "operator").exists()


def test_set_takes_json_and_text_by_what_fits(call: Call, tree: Tree) -> None:
    assert "limits.max_agents is 4 (was not set)" in call("set", tree.root.name, "limits.max_agents", "4").out
    call("set", tree.root.name, "agents/bob.env.LEVEL", "3")
    call("set", tree.root.name, "agents/bob.role", "counts things")
    call("set", tree.root.name, "tasks/report.timeout_s", "2.5")
    assert spec(tree.orchestration_spec)["limits"] == {"max_agents": 4}
    assert spec(tree.agent_spec("bob"))["env"] == {"LEVEL": "3"}
    assert spec(tree.agent_spec("bob"))["role"] == "counts things"
    assert spec(tree.task_spec("report"))["timeout_s"] == 2.5
    call("set", tree.root.name, "agents/bob.env.LEVEL", "--remove")
    assert spec(tree.agent_spec("bob"))["env"] == {}


def test_unknown_key_that_is_there_can_be_changed(call: Call, tree: Tree) -> None:
    tree.agent_spec("bob").write_text('{"kind": "command", "command": ["true"], "x_mine": 1}')
    assert call("set", tree.root.name, "agents/bob.x_mine", "2").code == 0
    assert call("set", tree.root.name, "agents/bob.x_mine", "--remove").code == 0
    tree.agent_spec("bob").write_text('{"kind": "of-a-plug-in", "x_mine": 1}')
    assert call("set", tree.root.name, "agents/bob.x_more", "2").code == 0


def test_set_keeps_unknown_keys(call: Call, tree: Tree) -> None:
    tree.agent_spec("bob").write_text('{"kind": "command", "command": ["true"], "x_mine": {"a": [1]}}')
    call("set", tree.root.name, "agents/bob.want", "pause")
    assert spec(tree.agent_spec("bob"))["x_mine"] == {"a": [1]}


def test_save_interval_is_set(call: Call, tree: Tree) -> None:
    call("orchestration", "save-interval", tree.root.name, "2.5")
    assert spec(tree.orchestration_spec)["intervals"]["save_s"] == 2.5


def test_sent_message_is_a_whole_line(call: Call, tree: Tree) -> None:
    assert "not running" in call("send", tree.root.name, "bob", 'say "hi"\nthere').out
    call("send", tree.root.name, "all", "--body", '{"a": 1}', "--type", "request")
    lines = tree.mail_file("bob", "operator").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ['say "hi"\nthere']
    assert json.loads(tree.mail_file("all", "operator").read_text())["body"] == {"a": 1}


def test_empty_text_is_nothing_to_send(call: Call, tree: Tree) -> None:
    answer = call("send", tree.root.name, "bob", "")
    assert (answer.code, answer.err) == (2, "maos-sup: nothing to send; give TEXT, or --body with JSON\n")
    assert not tree.mail_file("bob", "operator").exists()


@pytest.mark.parametrize(
    ("cause", "remedy"),
    [
        (errno.ENOSPC, "no space left; free some (agents then go on by themselves) and repeat this command"),
        (errno.EROFS, "Read-only file system; mount it for writing, or copy the tree to where you may write"),
        (errno.EACCES, "Permission denied; change its owner or mode, or act as its owner"),
    ],
)
def test_refusal_of_the_disk_says_what_to_do(call: Call, tree: Tree, cause: int, remedy: str) -> None:
    def refuse(name: str, arguments: tuple[object, ...]) -> None:
        if name == "create":
            raise OSError(cause, os.strerror(cause))

    disk.tap(refuse)
    try:
        answer = call("pause", tree.root.name)
    finally:
        disk.tap(None)
    assert (answer.code, answer.err) == (
        1,
        f"maos-sup: {tree.orchestration_spec}: cannot replace: {remedy}\n",
    )


def test_command_that_is_offered_can_be_pasted_where_the_folder_has_a_blank(call: Call, tree: Tree) -> None:
    moved = Tree(tree.root.rename(tree.root.parent / "a b"))
    path = moved.orchestration_spec
    path.write_text(json.dumps({**spec(path), "project": "../gone", "project_name": "gone"}))
    assert "say where it is with: maos-sup resume 'a b' --project PATH" in call("resume", "a b").err


def test_answer_is_a_file_named_after_the_question(call: Call, tree: Tree) -> None:
    settle(tree, "alice", "count", "asking")
    question = {"id": "alice-0123456789ab", "task": "count", "text": "may I?", "at": "2026-11-21T01:42:00Z"}
    status = json.loads(tree.agent("alice").status.read_text()) | {"questions": [question]}
    tree.agent("alice").status.write_text(json.dumps(status))
    assert "may I?" in call("status", tree.root.name).out
    assert (
        call("answer", tree.root.name, "alice-01", "yes", "go on").out == "answered alice-0123456789ab: yes\n"
    )
    assert (tree.approvals / "alice-0123456789ab.yes").read_text() == "go on"
