"""Where a run began is remembered, and its lines are found from there: the same as among all that count."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lives import Life, make_tree

from state_layout.files import codec
from state_layout.lives.attempts import all_lines, lines_of_run, recall
from state_layout.lives.history import run_key
from state_layout.paths import Tree


def of_run(lines: Any, task: str) -> list[dict[str, Any]]:
    return [entry for line in lines if (entry := line.fields()).get("task") == task]


def worked(tree: Tree, *tasks: str, settles: bool = True) -> None:
    """A life in which each of `tasks` is begun and worked on; all but the last are done, or that as well."""
    life = Life(tree, "ann")
    for task in tasks:
        life.commit("task", task=task, run=1, phase="running")
        life.commit("turn", task=task, run=1, role="assistant", n=life.history.seq)
        if settles or task != tasks[-1]:
            life.commit("task", task=task, run=1, phase="done")
    life.checkpoint()
    life.die()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree", "ann")


def test_only_lines_since_the_run_began_are_read(tree: Tree) -> None:
    worked(tree, "a", "b")
    worked(tree, "c", "d", settles=False)
    worked(tree, "d", settles=False)
    begun = recall(tree, "ann").history.begun
    assert [*begun] == ["d#1"]
    lines = [*lines_of_run(tree, "ann", begun["d#1"])]
    assert lines[0].fields() == [line.fields() for line in all_lines(tree, "ann")][-len(lines)]
    assert lines[0].fields()["task"] == "d" and lines[0].fields()["phase"] == "running"
    assert of_run(lines, "d") == of_run(all_lines(tree, "ann"), "d")


def test_journals_of_lives_before_are_not_opened(tree: Tree) -> None:
    worked(tree, "a", "b")
    worked(tree, "c", settles=False)
    begun = recall(tree, "ann").history.begun["c#1"]
    whole = of_run(all_lines(tree, "ann"), "c")
    tree.agent("ann").attempt(1).journal.write_bytes(b"not to be read\n")
    assert of_run(lines_of_run(tree, "ann", begun), "c") == whole


@pytest.mark.parametrize(
    "begun", [None, (1, 2, 9, "0" * 12), (9, 1, 0, ""), (2, 10_000, 1 << 40, "0" * 12), (1, 0, 0, "")]
)
def test_a_place_that_does_not_stand_has_all_lines_read(tree: Tree, begun: Any) -> None:
    worked(tree, "a", "b")
    worked(tree, "c", settles=False)
    whole = [line.raw for line in all_lines(tree, "ann")]
    assert [line.raw for line in lines_of_run(tree, "ann", begun)] == whole


def test_a_place_in_lines_that_a_later_life_passed_over_does_not_count(tree: Tree) -> None:
    life = Life(tree, "ann")
    life.commit("task", task="a", run=1, phase="running")
    life.die()
    journal = tree.agent("ann").attempt(1).journal
    before = journal.read_bytes()
    again = Life(tree, "ann")
    again.die()
    with journal.open("ab") as file:  # written behind by who was thought dead: void
        file.write(b"x" * 100 + b"\n")
    begun = (1, 10, len(before) + 101, "x" * 12)
    assert [line.seq for line in lines_of_run(tree, "ann", begun)] == [
        line.seq for line in all_lines(tree, "ann")
    ]


def test_a_checkpoint_of_an_older_version_has_all_lines_read(tree: Tree) -> None:
    worked(tree, "a", settles=False)
    path = tree.agent("ann").attempt(1).checkpoint(0)
    value = json.loads(path.read_bytes())
    del value["history"]["begun"], value["sha256"]
    body = codec.encode(value)[:-1]
    path.write_bytes(body + b',"sha256":"' + sha256(body).hexdigest().encode() + b'"}\n')
    found = recall(tree, "ann").history
    assert found.begun == {} and found.tasks["a"].run == 1


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_lines_of_a_run_are_all_found(tree: Tree, seed: int) -> None:
    chance, life = Random(seed), Life(tree, "ann")
    open_runs: dict[str, int] = {}
    runs = dict[str, int]()
    for _ in range(30):
        deed = chance.choice(("begin", "turn", "turn", "settle", "checkpoint", "die", "copy"))
        task = chance.choice("abc")
        if deed == "begin":
            if task not in open_runs:
                open_runs[task] = runs[task] = runs.get(task, 0) + 1
            life.commit("task", task=task, run=open_runs[task], phase="running")
        elif deed == "turn" and task in open_runs:
            life.commit("turn", task=task, run=open_runs[task], role="user", n=life.history.seq)
        elif deed == "settle" and task in open_runs:
            life.commit("task", task=task, run=open_runs.pop(task), phase="failed")
        elif deed == "checkpoint":
            life.checkpoint()
        elif deed in ("die", "copy"):
            life.die()
            if deed == "copy":
                copied = tree.root.with_name(f"{tree.root.name}-{len(list(tree.root.parent.iterdir()))}")
                shutil.copytree(tree.root, copied)
                tree = Tree(copied)
            life = Life(tree, "ann")
        for known, run in open_runs.items():
            begun = life.history.begun.get(run_key(known, run))
            assert begun is not None
            found = [each for each in of_run(lines_of_run(tree, "ann", begun), known) if each["run"] == run]
            assert found == [each for each in of_run(all_lines(tree, "ann"), known) if each["run"] == run]
    life.die()
