"""Good plans: what a tree gets from them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from maos_sup.planner.plan import Plan, build_tree, load_plan
from state_layout.errors import BadInput
from state_layout.records import Limits
from state_layout.shapes.shape import Shape
from state_layout.specs import read_specs
from state_layout.tree import open_tree

Load = Callable[..., Plan]

PLAN = """
request = "Audit this repository"
project = "repo"

[limits]
timeout_s = 60

[agents.counter]
kind = "command"
command = ["python3", "count.py"]
role = "counts things"
env = { LEVEL = "3" }
restart = { max = 5, window_s = 60, backoff_s = 0.5 }
task = "Count the files"

[agents.reporter]
kind = "python"
callable = "reporter:main"

[[tasks]]
id = "report"
agent = "reporter"
description = "Write report.md"
needs = ["counter"]
"""


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    (tmp_path / "repo").mkdir()
    (tmp_path / "count.py").write_text("print(1)")
    (tmp_path / "reporter.py").write_text("def main(ctx): ...")
    return tmp_path


def test_plan_becomes_a_tree_that_says_the_same(load: Load, beside: Path) -> None:
    tree = build_tree(load(PLAN), beside / "trees" / "one")
    read = read_specs(open_tree(tree.root))
    assert read.errors == []
    specs = read.specs
    assert specs.orchestration.id == "one"
    assert specs.orchestration.limits == Limits(timeout_s=60)
    assert (specs.orchestration.project, specs.orchestration.project_name) == ("../../repo", "repo")
    counter = specs.agents["counter"]
    assert (counter.kind, counter.role, counter.env) == ("command", "counts things", {"LEVEL": "3"})
    assert counter.settings == {"command": ["python3", "count.py"]}
    assert specs.agents["reporter"].settings == {"callable": "reporter:main"}
    assert specs.tasks["counter"].description == "Count the files"
    assert specs.tasks["report"].needs == ("counter",)
    assert sorted(path.name for path in tree.files.iterdir()) == ["count.py", "reporter.py"]


def test_json_plan_is_the_same_plan(load: Load, beside: Path) -> None:
    from_toml, from_json = load(PLAN), load(json.dumps(tomllib.loads(PLAN)), "plan.json")
    assert (from_toml.agents, from_toml.tasks) == (from_json.agents, from_json.tasks)
    assert from_toml.orchestration == from_json.orchestration
    assert from_toml.files == from_json.files


def test_id_is_given_or_the_name_of_the_folder(load: Load, beside: Path) -> None:
    plan = load(PLAN)
    build_tree(plan, beside / "x")
    build_tree(plan, beside / "y", id="20261121-0142-audit-repo-7f3k")
    assert read_specs(open_tree(beside / "x")).specs.orchestration.id == "x"
    assert read_specs(open_tree(beside / "y")).specs.orchestration.id == "20261121-0142-audit-repo-7f3k"


def test_no_absolute_path_gets_into_the_tree(load: Load, beside: Path) -> None:
    tree = build_tree(load(PLAN), beside / "x")
    for path in tree.spec.rglob("*.json"):
        assert str(beside) not in path.read_text()


def test_project_may_be_given_in_place_of_the_plans(
    beside: Path, kinds: dict[str, Shape], tmp_path_factory: pytest.TempPathFactory
) -> None:
    (beside / "plan.toml").write_text(PLAN)
    other = tmp_path_factory.mktemp("other")
    assert load_plan(beside / "plan.toml", kinds=kinds, project=other).project == other
    with pytest.raises(BadInput, match="which is no folder"):
        load_plan(beside / "plan.toml", kinds=kinds, project=beside / "count.py")


def test_project_is_relative_to_the_plan_not_to_where_one_stands(
    load: Load, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert load(PLAN).project == beside / "repo"


def test_project_that_is_reached_by_a_link_is_remembered_without_it(load: Load, beside: Path) -> None:
    (beside / "link").symlink_to("repo")
    plan = load(PLAN.replace('"repo"', '"link"'))
    tree = build_tree(plan, beside / "x")
    assert Path(tree.root / read_specs(tree).specs.orchestration.project).samefile(beside / "repo")  # type: ignore[operator]


def test_specs_show_the_keys_that_one_may_want_to_edit(load: Load, beside: Path) -> None:
    tree = build_tree(load(PLAN), beside / "x")
    orchestration = json.loads(tree.orchestration_spec.read_text())
    assert [*orchestration] == [
        "id", "request", "want", "project", "project_name", "limits", "intervals", "budget"
    ]  # fmt: skip
    assert json.loads(tree.task_spec("report").read_text()) == {
        "agent": "reporter",
        "description": "Write report.md",
        "needs": ["counter"],
        "want": "run",
        "run": 1,
        "order": 2,
    }
    assert [*json.loads(tree.agent_spec("counter").read_text())][:3] == ["kind", "role", "want"]


def test_plan_may_begin_paused(load: Load, beside: Path) -> None:
    plan = load(PLAN.replace('project = "repo"', 'want = "pause"'))
    assert plan.orchestration["want"] == "pause"
    assert plan.project is None


def test_folder_that_is_in_use_is_refused(load: Load, beside: Path) -> None:
    plan = load(PLAN)
    build_tree(plan, beside / "x")
    with pytest.raises(BadInput, match="is an orchestration already; resume it"):
        build_tree(plan, beside / "x")
    with pytest.raises(BadInput, match=r"is not empty \(it holds 'count.py'\)"):
        build_tree(plan, beside)
