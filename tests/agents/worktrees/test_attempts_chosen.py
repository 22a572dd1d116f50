"""Several agents try one task; the best attempt is taken over, the others stay, whoever is killed then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import git, make_project, picture
from stage import Stage

from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.placing import placed
from maos_sup.planner.plan import load_plan

Make = Callable[..., Stage]
PLAN = """request = "r"
project = "project"
workspace = "worktree"
[agents.ann]
kind = "command"
shell = '''
case $MAOS_AGENT in
ann-2) echo 22 > a.txt ;;
ann-3) exit 7 ;;
*) echo 1 > a.txt ;;
esac
'''
restart = { max = 0 }
[agents.bob]
kind = "command"
shell = "cp a.txt b.txt; git log --format=%an > $OUT/authors"
[agents.judge]
kind = "command"
shell = '''echo '{"result": "I think. chosen: ann-1"}' >&3'''
[[tasks]]
id = "fix"
agent = "ann"
attempts = 3
CHOICE
[[tasks]]
id = "look"
agent = "judge"
needs = ["use"]
[[tasks]]
id = "use"
agent = "bob"
needs = ["fix"]
"""


def maos_sup(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "maos_sup", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.fixture
def team(stage: Make, tmp_path: Path) -> Callable[[str], Stage]:
    make_project(tmp_path / "project", a_txt="0\n")

    def make(choice: str) -> Stage:
        (tmp_path / "plan.toml").write_text(PLAN.replace("CHOICE", choice))
        plan, _ = placed(load_plan(tmp_path / "plan.toml", kinds=kind_shapes()))
        named = {"project": "../../project", "project_name": "project"}
        one = stage(plan.agents, plan.tasks, **{**plan.orchestration, **named})
        assert [one.run(f"ann-{number}") for number in (1, 2, 3)] == [0, 0, 1], one.log()
        fail(one, "ann-3", "fix-3")
        return one

    return make


def fail(one: Stage, agent: str, task: str) -> None:
    """As the supervisor does when it gives a task up."""
    one.edit(f"tasks/{task}.json", want="cancel")
    one.run(agent)
    assert agent


SCORE = """choose = '''echo $MAOS_CHOOSING >> $OUT/scored; cat a.txt'''"""


def test_the_highest_score_is_taken_over_and_the_rest_stays(
    team: Callable[[str], Stage], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    before = picture(project)
    one = team(SCORE)
    assert [one.run("ann"), one.run("bob")] == [0, 0], one.log()
    assert "took over the attempt of ann-2 (ann-1 1, ann-2 22)" in one.stderr("ann")
    assert git(project, "show", "maos/stage/ann:a.txt") == "22"
    assert git(project, "show", "maos/stage/bob:b.txt") == "22"
    assert git(project, "show", "maos/stage/ann-1:a.txt") == "1"
    assert picture(project) == before
    landed = maos_sup("land", str(one.root))
    assert landed.returncode == 0, landed.stdout + landed.stderr
    assert "ann-1" not in landed.stdout
    assert git(project, "show", "maos/stage/LANDED:b.txt") == "22"
    alone = maos_sup("land", str(one.root), "ann")
    assert "ann: merged, 1 file" in alone.stdout, alone.stdout
    assert "changed the same file" not in maos_sup("diff", str(one.root)).stdout
    assert one.problems() == []


def test_the_command_does_not_reach_a_repository_around_the_tree(
    team: Callable[[str], Stage], tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q")
    one = team('choose = "! git rev-parse --git-dir && cat a.txt"')
    assert one.run("ann") == 0, one.log()


@pytest.mark.parametrize("step", range(int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "0")) or 4))
def test_who_was_killed_over_it_decides_no_other_way(
    team: Callable[[str], Stage], tmp_path: Path, step: int
) -> None:
    line = "echo $MAOS_CHOOSING >> $OUT/scored; wc -l < $OUT/scored"  # later ones are better
    one = team(f"choose = '{line}'")
    for operation in (30 + 7 * step, 45 + 9 * step, 60 + 5 * step, 75 + 11 * step):
        one.die_at("ann", operation)
    assert one.run("ann") == 0, one.log()
    attempts = range(1, 1 + len([*one.tree.agent("ann").attempts.iterdir()]))
    saved = [line["value"] for number in attempts for line in one.lines("ann", "saved", number)]
    final = saved[-1]
    assert saved == [final]
    project, chosen = tmp_path / "project", final["chosen"]
    assert git(project, "rev-parse", f"maos/stage/{chosen}") == final["commit"]
    assert git(project, "show", "maos/stage/ann:a.txt") == git(project, "show", f"maos/stage/{chosen}:a.txt")
    assert git(project, "branch", "--list", "--format=%(refname:short)", "maos/*").split() == [
        f"maos/stage/{name}" for name in ("ann", "ann-1", "ann-2", "ann-3")
    ]
    assert one.problems() == []


def test_a_reviewer_chooses_and_takes_nothing_up_himself(
    team: Callable[[str], Stage], tmp_path: Path
) -> None:
    one = team('reviewer = "judge"')
    assert [one.run("judge"), one.run("ann")] == [0, 0], one.log()
    assert "took over the attempt of ann-1 (as judge said)" in one.stderr("ann")
    assert git(tmp_path / "project", "show", "maos/stage/ann:a.txt") == "1"
    assert git(tmp_path / "project", "show", "maos/stage/judge:a.txt") == "0"


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ('choose = "echo good"', "no attempt has a score: ann-1: no number in its last line, 'good'"),
        ('choose = "exit 3"', "no attempt has a score: ann-1: exit code 3; ann-2: exit code 3"),
        ('reviewer = "judge"', "names none of ann-1, ann-2 as chosen"),
    ],
)
def test_without_a_choice_the_task_fails_and_says_why(
    team: Callable[[str], Stage], choice: str, told: str
) -> None:
    one = team(choice)
    if "judge" in choice:
        one.edit("agents/judge.json", shell='echo \'{"result": "all are fine"}\' >&3')
        assert one.run("judge") == 0
    assert one.run("ann") == 0, one.log()
    task: Any = one.status("ann")["tasks"]["fix"]
    assert task["phase"] == "failed" and told in task["error"], "it is not tried again: nothing would change"
