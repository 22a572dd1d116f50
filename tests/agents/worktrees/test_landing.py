"""`land` merges what agents did, keeps what passes, and gives what does not merge to the resolver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import git, make_busy, make_project, picture
from stage import Stage, wait_for

Make = Callable[..., Stage]
PROJECT = {"project": "../../project", "project_name": "project", "workspace": "worktree"}


def maos_sup(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "maos_sup", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def shell(line: str, **more: Any) -> dict[str, Any]:
    return {"kind": "command", "shell": line, **more}


TEAM = {
    "ann": shell("echo ann > ann.txt; sed -i s/2/two/ a.txt"),
    "bob": shell("echo bob > bob.txt"),
    "cat": shell("sed -i s/2/TWO/ a.txt"),
    "dan": shell("echo broken > bad.txt"),
}
TEXT = "1\n2\n3\n"


@pytest.fixture
def team(stage: Make, tmp_path: Path) -> Stage:
    make_project(tmp_path / "project", a_txt=TEXT)
    one = stage(TEAM, **PROJECT)
    assert [one.run(name) for name in TEAM] == [0, 0, 0, 0], one.log()
    return one


def test_what_merges_and_passes_is_landed_and_the_rest_named(team: Stage, tmp_path: Path) -> None:
    project, before = tmp_path / "project", picture(tmp_path / "project")
    head = git(project, "rev-parse", "HEAD")
    done = maos_sup("land", str(team.root), "--check", "echo checked; test ! -e bad.txt")
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        f"landing on main ({head[:10]}), as maos/stage/LANDED",
        "  ann: merged, 2 files, the check passed",
        "  bob: merged, 1 file, the check passed",
        "  cat: does not merge: a.txt (with ann)",
    ]
    assert lines[4].startswith("  dan: not kept: the check ended with exit code 1 after ")
    assert "checked; see " in lines[4]
    assert "git switch -c mine maos/stage/LANDED && git merge maos/stage/cat" in done.stdout
    assert lines[-1] == "take it over, on main: git merge maos/stage/LANDED"
    shown = [line.strip().partition("    #")[0] for line in lines if "git show" in line]
    assert [git(project, *line.split()[1:]) for line in shown] == ["1\ntwo\n3", "1\nTWO\n3", TEXT.strip()]
    assert picture(project) == before
    git(project, "merge", "-q", "maos/stage/LANDED")
    assert sorted(path.name for path in project.glob("*.txt")) == ["a.txt", "ann.txt", "bob.txt"]
    assert team.problems() == []


def test_two_landings_do_not_check_in_one_place(team: Stage, tmp_path: Path) -> None:
    root, go = str(team.root), tmp_path / "go"
    line = f"touch {tmp_path}/checking; while [ ! -e {go} ]; do sleep 0.02; done"
    first = subprocess.Popen([sys.executable, "-m", "maos_sup", "land", root, "ann", "--check", line])
    try:
        wait_for((tmp_path / "checking").exists, "the first one checks")
        second = maos_sup("land", root, "dan", "--check", "true")
        assert (second.returncode, "another landing is under way" in second.stderr) == (11, True), second
    finally:
        go.touch()
        first.wait(timeout=300)
    assert maos_sup("land", root, "ann", "bob").returncode == 0


def test_a_check_does_not_reach_a_repository_around_the_tree(team: Stage, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    done = maos_sup("land", str(team.root), "ann", "--check", "! git rev-parse --git-dir")
    assert (done.returncode, "ann: merged" in done.stdout) == (0, True), done.stdout


def test_landing_again_lands_the_same(team: Stage, tmp_path: Path) -> None:
    tips = []
    for _ in range(2):
        told = json.loads(maos_sup("land", str(team.root), "ann", "bob", "dan", "--json").stdout)
        assert [agent["outcome"] for agent in told["agents"]] == ["merged"] * 3
        tips.append(told["tip"])
    assert tips[0] == tips[1] == git(tmp_path / "project", "rev-parse", "maos/stage/LANDED")
    squashed = json.loads(maos_sup("land", str(team.root), "ann", "bob", "--squash", "--json").stdout)
    assert git(tmp_path / "project", "log", "--format=%an", f"main..{squashed['tip']}") == "bob\nann"


def test_nobody_moves_a_branch_that_is_checked_out(team: Stage, tmp_path: Path) -> None:
    project = tmp_path / "project"
    assert maos_sup("land", str(team.root), "ann").returncode == 0
    git(project, "switch", "-q", "maos/stage/LANDED")
    done = maos_sup("land", str(team.root), "bob", "--onto", "main")
    assert (done.returncode, "maos/stage/LANDED is checked out" in done.stderr) == (2, True)
    assert "--onto 'gone' is no branch" in maos_sup("land", str(team.root), "--onto", "gone").stderr


def test_a_copy_of_the_tree_and_a_branch_that_went_on_are_landed_beside(team: Stage, tmp_path: Path) -> None:
    project, copy = tmp_path / "project", team.root.with_name("copy")
    assert maos_sup("land", str(team.root), "ann").returncode == 0
    first = git(project, "rev-parse", "maos/stage/LANDED")
    shutil.copytree(team.root, copy, symlinks=True)
    done = maos_sup("land", str(copy), "bob")
    assert done.stdout.splitlines()[-1] == "take it over, on main: git merge maos/stage/LANDED.2"
    assert git(project, "rev-parse", "maos/stage/LANDED") == first
    assert git(project, "diff", "--name-only", "main", "maos/stage/LANDED.2") == "bob.txt"
    shutil.rmtree(copy)
    git(project, "switch", "-q", "maos/stage/LANDED")
    git(project, "commit", "-q", "--allow-empty", "-m", "of a person")
    git(project, "switch", "-q", "main")
    assert "LANDED.2" in maos_sup("land", str(team.root), "dan").stdout
    assert git(project, "log", "-1", "--format=%s", "maos/stage/LANDED") == "of a person"
    assert git(project, "diff", "--name-only", "main", "maos/stage/LANDED.2") == "bad.txt"


def test_an_index_that_cannot_be_written_is_no_bug(team: Stage, tmp_path: Path) -> None:
    aside = tmp_path / "project" / ".git" / "worktrees" / "maos.stage.ann" / "index.maos"
    aside.mkdir()
    done = maos_sup("land", str(team.root), "ann")
    assert (done.returncode, f"{aside}: cannot write" in done.stderr) == (1, True), done.stderr


def test_a_conflict_is_resolved_by_the_resolver(team: Stage, tmp_path: Path) -> None:
    resolver = shell("grep -q '<<<<<<<' a.txt && test -e ann.txt && printf '1\\nboth\\n3\\n' > a.txt")
    team.tree.agent_spec("resolver").write_text(json.dumps({**resolver, "env": {"OUT": str(team.outside)}}))
    done = maos_sup("land", str(team.root), "ann", "bob", "cat")
    assert "cat: given to the resolver as task resolve-cat-" in done.stdout
    assert maos_sup("land", str(team.root), "ann", "bob", "cat").stdout == done.stdout, "given once"
    assert team.run("resolver") == 0, team.log()
    done = maos_sup("land", str(team.root), "ann", "bob", "cat", "resolver")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    project = tmp_path / "project"
    assert git(project, "show", "maos/stage/LANDED:a.txt") == "1\nboth\n3"
    assert git(project, "show", "maos/stage/LANDED:bob.txt") == "bob"
    git(project, "merge-base", "--is-ancestor", "maos/stage/cat", "maos/stage/LANDED")
    assert team.problems() == []


def test_marks_that_are_left_are_no_resolution(team: Stage, tmp_path: Path) -> None:
    line = "test -e $OUT/go && sed -i '/^[<=>]/d' a.txt || touch $OUT/go"
    team.tree.agent_spec("resolver").write_text(json.dumps(shell(line, env={"OUT": str(team.outside)})))
    assert maos_sup("land", str(team.root), "ann", "cat").returncode == 3
    assert team.run("resolver") == 1
    assert "conflict marks are left in a.txt" in team.exit("resolver")["detail"]
    assert team.run("resolver") == 0, team.log()
    assert maos_sup("land", str(team.root), "ann", "cat", "resolver").returncode == 0
    assert git(tmp_path / "project", "show", "maos/stage/LANDED:a.txt") == "1\ntwo\nTWO\n3"


@pytest.mark.parametrize("step", range(int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "0")) or 2))
def test_a_merge_that_was_killed_loses_no_side(team: Stage, tmp_path: Path, step: int) -> None:
    team.tree.agent_spec("resolver").write_text(json.dumps(shell("printf '1\\nboth\\n3\\n' > a.txt")))
    assert maos_sup("land", str(team.root), "ann", "bob", "cat").returncode == 3
    for operation in (60 + 9 * step, 75 + 5 * step, 40 + 3 * step):
        team.die_at("resolver", operation)
    while team.run("resolver") != 0:
        assert len(team.lives) < 20, team.log()
    assert maos_sup("land", str(team.root)).returncode == 0
    project = tmp_path / "project"
    assert git(project, "show", "maos/stage/LANDED:a.txt") == "1\nboth\n3"
    for name in ("ann", "bob", "cat"):
        git(project, "merge-base", "--is-ancestor", f"maos/stage/{name}", "maos/stage/LANDED")
    assert team.problems() == []


def test_uncommitted_work_of_the_user_does_not_land(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt=TEXT)
    (project / "a.txt").write_text("1\n2\n3\nnot committed\n")
    (project / "untracked.txt").write_text("untracked\n")
    line = "sed -i s/1/one/ a.txt; cp untracked.txt $OUT/seen"
    one = stage({"ann": shell(line, base="working-tree")}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    assert one.words("seen") == ["untracked"]
    assert maos_sup("land", str(one.root)).returncode == 0
    assert git(project, "show", "maos/stage/LANDED:a.txt") == "one\n2\n3"
    assert git(project, "diff", "--name-only", "main..maos/stage/LANDED") == "a.txt"


def test_what_no_task_has_finished_is_landed_from_who_rests(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt=TEXT)
    one = stage({"ann": shell("echo half > half.txt; exit 1"), "bob": shell("true")}, **PROJECT)
    assert [one.run("ann"), one.run("bob")] == [1, 0]
    done = maos_sup("land", str(one.root))
    assert "ann: merged, 1 file" in done.stdout, done.stderr
    assert "bob: nothing to land" in done.stdout
    assert git(project, "show", "maos/stage/LANDED:half.txt") == "half"


def test_hooks_and_filters_of_the_user_stay_out_of_it(stage: Make, tmp_path: Path) -> None:
    project, spy = make_project(tmp_path / "project", a_txt=TEXT), tmp_path / "spy"
    make_busy(project, spy)
    before = picture(project)
    one = stage({"ann": shell("echo ann > ann.txt"), "bob": shell("echo bob > bob.txt")}, **PROJECT)
    assert [one.run("ann"), one.run("bob")] == [0, 0], one.log()
    done = maos_sup("land", str(one.root), "--onto", "main", "--check", "test -e ann.txt")
    assert done.returncode == 0, done.stderr
    assert maos_sup("diff", str(one.root)).returncode == 0
    assert picture(project) == before
    assert not spy.exists(), spy.read_text()


def test_eight_at_once_are_killed_twice_and_seven_land(stage: Make, tmp_path: Path) -> None:
    project, spy = make_project(tmp_path / "project", a_txt=TEXT), tmp_path / "spy"
    make_busy(project, spy)
    before, names = picture(project), [f"a{number}" for number in range(8)]
    lines = {name: f"echo {name} > {name}.txt; sleep 0.1; echo more >> {name}.txt" for name in names}
    lines["a0"] += "; sed -i s/2/two/ a.txt"
    lines["a7"] += "; sed -i s/2/TWO/ a.txt"
    agents = {name: shell(line, base="main") for name, line in lines.items()}
    resolver = shell("if test -e a0.txt; then printf '1\\nboth\\n3\\n' > a.txt; fi", base="main")
    one = stage({**agents, "resolver": resolver}, **PROJECT)
    for pause_s in (0.4, 0.9):
        lives = [one.live(name) for name in names]
        time.sleep(pause_s)
        for life in lives:
            life.kill()
    lives = [one.live(name) for name in [*names, "resolver"]]
    assert [life.wait() for life in lives] == [0] * 9, one.log()
    for name in names:
        told = git(project, "diff", "--name-only", f"main...maos/stage/{name}").split()
        assert told == sorted({f"{name}.txt", *(["a.txt"] if name in ("a0", "a7") else [])}), name
        assert git(project, "show", f"maos/stage/{name}:{name}.txt") == f"{name}\nmore"
    assert picture(project) == before
    done = maos_sup("land", str(one.root), "--onto", "main", "--check", "! test -e bad")
    assert done.stdout.count(": merged, ") == 7, done.stdout + done.stderr
    assert "a7: does not merge: a.txt (with a0)" in done.stdout
    assert one.run("resolver") == 0, one.log()
    done = maos_sup("land", str(one.root), "--onto", "main")
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(project, "show", "maos/stage/LANDED:a.txt") == "1\nboth\n3"
    assert len(git(project, "diff", "--name-only", "main...maos/stage/LANDED").split()) == 9
    assert picture(project) == before
    assert not spy.exists(), spy.read_text()
    assert not git(project, "fsck", "--no-dangling")
    assert one.problems() == []
