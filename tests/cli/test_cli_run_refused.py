"""`run` and `resume` where they must refuse: nothing is made and nothing is started."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_trees import new_tree

from maos_sup.cli.resume import point_at_project
from maos_sup.steering.adding import add_task
from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.specs import read_specs

Call = Callable[..., Any]
GOOD = '[agents.a]\nkind = "command"\ncommand = ["true"]\ntask = "do"\n'


@pytest.mark.parametrize(
    ("plan", "part"),
    [
        ("audit", "audit: is not there"),
        ("nowhere.toml", "nowhere.toml"),
        ("nowhere/plan.json", "nowhere"),
    ],
)
def test_what_is_no_plan_is_refused(call: Call, home: Path, plan: str, part: str) -> None:
    answer = call("run", plan)
    assert (answer.code, answer.out) == (2, "")
    assert part in answer.err
    assert list(home.iterdir()) == []


def test_every_mistake_of_a_plan_is_a_line(call: Call, home: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(f'request = "x"\nrequests = 1\n[limits]\nmax_agents = 0\n{GOOD}')
    answer = call("run", str(plan))
    assert answer.code == 2
    lines = answer.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"maos-sup: {plan}:") for line in lines)
    assert list(home.iterdir()) == []


def test_run_into_a_folder_that_holds_something_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "plan.toml").write_text(f'request = "x"\n{GOOD}')
    answer = call("run", str(tmp_path / "plan.toml"), "--dir", str(tmp_path / "full"))
    assert answer.code == 2
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.fixture
def on_project(tmp_path: Path, home: Path) -> Tree:
    (tmp_path / "repo").mkdir()
    return new_tree(home, "20261121-0142-proj-7f3k", project="../../repo", project_name="repo")


def test_project_that_is_in_place_is_fine(on_project: Tree) -> None:
    point_at_project(on_project, None)


def test_missing_project_is_named_with_its_remedy(call: Call, on_project: Tree, tmp_path: Path) -> None:
    (tmp_path / "repo").rmdir()
    answer = call("resume", on_project.root.name)
    assert answer.code == 2
    assert "'repo' is not there" in answer.err
    assert f"maos-sup resume {on_project.root.name} --project PATH" in answer.err


def test_project_of_another_name_after_a_copy_is_refused(on_project: Tree, tmp_path: Path) -> None:
    copy = Tree(shutil.copytree(on_project.root, tmp_path / "deep" / "er" / "copy"))
    (tmp_path / "deep" / "repo").mkdir()
    point_at_project(copy, None)
    (tmp_path / "deep" / "other").mkdir()
    copy.orchestration_spec.write_text(
        copy.orchestration_spec.read_text().replace("../../repo", "../../other")
    )
    with pytest.raises(BadInput, match="was called 'repo'"):
        point_at_project(copy, None)


def test_project_is_pointed_at_anew(on_project: Tree, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    point_at_project(on_project, tmp_path / "moved")
    orchestration = read_specs(on_project).specs.orchestration
    assert (orchestration.project, orchestration.project_name) == ("../../moved", "moved")
    (tmp_path / "repo").rmdir()
    point_at_project(on_project, None)


def test_task_for_nobody_among_several_needs_a_name_or_a_planner(
    tree: Tree, call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(home))
    answer = call("resume", str(tree.root), "--task", "more")
    assert (answer.code, answer.out) == (2, "")
    assert "which agent gets the task? Add --agent with alice or bob, or have it planned" in answer.err
    assert "ANTHROPIC_API_KEY" in answer.err


def test_new_tasks_get_names_of_their_own(tree: Tree) -> None:
    assert str(add_task(tree, "Count again, please!", "bob")) == "task count-again-please added for bob"
    assert str(add_task(tree, "Count again, please!", "bob")) == "task count-again-please-2 added for bob"
    assert str(add_task(tree, "все", "alice")) == "task task added for alice"
    tasks = read_specs(tree).specs.tasks
    assert (tasks["task"].agent, tasks["task"].description) == ("alice", "все")
    with pytest.raises(BadInput, match="no agent"):
        add_task(tree, "more", "carol")
