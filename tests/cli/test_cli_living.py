"""Commands that steer and read an orchestration while it runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from living import at_the_gate, end_all, plan, run, started, task_phase, the_tree, wait_for

from maos_sup.views.status import status_of
from state_layout.paths import Tree


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def tree(tmp_path: Path, home: Path, gate: Path) -> Iterator[Tree]:
    """A tree whose alice waits at the gate."""
    assert run("run", str(plan(tmp_path)), "--detach").returncode == 0
    found = the_tree(home)
    at_the_gate(found)
    yield found
    end_all(home)


def test_status_and_top_tell_what_each_agent_uses_when_asked(tree: Tree) -> None:
    name = tree.root.name
    alice, bob = json.loads(run("status", name, "--resources", "--json").stdout)["agents"]
    assert alice["figures"]["processes"] >= 2  # the agent, its shell
    assert alice["figures"]["memory_bytes"] > alice["figures"]["own_memory_bytes"] > 1_000_000
    assert bob["figures"]["processes"] == 0
    assert "MEMORY" in run("status", name, "--resources").stdout
    plain = run("status", name)
    assert "MEMORY" not in plain.stdout
    assert "processes" not in json.loads(run("status", name, "--json").stdout)["agents"][0]["figures"]
    row = json.loads(run("top", name, "--json").stdout)["agents"][0]
    assert {"name", "phase", "pid", "cpu", "memory_bytes", "processes", "cost_usd"} <= set(row)


def test_pause_and_start_of_all(tree: Tree, gate: Path) -> None:
    run("pause", tree.root.name)
    wait_for(lambda: status_of(tree)["phase"] == "paused")
    assert status_of(tree)["agents"][0]["phase"] == "paused"
    gate.touch()
    run("start", tree.root.name)
    wait_for(lambda: status_of(tree)["phase"] == "done")


def test_pause_of_one_agent_leaves_the_others(tree: Tree, gate: Path) -> None:
    run("pause", tree.root.name, "--agent", "alice")
    wait_for(lambda: status_of(tree)["agents"][0]["phase"] == "paused")
    assert status_of(tree)["phase"] == "running"
    gate.touch()
    run("start", tree.root.name, "--agent", "alice")
    wait_for(lambda: status_of(tree)["phase"] == "done")


def test_stop_ends_the_supervisor_and_start_begins_another(tree: Tree, gate: Path) -> None:
    run("stop", tree.root.name)
    wait_for(lambda: not status_of(tree)["supervisor"]["alive"])
    assert status_of(tree)["phase"] == "stopped"
    gate.touch()
    assert "supervisor started" in run("start", tree.root.name).stdout
    wait_for(lambda: status_of(tree)["phase"] == "done")


def test_cancel_of_a_running_task_lets_others_be(tree: Tree) -> None:
    run("cancel", tree.root.name, "--task", "alice")
    wait_for(lambda: task_phase(tree, "alice") == "cancelled")
    assert task_phase(tree, "report") == "blocked"
    run("skip", tree.root.name, "--task", "alice")
    wait_for(lambda: task_phase(tree, "report") == "done")


def test_bad_edit_is_refused_and_shown_while_it_runs(tree: Tree, gate: Path) -> None:
    good = tree.agent_spec("bob").read_text()
    tree.agent_spec("bob").write_text('{"kind": "command", "shell": "true", "want": "runn"}')
    error = wait_for(lambda: status_of(tree)["spec_errors"])[0]
    assert (error["path"], error["line"]) == ("spec/agents/bob.json", 1)
    assert "spec error: spec/agents/bob.json:1: 'want' is 'runn'" in run("status", tree.root.name).stdout
    assert [agent["name"] for agent in status_of(tree)["agents"]] == ["alice", "bob"]
    tree.agent_spec("bob").write_text(good)
    wait_for(lambda: not status_of(tree)["spec_errors"])
    gate.touch()
    wait_for(lambda: status_of(tree)["phase"] == "done")


def test_followed_logs_end_with_the_work(tree: Tree, gate: Path) -> None:
    logs = started("logs", tree.root.name, "-f")
    assert logs.stdout is not None
    assert logs.stdout.readline() == "alice| begun\n"
    gate.touch()
    out, _ = logs.communicate(timeout=40)
    assert out.splitlines() == ["alice| through", "bob| hi from bob", "bob| found: a thing"]
    assert logs.returncode == 0


def test_followed_messages_end_with_the_work(tree: Tree, gate: Path) -> None:
    follower = started("messages", tree.root.name, "-f", "--json")
    gate.touch()
    out, _ = follower.communicate(timeout=40)
    assert [json.loads(line)["from"] for line in out.splitlines()] == ["bob"]


def test_watched_status_ends_with_the_work(tree: Tree, gate: Path) -> None:
    watcher = started("status", tree.root.name, "--watch")
    gate.touch()
    out, _ = watcher.communicate(timeout=40)
    assert watcher.returncode == 0
    assert "done: 2 of 2 tasks" in out


def test_agent_and_task_dropped_into_spec_are_taken_up(tree: Tree) -> None:
    tree.agent_spec("carol").write_text('{"kind": "command", "shell": "echo new", "cwd": "workspace"}')
    tree.task_spec("extra").write_text('{"agent": "carol", "description": "more"}')
    wait_for(lambda: status_of(tree)["counts"]["tasks"] == 3)
    wait_for(lambda: task_phase(tree, "extra") == "done")


def test_check_of_a_living_tree_finds_no_problem(tree: Tree) -> None:
    done = run("check", tree.root.name, "--json")
    found = json.loads(done.stdout)["problems"]
    assert [problem for problem in found if problem["severity"] == "problem"] == []
    assert done.returncode == 0


def test_cleanup_keeps_what_lives(tree: Tree) -> None:
    out = run("cleanup", "--older-than", "0", "--force").stdout
    assert "kept: somebody works on it" in out
    assert tree.format.exists()


def test_line_appended_by_hand_is_a_message(tree: Tree) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", """echo '{"text":"focus on auth"}' >> mail/bob/operator.jsonl"""],
        cwd=tree.root,
        check=False,
    )
    assert done.returncode == 0
    assert "operator -> bob info: focus on auth" in run("messages", tree.root.name).stdout


def test_agent_dropped_in_later_gets_a_mail_box(tree: Tree) -> None:
    tree.agent_spec("carol").write_text('{"kind": "command", "shell": "echo new", "cwd": "workspace"}')
    tree.task_spec("extra").write_text('{"agent": "carol"}')
    wait_for(lambda: status_of(tree)["counts"]["tasks"] == 3 and task_phase(tree, "extra") == "done")
    assert tree.mail_box("carol").is_dir()
