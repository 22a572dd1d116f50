"""`attempts = N` at a task: an agent and a task for each, from one commit; what cannot be is one error."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.placing import placed
from maos_sup.planner.plan import Plan, build_tree, load_plan
from state_layout.errors import BadInput
from state_layout.specs import read_specs

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
PLAN = """request = "r"
project = "."
[agents.ann]
kind = "anthropic"
budget = { max_cost_usd = 2.0 }
[agents.judge]
kind = "anthropic"
[agents.bob]
kind = "command"
shell = "true"
task = "after"
[[tasks]]
id = "plan"
agent = "judge"
description = "Plan it"
[[tasks]]
id = "fix"
agent = "ann"
description = "Mend it"
needs = ["plan"]
attempts = 3
choose = "./score.sh"
"""


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z"]
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "1")
    return tmp_path


def plan_in(folder: Path, text: str) -> Plan:
    (folder / "plan.toml").write_text(text)
    return placed(load_plan(folder / "plan.toml", kinds=kind_shapes()))[0]


def test_each_attempt_has_an_agent_and_all_have_one_base(project: Path, tmp_path: Path) -> None:
    plan = plan_in(project, PLAN)
    assert [*plan.tasks] == ["bob", "plan", "fix-1", "fix-2", "fix-3", "fix"]
    assert [task["order"] for task in plan.tasks.values()] == [1, 2, 3, 4, 5, 6]
    head = git(project, "rev-parse", "HEAD")
    tried = ["ann", "ann-1", "ann-2", "ann-3"]
    assert {plan.agents[name]["base"] for name in tried} == {head}
    assert {plan.agents[name]["workspace"] for name in tried} == {"worktree"}
    assert plan.agents["judge"]["workspace"] == "worktree", "others write in the project as well"
    specs = read_specs(build_tree(plan, tmp_path / "tree")).specs
    assert (specs.tasks["fix-2"].agent, specs.tasks["fix-2"].needs) == ("ann-2", ("plan",))
    assert specs.tasks["fix"].needs == ("plan", "fix-1", "fix-2", "fix-3")
    assert specs.tasks["fix"].any_of == ("fix-1", "fix-2", "fix-3")
    assert specs.agents["ann-2"].budget_with == ("ann", "ann-1", "ann-3")
    assert [specs.agents[name].budget_of for name in tried] == [None, "ann", "ann", "ann"]


@pytest.mark.parametrize(
    ("table", "holder", "told"),
    [
        ("judge", "nobody", "which is no agent; use ann or bob"),
        ("judge", "judge", "which is itself; leave it out"),
        ("judge", "bob", "which has its budget of 'judge'; name the one whose budget it is"),
    ],
)
def test_a_budget_is_of_an_agent_that_has_one(project: Path, table: str, holder: str, told: str) -> None:
    text = PLAN.replace(f"[agents.{table}]", f'[agents.{table}]\nbudget_of = "{holder}"')
    if holder == "bob":
        text = text.replace("[agents.bob]", '[agents.bob]\nbudget_of = "judge"')
    with pytest.raises(BadInput) as caught:
        plan_in(project, text)
    assert f"agent {table!r}: 'budget_of' is {holder!r}, {told}" in str(caught.value)


def test_attempts_of_one_that_has_anothers_budget_have_that_one(project: Path, tmp_path: Path) -> None:
    text = PLAN.replace("budget = { max_cost_usd = 2.0 }", 'budget_of = "judge"')
    specs = read_specs(build_tree(plan_in(project, text), tmp_path / "tree")).specs
    assert {specs.agents[name].budget_of for name in ("ann", "ann-1", "ann-2", "ann-3")} == {"judge"}


def test_a_reviewer_has_a_task_between(project: Path) -> None:
    plan = plan_in(project, PLAN.replace('choose = "./score.sh"', 'reviewer = "judge"'))
    review = plan.tasks["fix-review"]
    assert (review["agent"], review["any_of"]) == ("judge", ["fix-1", "fix-2", "fix-3"])
    assert "ann-1, ann-2 and ann-3" in review["description"]
    assert plan.tasks["fix"]["choose"] == {"review": "fix-review"}
    assert plan.tasks["fix"]["needs"] == ["plan", "fix-review", "fix-1", "fix-2", "fix-3"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('choose = "./score.sh"\n', "", r"plan.toml:21: task 'fix': say by one of the two"),
        ("choose =", 'reviewer = "judge"\nchoose =', "say by one of the two"),
        ("attempts = 3\n", "", r"plan.toml:21: task 'fix': 'choose' needs several attempts"),
        ("attempts = 3", "attempts = 1", "attempts' is 1"),
        ("attempts = 3", "attempts = 99", "attempts' is 99"),
        ('choose = "./score.sh"', 'reviewer = "ann"', "no other agent of the plan; use judge or bob"),
        ('kind = "anthropic"\nbudget', 'kind = "anthropic"\nworkspace = "shared"\nbudget', "need a worktree"),
        ('kind = "anthropic"\nbudget', 'kind = "anthropic"\nbase = "working-tree"\nbudget', "commit first"),
        ('kind = "anthropic"\nbudget', 'kind = "anthropic"\ncwd = "workspace"\nbudget', "leave cwd"),
        ('project = "."\n', "", "there is none; add project"),
        ("[agents.bob]", "[agents.ann-2]", "made by agent 'ann-2', which is there"),
        ('id = "plan"', 'id = "fix-1"', "would be task 'fix-1', which is there"),
    ],
)
def test_what_cannot_be_is_one_clear_error(project: Path, old: str, new: str, told: str) -> None:
    assert old in PLAN
    text = PLAN.replace(old, new)
    text = text.replace('needs = ["plan"]', 'needs = ["fix-1"]') if "fix-1" in new else text
    with pytest.raises(BadInput, match=told) as caught:
        plan_in(project, text)
    assert len(caught.value.problems) == 1


def test_a_project_without_git_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"agent 'ann': .* is in no git repository"):
        plan_in(tmp_path, PLAN)
