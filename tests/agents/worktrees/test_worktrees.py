"""Agents on one repository have a worktree each; what its user has checked out stays byte for byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import git, make_busy, make_project, picture
from stage import Stage, wait_for

from maos_sup.views.status import status_of
from maos_sup.views.summary import summary_lines
from maos_sup.workspaces import snapshots
from maos_sup.workspaces.record import read_record
from state_layout.paths import Tree

Make = Callable[..., Stage]
PROJECT = {"project": "../../project", "project_name": "project", "workspace": "worktree"}


def maos_sup(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "maos_sup", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def writer(name: str, text: str = "", **more: Any) -> dict[str, Any]:
    """An agent that writes a file, and says where it works."""
    where = f"git rev-parse --abbrev-ref HEAD > $OUT/{name}.branch && pwd > $OUT/{name}.pwd"
    return {"kind": "command", "shell": f"echo '{text or name}' > {name} && {where}", **more}


def test_each_agent_works_on_a_branch_of_its_own(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    head = git(project, "rev-parse", "HEAD")
    one = stage({"ann": writer("ann.txt"), "bob": writer("bob.txt")}, **PROJECT)
    assert [one.run("ann"), one.run("bob")] == [0, 0], one.log()
    for name in ("ann", "bob"):
        assert one.words(f"{name}.txt.branch") == [f"maos/stage/{name}"]
        assert one.words(f"{name}.txt.pwd") == [str(one.tree.agent(name).worktree)]
        assert git(project, "diff", "--name-only", f"main..maos/stage/{name}") == f"{name}.txt"
        assert git(project, "log", "-1", "--format=%an %s", f"maos/stage/{name}").startswith(
            f"{name} {name}: Do"
        )
    assert git(project, "rev-parse", "HEAD") == head
    assert git(project, "status", "--porcelain") == ""
    assert not git(project, "fsck", "--no-dangling")
    assert sorted(path.name for path in project.iterdir()) == [".git", ".gitignore", "a.txt"]
    assert one.problems() == []


def test_the_users_checkout_stays_byte_for_byte(stage: Make, tmp_path: Path) -> None:
    project, spy = make_project(tmp_path / "project"), tmp_path / "spy"
    make_busy(project, spy)
    before = picture(project)
    ann = {"kind": "command", "shell": "echo x > ann.txt"}
    bob = {"kind": "command", "shell": "cp -r . $OUT/seen; echo b > a.txt", "base": "working-tree"}
    one = stage({"ann": ann, "bob": bob}, **PROJECT)
    assert [one.run("ann"), one.run("bob")] == [0, 0], one.log()
    assert picture(project) == before
    assert not spy.exists(), spy.read_text()
    seen = one.outside / "seen"
    assert (seen / "a.txt").read_text() == "edited, not staged\n"
    assert (seen / "staged.txt").read_text() == "staged\n"
    assert (seen / "untracked.txt").read_text() == "untracked\n"
    assert not (seen / "x.ignored").exists()
    assert not (one.tree.agent("ann").worktree / "untracked.txt").exists()


def test_what_a_task_needs_is_in_its_worktree(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    tasks = {
        "write": {"agent": "ann", "description": "Write"},
        "read": {"agent": "bob", "description": "Read", "needs": ["write"]},
        "more": {"agent": "ann", "description": "More", "needs": ["read"]},
    }
    agents = {
        "ann": {"kind": "command", "shell": "echo $MAOS_TASK_ID >> ann.txt; cp bob.txt $OUT/ || true"},
        "bob": {"kind": "command", "shell": "cp ann.txt bob.txt"},
    }
    one = stage(agents, tasks, **PROJECT)
    assert [one.run("ann"), one.run("bob"), one.run("ann")] == [0, 0, 0], one.log()
    assert one.words("bob.txt") == ["write"]
    assert git(project, "show", "maos/stage/ann:ann.txt") == "write\nmore"
    record = read_record(one.tree.agent("ann"))
    assert record is not None
    assert git(project, "diff", "--name-only", record.ground, record.tip) == "ann.txt"


@pytest.mark.parametrize("step", range(int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "0")) or 4))
def test_a_making_that_was_killed_is_made_anew(stage: Make, tmp_path: Path, step: int) -> None:
    project = make_project(tmp_path / "project")
    before = picture(project)
    one = stage({"ann": writer("ann.txt", setup=["echo once >> $OUT/setup"])}, **PROJECT)
    for operation in (7 + step, 30 + 3 * step, 55 + step):
        one.die_at("ann", operation)
    assert one.run("ann") == 0, one.log()
    assert git(project, "show", "maos/stage/ann:ann.txt") == "ann.txt"
    assert git(project, "branch", "--list", "--format=%(refname:short)", "maos/*") == "maos/stage/ann"
    assert len(git(project, "worktree", "list").splitlines()) == 2
    assert git(one.tree.agent("ann").worktree, "status", "--porcelain") == ""
    assert picture(project) == before
    assert one.words("setup")
    assert not list((project / ".git" / "worktrees").glob(".*"))
    assert one.problems() == []


def test_a_copied_tree_takes_a_branch_of_its_own(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    one = stage({"ann": writer("ann.txt")}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    copy = Copy(one, tmp_path / "stage0" / "copy")
    copy.edit("tasks/ann.json", run=2)
    copy.edit("agents/ann.json", shell="echo again >> ann.txt")
    assert copy.run("ann") == 0, one.log()
    assert git(project, "show", "maos/stage/ann:ann.txt") == "ann.txt"
    assert git(project, "show", "maos/stage/ann.2:ann.txt") == "ann.txt\nagain"
    assert git(project, "merge-base", "maos/stage/ann", "maos/stage/ann.2") == git(
        project, "rev-parse", "maos/stage/ann"
    )


def test_a_moved_tree_keeps_its_branch(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    one = stage({"ann": writer("ann.txt")}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    copy = Copy(one, tmp_path / "stage0" / "copy", moves=True)
    copy.edit("tasks/ann.json", run=2)
    copy.edit("agents/ann.json", shell="echo again >> ann.txt")
    assert copy.run("ann") == 0, one.log()
    assert git(project, "show", "maos/stage/ann:ann.txt") == "ann.txt\nagain"
    assert git(project, "branch", "--list", "--format=%(refname:short)", "maos/*") == "maos/stage/ann"
    assert git(copy.tree.agent("ann").worktree, "status", "--porcelain") == ""


@pytest.mark.parametrize("loss", ["pruned", "removed", "branch"])
def test_a_worktree_that_was_taken_away_is_found_or_made_again(
    stage: Make, tmp_path: Path, loss: str
) -> None:
    project = make_project(tmp_path / "project")
    one = stage({"ann": writer("ann.txt")}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    if loss == "branch":
        git(project, "update-ref", "-d", "refs/heads/maos/stage/ann")
    elif loss == "removed":
        git(project, "worktree", "remove", "--force", str(one.tree.agent("ann").worktree))
    else:
        shutil.rmtree(project / ".git" / "worktrees")
    one.edit("tasks/ann.json", run=2)
    one.edit("agents/ann.json", shell="echo again >> ann.txt")
    assert one.run("ann") == 0, one.log()
    assert git(project, "show", "maos/stage/ann:ann.txt") == "ann.txt\nagain"


def test_setup_runs_on_nothing_that_agents_wrote(stage: Make, tmp_path: Path) -> None:
    """Its lines run as the user, whatever confines the agents: `npm ci` does what a package.json says."""
    project = make_project(tmp_path / "project")
    tasks = {
        "write": {"agent": "ann", "description": "Write"},
        "read": {"agent": "bob", "description": "Read", "needs": ["write"]},
    }
    line = "test -e ann.txt && echo theirs >> $OUT/setup || echo base >> $OUT/setup"
    agents = {
        "ann": writer("ann.txt"),
        "bob": {"kind": "command", "shell": "cp ann.txt bob.txt", "setup": [line]},
    }
    one = stage(agents, tasks, **PROJECT)
    assert [one.run("ann"), one.run("bob")] == [0, 0], one.log()
    assert one.words("setup") == ["base"]
    assert git(project, "show", "maos/stage/bob:bob.txt") == "ann.txt"
    assert one.problems() == []


def test_setup_runs_once_and_its_failure_is_said(stage: Make, tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    lines = ["echo 1 >> $OUT/setup", "test -e $OUT/good", "echo 3 >> $OUT/setup"]
    (tmp_path / "project" / "env.ignored").write_text("KEY=1")
    more = {"setup": lines, "carry": ["env.ignored", "gone"]}
    one = stage({"ann": {"kind": "command", "shell": "cat env.ignored > $OUT/env"}}, **PROJECT, **more)
    assert one.run("ann") == 1
    assert "setup line 2 ('test -e $OUT/good') ended with exit code 1" in one.exit("ann")["detail"]
    (one.outside / "good").touch()
    assert one.run("ann") == 0, one.log()
    assert one.words("setup") == ["1", "3"]
    assert one.words("env") == ["KEY=1"]
    assert "carry: gone is not in the project" in one.stderr("ann")


def test_what_was_changed_is_seen_while_it_works(stage: Make, tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    line = "echo more >> a.txt; until test -e $OUT/gate; do sleep 0.05; done; echo x > $MAOS_AGENT"
    agents = {name: {"kind": "command", "shell": line} for name in ("ann", "bob")}
    one = stage(agents, **PROJECT)
    lives = [one.live(name) for name in agents]
    wait_for(lambda: all(one.status(name).get("changed") for name in agents), "what they changed")
    told = "ann and bob changed the same file, which may not merge: a.txt"
    wait_for(lambda: told in status_of(one.tree)["notes"], "that both changed it")
    (one.outside / "gate").touch()
    assert [life.wait() for life in lives] == [0, 0], one.log()
    assert one.status("ann")["changed"] == {
        **{"branch": "maos/stage/ann", "files": 2, "added": 2, "removed": 0, "paths": ["a.txt", "ann"]}
    }
    told = "\n".join(summary_lines(status_of(one.tree), name="stage"))
    assert "ann changed 2 files, +2 -0 lines on maos/stage/ann" in told
    assert "maos-sup diff stage" in told


def test_what_changed_since_a_checkpoint_is_told(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (project / ".gitattributes").write_text("*.txt text eol=crlf\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "second")
    line = "echo $MAOS_RUN >> a.txt; echo $MAOS_RUN > run.$MAOS_RUN; mkdir -p venv; echo > venv/m"
    one = stage({"ann": {"kind": "command", "shell": line}}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    assert maos_sup("checkpoint", str(one.root), "--name", "first").returncode == 0
    nothing = maos_sup("diff", str(one.root), "ann", "--since", "first")
    assert nothing.stdout.splitlines() == [
        "ann: 0 files, +0 -0 lines, on maos/stage/ann, from checkpoint first"
    ], nothing.stderr
    one.edit("tasks/ann.json", run=2)
    assert one.run("ann") == 0, one.log()
    since = maos_sup("diff", str(one.root), "ann", "--since", "first")
    assert since.stdout.splitlines() == [
        "ann: 2 files, +2 -0 lines, on maos/stage/ann, from checkpoint first",
        "  M a.txt  +1 -0",
        "  A run.2  +1 -0",
    ], since.stderr
    assert "+++ b/run.2" in maos_sup("diff", str(one.root), "--since", "first", "--patch").stdout
    status = json.loads(maos_sup("status", str(one.root), "--json").stdout)
    assert status["snapshots"]["count"] == len(snapshots.numbers(one.tree.agent("ann")))
    assert status["snapshots"]["bytes"] > 0


def test_a_removed_worktree_is_made_again_with_its_setup(stage: Make, tmp_path: Path) -> None:
    """Its lines run as the user: on the base, before what the agent did is there."""
    make_project(tmp_path / "project")
    setup = ["test -e ann.txt && echo theirs >> $OUT/setup || echo base >> $OUT/setup", "echo x > x.ignored"]
    one = stage({"ann": {"kind": "command", "shell": "echo $MAOS_RUN >> ann.txt", "setup": setup}}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    for run, operation in ((2, 40), (3, 55), (4, None)):
        shutil.rmtree(one.tree.agent("ann").worktree)
        one.edit("tasks/ann.json", run=run)
        if operation is not None:
            one.die_at("ann", operation)
        assert one.run("ann") == 0, one.log()
    assert {*one.words("setup")} == {"base"}
    worktree = one.tree.agent("ann").worktree
    assert ((worktree / "ann.txt").read_text(), (worktree / "x.ignored").exists()) == ("1\n2\n3\n4\n", True)
    assert git(worktree, "status", "--porcelain") == ""


def test_a_tree_in_its_project_is_no_work_of_the_user(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (tmp_path / "untracked.txt").write_text("untracked\n")
    more = {
        "project": "../..",
        "project_name": tmp_path.name,
        "workspace": "worktree",
        "base": "working-tree",
    }
    one = stage({"ann": {"kind": "command", "shell": "ls > $OUT/seen"}}, **more)
    assert one.run("ann") == 0, one.log()
    assert "untracked.txt" in one.words("seen")
    assert "stage0/tree" not in git(project, "ls-tree", "-r", "--name-only", "maos/stage/ann")


class Copy(Stage):
    """A copy of a stage's tree at another place, or the tree itself, moved there."""

    def __init__(self, one: Stage, root: Path, *, moves: bool = False) -> None:
        if moves:
            one.tree.root.rename(root)
        else:
            shutil.copytree(one.tree.root, root, symlinks=True)
        self.folder, self.outside, self.lives = one.folder, one.outside, one.lives
        self.tree, self.root = Tree(root), root
        self.pretend_supervised()
