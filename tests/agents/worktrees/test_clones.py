"""`workspace = "clone"`: an agent has objects, branches and configuration of its own; its work comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import git, make_busy, make_project, picture
from stage import Stage

from maos_sup.cli.changed import repository_of
from maos_sup.workspaces.record import read_record
from maos_sup.workspaces.unsaved import is_unsaved
from state_layout.paths import Tree

Make = Callable[..., Stage]
PROJECT = {"project": "../../project", "project_name": "project", "workspace": "clone"}


def maos_sup(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "maos_sup", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def shell(line: str, **more: Any) -> dict[str, Any]:
    return {"kind": "command", "shell": line, **more}


def test_a_clone_has_objects_of_its_own_and_names_no_remote(stage: Make, tmp_path: Path) -> None:
    project, spy = make_project(tmp_path / "project"), tmp_path / "spy"
    make_busy(project, spy)
    before = picture(project)
    line = (
        "git rev-parse --git-common-dir --abbrev-ref HEAD > $OUT/git; git remote >> $OUT/git; "
        "echo ann > ann.txt; git push 2> $OUT/push; git tag mine; git config user.x y; git gc -q --prune=now"
    )
    one = stage({"ann": shell(line)}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    assert one.words("git") == [".git", "maos/stage/ann"]
    assert "No configured push destination" in (one.outside / "push").read_text()
    assert picture(project) == before
    assert not spy.exists(), spy.read_text()
    assert not (one.tree.agent("ann").worktree / ".git" / "objects" / "info" / "alternates").exists()
    assert git(project, "diff", "--name-only", "HEAD..maos/stage/ann") == "ann.txt"
    assert git(project, "tag") == ""
    assert not git(project, "fsck", "--no-dangling")
    assert one.problems() == []


def test_results_go_from_clone_to_clone_and_land(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt="1\n2\n3\n")
    tasks = {
        "write": {"agent": "ann", "description": "Write"},
        "read": {"agent": "bob", "description": "Read", "needs": ["write"]},
        "more": {"agent": "ann", "description": "More", "needs": ["read"]},
        "other": {"agent": "cat", "description": "Other"},
    }
    agents = {
        "ann": shell("echo $MAOS_TASK_ID >> ann.txt; sed -i s/2/two/ a.txt; cp bob.txt $OUT/ || true"),
        "bob": shell("cp ann.txt bob.txt"),
        "cat": shell("sed -i s/2/TWO/ a.txt", workspace="worktree"),
        "resolver": shell("sed -i '/^[<=>]/d; /TWO/d' a.txt"),
    }
    one = stage(agents, tasks, **PROJECT)
    assert [one.run(name) for name in ("ann", "bob", "ann", "cat")] == [0, 0, 0, 0], one.log()
    assert one.words("bob.txt") == ["write"]
    diff = maos_sup("diff", str(one.root), "ann")
    assert "ann: 1 file, +1 -0 lines, on maos/stage/ann, from " in diff.stdout, diff.stderr
    landed = maos_sup("land", str(one.root), "ann", "cat")
    assert landed.returncode == 3, landed.stderr
    assert "given to the resolver" in landed.stdout
    assert one.run("resolver") == 0, one.log()
    again = maos_sup("land", str(one.root))
    assert again.returncode == 0, again.stdout + again.stderr
    assert git(project, "show", "maos/stage/LANDED:a.txt") == "1\ntwo\n3"
    assert git(project, "show", "maos/stage/LANDED:bob.txt") == "write"
    assert one.problems() == []


@pytest.mark.parametrize("step", range(int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "0")) or 4))
def test_a_cloning_that_was_killed_is_made_anew(stage: Make, tmp_path: Path, step: int) -> None:
    project = make_project(tmp_path / "project")
    before = picture(project)
    one = stage({"ann": shell("echo >> ann.txt", setup=["echo once >> $OUT/setup"])}, **PROJECT)
    for operation in (8 + step, 20 + 3 * step, 45 + step, 60 + step):
        one.die_at("ann", operation)
    assert one.run("ann") == 0, one.log()
    assert git(project, "diff", "--name-only", "HEAD..maos/stage/ann") == "ann.txt"
    assert git(project, "branch", "--list", "--format=%(refname:short)", "maos/*") == "maos/stage/ann"
    assert git(one.tree.agent("ann").worktree, "status", "--porcelain") == ""
    assert picture(project) == before
    assert one.problems() == []


def test_a_copied_tree_shares_on_a_branch_of_its_own_and_a_moved_one_on_the_same(
    stage: Make, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    one = stage({"ann": shell("echo $MAOS_RUN >> ann.txt")}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    original = one.tree.root
    copied, moved = tmp_path / "stage0" / "copy", tmp_path / "stage0" / "moved"
    shutil.copytree(one.tree.root, copied, symlinks=True)
    for place, branch in ((copied, "maos/stage/ann.2"), (moved, "maos/stage/ann")):
        if place == moved:
            shutil.rmtree(copied)
            original.rename(moved)
        one.tree, one.root = Tree(place), place
        one.pretend_supervised()
        one.edit("tasks/ann.json", run=2)
        assert one.run("ann") == 0, one.log()
        assert git(project, "show", f"{branch}:ann.txt") == "1\n2"
        assert git(one.tree.agent("ann").worktree, "rev-parse", "--abbrev-ref", "HEAD") == branch


def test_a_removed_clone_is_made_again_with_its_setup(stage: Make, tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    setup = ["test -e ann.txt && echo theirs >> $OUT/setup || echo base >> $OUT/setup"]
    one = stage({"ann": shell("echo $MAOS_RUN >> ann.txt", setup=setup)}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    shutil.rmtree(one.tree.agent("ann").worktree)
    one.edit("tasks/ann.json", run=2)
    assert one.run("ann") == 0, one.log()
    assert one.words("setup") == ["base", "base"]
    assert (one.tree.agent("ann").worktree / "ann.txt").read_text() == "1\n2\n"
    record = read_record(one.tree.agent("ann"))
    assert record is not None
    assert (record.behind, record.done) == ("", 1)


@pytest.mark.parametrize(
    "trap",
    [
        "rm -rf .git/logs && ln -s $OUT .git/logs",
        "mkdir -p .git/objects/info; echo $OUT > .git/objects/info/alternates",
        "mv .git/objects $OUT/o && ln -s $OUT/o .git/objects",
    ],
)
def test_what_leads_out_of_a_clone_is_not_followed(stage: Make, tmp_path: Path, trap: str) -> None:
    project = make_project(tmp_path / "project")
    one = stage({"ann": shell(f"echo ann > ann.txt; {trap}")}, **PROJECT)
    one.run("ann")
    assert "ann.txt" not in git(project, "ls-tree", "-r", "--name-only", "maos/stage/ann")
    assert "nothing of" in one.stderr("ann")
    assert {path.name for path in one.outside.iterdir()} <= {"o"}
    refused = maos_sup("diff", str(one.root), "ann")
    assert (refused.returncode, "nothing of" in refused.stderr) == (2, True)


@pytest.mark.parametrize("sort", ["clone", "own"])
def test_work_that_is_nowhere_else_is_known(stage: Make, tmp_path: Path, sort: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    if sort == "clone":
        make_project(project)
    one = stage({"ann": shell("echo ann > ann.txt")}, **{**PROJECT, "workspace": sort})
    assert one.run("ann") == 0, one.log()
    paths, repository = one.tree.agent("ann"), repository_of(one.tree)
    if sort == "own":
        assert is_unsaved(paths, repository)
        assert maos_sup("land", str(one.root), "--into-project").returncode == 0
    assert not is_unsaved(paths, repository)
    (paths.worktree / "more.txt").write_text("more\n")
    assert is_unsaved(paths, repository)
