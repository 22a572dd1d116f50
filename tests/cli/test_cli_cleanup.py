"""`cleanup` deletes what is finished and old, and nothing that somebody could still want."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_trees import finish, new_tree

from state_layout.errors import Locked
from state_layout.files.locks import take_life_lock
from state_layout.host.identity import own_handle
from state_layout.host.marks import tree_place
from state_layout.paths import Tree
from state_layout.tree.removal import remove_tree

Call = Callable[..., Any]
OLD = ("cleanup", "--older-than", "30")


@pytest.fixture
def old(home: Path) -> Tree:
    """A finished tree in which nothing changed for 40 days."""
    tree = new_tree(home, "20261001-0000-old-aaaa")
    finish(tree)
    age(tree.root, days=40)
    return tree


def age(root: Path, *, days: float) -> None:
    then = time.time() - days * 86400
    for path in [*root.rglob("*"), root]:
        os.utime(path, (then, then))


def test_old_finished_tree_is_deleted(call: Call, old: Tree, tree: Tree) -> None:
    answer = call(*OLD)
    assert answer.code == 0
    assert "20261001-0000-old-aaaa" in answer.out
    assert not old.root.exists()
    assert tree.root.exists()
    assert list(old.root.parent.iterdir()) == [tree.root]


def test_dry_run_deletes_nothing(call: Call, old: Tree) -> None:
    assert "would be deleted" in call(*OLD, "--dry-run").out
    assert old.root.exists()
    found = json.loads(call(*OLD, "--dry-run", "--json").out)["orchestrations"]
    assert [(row["id"], row["kept"]) for row in found] == [(old.root.name, None)]


def test_tree_that_changed_since_is_not_mentioned(call: Call, old: Tree) -> None:
    (old.agent("alice").workspace / "new").mkdir()
    assert "nothing is older" in call(*OLD).out
    assert old.root.exists()


def test_unfinished_work_stays_unless_forced(call: Call, home: Path) -> None:
    tree = new_tree(home, "20261001-0000-half-aaaa")
    age(tree.root, days=40)
    assert "kept: unfinished" in call(*OLD).out
    assert tree.root.exists()
    call(*OLD, "--force")
    assert not tree.root.exists()


def test_artifacts_stay_unless_meant(call: Call, old: Tree) -> None:
    artifact = old.agent("bob").artifacts / "report.md"
    artifact.parent.mkdir(parents=True, exist_ok=True)
    artifact.write_text("# Report")
    age(old.root, days=40)
    assert "kept: holds 1 artifact;" in call(*OLD).out
    assert artifact.exists()
    call(*OLD, "--with-artifacts")
    assert not old.root.exists()


def test_uncommitted_work_in_a_workspace_stays(call: Call, old: Tree) -> None:
    workspace = old.agent("bob").workspace
    workspace.mkdir(parents=True, exist_ok=True)
    git(workspace, "init", "-q")
    (workspace / "new.py").write_text("work")
    age(old.root, days=40)
    assert "kept: uncommitted or unpushed work" in call(*OLD).out
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "work")
    age(old.root, days=40)
    assert "kept: uncommitted or unpushed work" in call(*OLD, "--with-artifacts").out
    assert old.root.exists()


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_tree_that_cannot_be_read_stays(call: Call, old: Tree) -> None:
    old.orchestration_spec.write_text("{")
    age(old.root, days=40)
    assert "kept: cannot be read" in call(*OLD).out
    assert old.root.exists()


def test_living_supervisor_is_never_deleted_even_by_force(call: Call, old: Tree) -> None:
    old.run.mkdir(exist_ok=True)
    old.host.write_text(json.dumps(tree_place(old)))
    old.supervisor_handle.write_text(json.dumps(own_handle(1).to_json()))
    age(old.root, days=40)
    assert "kept: somebody works on it" in call(*OLD, "--force").out
    assert old.root.exists()


@pytest.mark.parametrize("who", ["supervisor", "alice"])
def test_held_lock_keeps_a_tree_whose_handles_are_gone(call: Call, old: Tree, who: str) -> None:
    path = old.supervisor_lock if who == "supervisor" else old.agent(who).lock
    lock = take_life_lock(path)
    age(old.root, days=40)
    try:
        assert "kept: " in call(*OLD, "--force").out
        with pytest.raises(Locked):
            remove_tree(old)
    finally:
        lock.release()
    assert old.format.exists()


@pytest.mark.parametrize("days", ["nan", "inf", "-inf", "1e999", "-1"])
def test_an_age_that_compares_with_nothing_deletes_nothing(call: Call, tree: Tree, days: str) -> None:
    finish(tree)
    assert call("cleanup", "--older-than", days, "--force").code == 2
    assert tree.format.exists()


def test_a_worktree_is_forgotten_with_its_tree(call: Call, old: Tree, tmp_path: Path) -> None:
    project, folder = tmp_path / "project", old.agent("bob").worktree
    project.mkdir()
    git(project, "init", "-q")
    git(project, "commit", "-q", "--allow-empty", "-m", "1")
    git(project, "worktree", "add", "-q", "-b", "maos/x/bob", str(folder))
    git(project, "worktree", "add", "-q", str(tmp_path / "of-the-user"))
    linked = project / ".git" / "worktrees"
    (linked / "worktree").rename(linked / "maos.x.bob")
    (folder / ".git").write_text(f"gitdir: {linked / 'maos.x.bob'}\n")
    (folder / "new.py").write_text("work")
    age(old.root, days=40)
    assert "kept: uncommitted or unpushed work" in call(*OLD).out
    (folder / "new.py").unlink()
    age(old.root, days=40)
    assert "deleted" in call(*OLD).out
    assert [path.name for path in linked.iterdir()] == ["of-the-user"]
    git(project, "rev-parse", "maos/x/bob")
