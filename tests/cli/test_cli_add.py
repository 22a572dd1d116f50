"""`add agent`, `add task`, and `set` on an agent that runs: in words, and when it is in force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from living import end_all, plan, run, wait_for

from maos_sup.views.status import status_of
from state_layout.paths import Tree
from state_layout.tree import list_trees

Call = Callable[..., Any]


def spec(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_an_agent_is_added_by_options(call: Call, tree: Tree) -> None:
    words = (
        "--command",
        "sh -c 'echo hi'",
        "--role",
        "says hi",
        "--set",
        "restart.max",
        "0",
        "--set",
        "env.L",
        '"3"',
    )
    answer = call("add", "agent", "carol", *words)
    assert (answer.code, answer.out) == (0, "agent carol added\n")
    assert spec(tree.agent_spec("carol")) == {
        "kind": "command",
        "command": ["sh", "-c", "echo hi"],
        "role": "says hi",
        "want": "run",
        "restart": {"max": 0},
        "env": {"L": "3"},
    }
    assert call("check").code == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("carol",), "say how it works: --kind KIND"),
        (("alice", "--shell", "true"), "spec/agents/alice.json: is there already"),
        (("Carol", "--shell", "true"), "'Carol'"),
        (("carol", "--kind", "nonesuch"), "kind 'nonesuch' is not known here"),
        (("carol", "--command", "no-such-program"), "agent 'carol': 'no-such-program' is no program in PATH"),
        (("carol", "--command", "sh 'x"), "close the quotes"),
        (("carol", "--shell", "true", "--set", "retsart.max", "3"), "did you mean 'restart'?"),
        (("carol", "--shell", "true", "--set", "restart.max", "many"), "restart.max"),
        (("carol", "--shell", "true", "--command", "true"), "exclude each other"),
    ],
)
def test_a_bad_agent_is_refused_and_nothing_is_added(
    call: Call, tree: Tree, words: tuple[str, ...], text: str
) -> None:
    before = sorted(tree.agent_specs.iterdir())
    answer = call("add", "agent", *words)
    assert (answer.code, answer.out) == (2, ""), answer
    assert text in answer.err
    assert sorted(tree.agent_specs.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("Look again",), "say who does it: --agent alice or bob"),
        (("Look again", "--agent", "bbo"), "did you mean 'bob'?"),
        (("Look again", "--agent", "bob", "--needs", "cuont"), "did you mean 'count'?"),
        (("Look again", "--agent", "bob", "--id", "count"), "spec/tasks/count.json: is there already"),
        (("Look again", "--agent", "bob", "--id", "No!"), "'No!'"),
        (("Look again", "--agent", "bob", "--timeout", "-1"), "--timeout is '-1'"),
    ],
)
def test_a_bad_task_is_refused_and_nothing_is_added(
    call: Call, tree: Tree, words: tuple[str, ...], text: str
) -> None:
    before = sorted(tree.task_specs.iterdir())
    answer = call("add", "task", *words)
    assert (answer.code, answer.out) == (2, ""), answer
    assert text in answer.err
    assert sorted(tree.task_specs.iterdir()) == before


def test_added_work_is_done_by_a_team_that_lives(tmp_path: Path, home: Path) -> None:
    gate = tmp_path / "gate"
    try:
        assert run("run", str(plan(tmp_path, gate=gate)), "--detach").returncode == 0
        tree = list_trees(home)[0]
        wait_for(lambda: _of(tree, "alice")["pid"] is not None)
        late = run("set", "agents/alice.env", '{"LEVEL": "4"}').stdout
        assert late.endswith(
            "; takes effect with its next attempt or task: what it does now keeps the old value\n"
        )
        assert "takes effect" not in run("set", "agents/alice.limits.timeout_s", "500").stdout
        assert "takes effect" not in run("set", "agents/bob.role", "waits").stdout
        added = run("add", "agent", "carol", "--shell", "echo $MAOS_TASK", "--task", "Sing")
        assert added.stdout.splitlines()[:2] == ["agent carol added", "task carol added for carol"]
        more = run("add", "task", "Dance, please", "--agent", "carol", "--needs", "carol")
        assert more.stdout.startswith("task dance-please added for carol after carol\n")
        wait_for(lambda: _phases(tree).get("dance-please") == "done")
        gate.touch()
        wait_for(lambda: {*_phases(tree).values()} == {"done"})
    finally:
        gate.touch()
        end_all(home)


def _of(tree: Tree, agent: str) -> dict[str, Any]:
    return next(one for one in status_of(tree)["agents"] if one["name"] == agent)


def _phases(tree: Tree) -> dict[str, str]:
    return {task["id"]: str(task["phase"]) for task in status_of(tree)["tasks"]}
