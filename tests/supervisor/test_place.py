"""Whose place a tree is in, and who holds it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from supervised import Supervised, begin_agent, make_tree

from maos_sup.core.model import Finish, Memory, Process, Submit
from maos_sup.launchers.memory import MemoryLauncher
from maos_sup.supervisor.adopt import settle_in, take_tree
from maos_sup.supervisor.observe import Observer
from maos_sup.supervisor.specs import SpecsInForce
from state_layout.errors import Locked
from state_layout.files.locks import take_life_lock
from state_layout.lives.attempts import begin_attempt, recall, seal_exit
from state_layout.paths import Tree
from state_layout.records import ExitReason, Phase, Specs
from state_layout.specs import read_specs


def in_force(tree: Tree) -> Specs:
    return read_specs(tree).specs


def test_a_tree_is_new_once_and_again_after_a_copy_or_without_run(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    assert [settle_in(tree, in_force(tree)).is_new for _ in range(2)] == [True, False]
    shutil.copytree(tree.root, tmp_path / "copy")
    assert settle_in(Tree(tmp_path / "copy"), in_force(tree)).is_new
    shutil.rmtree(tree.run)
    assert settle_in(tree, in_force(tree)).is_new


SPEAKER = """
import os, shutil, sys
from pathlib import Path
from maos_sup.supervisor.adopt import stay
from state_layout.paths import Tree
tree = Tree(Path(sys.argv[1]))
shutil.rmtree(tree.run)
stay(tree)
print("after", file=sys.stderr)
"""


def test_the_log_is_begun_anew_after_run_was_deleted_under_a_living_supervisor(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    settle_in(tree, in_force(tree))
    with tree.supervisor_log.open("ab") as log:
        subprocess.run(
            [sys.executable, "-c", SPEAKER, str(tree.root)], stdout=log, stderr=log, check=True, timeout=60
        )
    assert tree.supervisor_log.read_text() == "after\n"


def test_a_moved_tree_is_no_copy(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    settle_in(tree, in_force(tree))
    tree.root.rename(tmp_path / "moved")
    assert not settle_in(Tree(tmp_path / "moved"), in_force(Tree(tmp_path / "moved"))).is_new


def test_snapshots_of_a_copy_are_made_anew(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    begin_agent(tree, "a")
    tree.agent("a").status.write_text("{}")
    settle_in(tree, in_force(tree))
    assert not tree.agent("a").status.exists()


def test_the_snapshot_of_a_living_agent_is_left_alone(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    begin_agent(tree, "a")
    tree.agent("a").status.write_text("{}")
    lock = take_life_lock(tree.agent("a").lock)
    settle_in(tree, in_force(tree))
    lock.release()
    assert tree.agent("a").status.exists()


def test_what_was_done_before_a_copy_is_not_begun_again(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    attempt = begin_attempt(tree, "a", recall=recall(tree, "a"), settings={})
    attempt.journal.commit("task", {"task": "a", "run": 1, "phase": "done"})
    attempt.journal.close()
    seal_exit(tree, "a", 1, by="agent", reason=ExitReason.PARKED)
    settle_in(tree, in_force(tree))
    life = Supervised(tree)
    while (actions := life.turn()) and not isinstance(actions[0], Finish):
        assert not any(isinstance(action, Submit) for action in actions)
    assert actions == [Finish(phase=Phase.DONE)]


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
        return Observer(tree, launcher).observe(specs.now, Memory(), leaving=False).agents["a"].process

    assert process() is Process.GONE
    lock = take_life_lock(tree.agent("a").lock)
    assert process() is Process.UNKNOWN
    launcher.adoptable["a"] = 4711
    assert process() is Process.ALIVE
    launcher.end("a", exit_code=0)
    assert process() is Process.UNKNOWN
    lock.release()
    assert process() is Process.GONE
