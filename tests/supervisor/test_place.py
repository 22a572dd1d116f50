"""Whose place a tree is in, and who holds it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from supervised import begin_agent, make_tree

from maos_sup.core.model import Memory, Process
from maos_sup.launchers.memory import MemoryLauncher
from maos_sup.supervisor.adopt import settle_in, take_tree
from maos_sup.supervisor.observe import Lookout
from maos_sup.supervisor.specs import SpecsInForce
from state_layout.errors import Locked
from state_layout.locks import take_life_lock
from state_layout.paths import Tree


def test_a_tree_is_new_once_and_again_after_a_copy_or_without_run(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    assert [settle_in(tree, ["a"]).is_new for _ in range(2)] == [True, False]
    shutil.copytree(tree.root, tmp_path / "copy")
    assert settle_in(Tree(tmp_path / "copy"), ["a"]).is_new
    shutil.rmtree(tree.run)
    assert settle_in(tree, ["a"]).is_new


def test_a_moved_tree_is_no_copy(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    settle_in(tree, ["a"])
    tree.root.rename(tmp_path / "moved")
    assert not settle_in(Tree(tmp_path / "moved"), ["a"]).is_new


def test_snapshots_of_a_copy_are_made_anew(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    begin_agent(tree, "a")
    tree.agent("a").status.write_text("{}")
    settle_in(tree, ["a"])
    assert not tree.agent("a").status.exists()


def test_the_second_supervisor_is_told_who_holds_the_tree(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    lock = take_tree(tree)
    with pytest.raises(Locked, match=r"supervised by process [0-9]+ already; use 'maos-sup attach'"):
        take_tree(tree)
    lock.release()
    take_tree(tree).release()


def test_dead_is_said_only_when_the_lock_is_free(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    launcher = MemoryLauncher()
    specs = SpecsInForce(tree)

    def process() -> Process:
        launcher.poll()
        return Lookout(tree, launcher).observe(specs.now, Memory(), leaving=False).agents["a"].process

    assert process() is Process.GONE
    lock = take_life_lock(tree.agent("a").lock)
    assert process() is Process.UNKNOWN
    launcher.adoptable["a"] = 4711
    assert process() is Process.ALIVE
    launcher.end("a", exit_code=0)
    assert process() is Process.UNKNOWN
    lock.release()
    assert process() is Process.GONE
