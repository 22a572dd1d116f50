"""A worktree that its repository does not know any more, or as that of another tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import git, make_project, picture
from stage import Stage

from maos_sup.workspaces.changes import changes_of
from maos_sup.workspaces.keeping import keep
from maos_sup.workspaces.record import read_record
from maos_sup.workspaces.repository import repository_around
from maos_sup.workspaces.worktree import admin_of

Make = Callable[..., Stage]
PROJECT = {"project": "../../project", "project_name": "project", "workspace": "worktree"}


def maos_sup(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "maos_sup", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def team(stage: Make, line: str, **more: Any) -> Stage:
    one = stage({"ann": {"kind": "command", "shell": line}}, **{**PROJECT, **more})
    assert one.run("ann") == 0, one.log()
    return one


def test_what_a_copy_lands_is_not_on_the_branch_of_the_original(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt="1\n")
    one = team(stage, "echo ann > ann.txt")
    before = git(project, "rev-parse", "maos/stage/ann")
    copy = one.root.with_name("copy")
    shutil.copytree(one.root, copy, symlinks=True)
    (copy / "agents/ann/worktree/more.txt").write_text("of the copy\n")
    done = maos_sup("land", str(copy))
    assert done.returncode == 0, done.stderr
    assert git(project, "rev-parse", "maos/stage/ann") == before
    assert git(one.root / "agents/ann/worktree", "status", "--porcelain") == ""
    assert git(project, "show", "maos/stage/ann.2:more.txt") == "of the copy"
    assert git(project, "show", "maos/stage/LANDED:more.txt") == "of the copy"
    assert one.problems() == []


def test_what_was_pruned_is_landed_with_what_is_not_committed(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt="1\n")
    one = team(stage, "echo ann > ann.txt")
    (one.root / "agents/ann/worktree/later.txt").write_text("later\n")
    shutil.rmtree(project / ".git/worktrees")
    done = maos_sup("land", str(one.root))
    assert (done.returncode, done.stderr) == (0, "")
    assert git(project, "show", "maos/stage/ann:later.txt") == "later"


def test_what_was_pruned_at_work_is_committed_at_its_end(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt="1\n")
    one = team(stage, f"echo ann > ann.txt; rm -r {project}/.git/worktrees")
    assert git(project, "show", "maos/stage/ann:ann.txt") == "ann"
    assert "without a branch" not in one.log()


def test_a_worktree_that_went_at_work_is_told(stage: Make, tmp_path: Path) -> None:
    make_project(tmp_path / "project", a_txt="1\n")
    one = team(stage, "echo ann > ann.txt; rm -r $PWD")
    errors = (one.root / "agents/ann/attempts/0001/stderr.log").read_text()
    assert "worktree is not there any more; what was kept of it: maos-sup files stage ann" in errors


def test_what_lies_in_place_of_its_git_file_hides_no_work(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt="1\n")
    one = team(stage, "rm .git; git init -q; echo ann > ann.txt")
    assert git(project, "show", "maos/stage/ann:ann.txt") == "ann"
    assert one.problems() == []


def test_nothing_is_written_through_a_link_in_its_place(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt="1\n")
    before = picture(project)
    one = team(stage, f"rm -r $PWD; ln -s {project} $PWD")
    one.edit("tasks/ann.json", run=2)
    one.edit("agents/ann.json", shell="true")
    assert one.run("ann") == 12
    assert "nothing is written through links" in one.log()
    maos_sup("land", str(one.root))
    assert picture(project) == before


def test_a_change_in_the_second_of_the_checkout_is_committed(stage: Make, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", a_txt="1\n")
    one = team(stage, "true")
    paths = one.tree.agent("ann")
    record, repository = read_record(paths), repository_around(project)
    assert record is not None
    index, file = admin_of(repository, record) / "index", paths.worktree / "a.txt"
    while time.time() % 1 > 0.1:
        time.sleep(0.01)
    file.write_text("1\n")
    git(paths.worktree, "update-index", "--refresh")
    file.write_text("2\n")
    seen = file.stat()
    os.utime(index, (seen.st_mtime, seen.st_mtime))  # git wrote it in that second
    time.sleep(1.1)
    changes = changes_of(paths, repository)
    assert changes is not None
    assert changes.paths == ["a.txt"]
    keep(paths, repository, record, text="t", who="ann")
    assert git(project, "show", "maos/stage/ann:a.txt") == "2"


@pytest.mark.parametrize("name", ["new\nline", 'quo"te', "back\\slash", "#hash", "co:lon"])
def test_changes_are_seen_whatever_the_project_is_called(stage: Make, tmp_path: Path, name: str) -> None:
    project = make_project(tmp_path / name, a_txt="1\n")
    one = team(stage, "echo ann > ann.txt", project=f"../../{name}", project_name=name)
    done = maos_sup("diff", str(one.root))
    assert "A ann.txt" in done.stdout, done.stderr
    assert git(project, "show", "maos/stage/ann:ann.txt") == "ann"
