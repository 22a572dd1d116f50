"""What an agent reads of the specs, and what it believes of whoever forked it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from state_layout.files import codec
from state_layout.paths import Tree
from state_layout.records import Want
from state_layout.specs import of_agent
from state_layout.specs.of_agent import AgentSpecs
from state_layout.tree import create_tree

A_WHILE_NS = 10**9


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """Three agents with a task each, written a while ago."""
    tree = create_tree(
        tmp_path / "tree",
        orchestration={"id": "x", "request": "x"},
        agents={name: {"kind": "command", "command": ["true"]} for name in ("ann", "bob", "eve")},
        tasks={f"t-{name}": {"agent": name} for name in ("ann", "bob", "eve")},
        files={},
    )
    for path in tree.task_specs.iterdir():
        age(path)
    yield tree
    of_agent._kept.clear()


def age(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_mtime_ns - A_WHILE_NS, found.st_mtime_ns - A_WHILE_NS))


def give(tree: Tree, task: str, agent: str) -> None:
    tree.task_spec(task).write_bytes(codec.encode({"agent": agent}))


def survey(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a zygote does; the files' other time stamp cannot be set, so they are young to it for a moment."""
    monkeypatch.setattr(of_agent, "_FRESH_NS", 0)
    specs = AgentSpecs(tree, "ann")
    specs.survey()
    specs.read()
    specs.keep()


def test_without_a_survey_every_task_is_looked_at(tree: Tree) -> None:
    specs = AgentSpecs(tree, "ann")
    assert specs.read().tasks.keys() == {"t-ann"} and not specs.is_hearsay


def test_survey_is_believed_once(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    survey(tree, monkeypatch)
    give(tree, "t-eve", "bob")
    specs = AgentSpecs(tree, "bob")
    assert specs.read().tasks.keys() == {"t-bob"} and specs.is_hearsay
    assert specs.read().tasks.keys() == {"t-bob", "t-eve"} and not specs.is_hearsay


def test_task_that_was_taken_away_since_the_survey_is_not_worked_on(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey(tree, monkeypatch)
    give(tree, "t-ann", "bob")
    assert AgentSpecs(tree, "ann").read().tasks == {}
    tree.task_spec("t-bob").unlink()
    assert AgentSpecs(tree, "bob").read().tasks == {}


def test_edit_of_an_own_task_is_seen_at_once(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    survey(tree, monkeypatch)
    tree.task_spec("t-ann").write_bytes(codec.encode({"agent": "ann", "needs": ["t-bob"], "run": 2}))
    tasks = AgentSpecs(tree, "ann").read().tasks
    assert tasks["t-ann"].run == 2 and tasks.keys() == {"t-ann", "t-bob"}


def test_survey_that_is_old_or_not_whole_is_not_believed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_agent, "_NEWS_S", 0.0)
    survey(tree, monkeypatch)
    give(tree, "t-eve", "bob")
    assert AgentSpecs(tree, "bob").read().tasks.keys() == {"t-bob", "t-eve"}
    monkeypatch.undo()
    tree.task_spec("t-eve").write_bytes(b"{")
    survey(tree, monkeypatch)
    give(tree, "t-eve", "bob")
    assert AgentSpecs(tree, "bob").read().tasks.keys() == {"t-bob", "t-eve"}


def test_young_file_is_read_again_by_each(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    survey(tree, monkeypatch)
    monkeypatch.setattr(of_agent, "_FRESH_NS", 10**12)
    of_agent._kept.clear()
    specs = AgentSpecs(tree, "ann")
    specs.survey()
    specs.keep()
    kept = of_agent._kept[f"{tree.spec}/"]
    assert kept.files == {} and not kept.is_whole


def test_last_good_version_stays_where_a_file_went_bad_after_it_was_kept(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey(tree, monkeypatch)
    tree.agent_spec("ann").write_bytes(b"{")
    assert AgentSpecs(tree, "ann").read().agents["ann"].kind == "command"


def test_task_that_needs_what_is_not_there_stays_as_it_was_in_force(tree: Tree) -> None:
    specs = AgentSpecs(tree, "ann")
    accepted = tree.accepted / "tasks" / "t-ann.json"
    accepted.parent.mkdir(parents=True, exist_ok=True)
    accepted.write_bytes(tree.task_spec("t-ann").read_bytes())
    edit = {"agent": "ann", "needs": ["t-bob", "t-new"], "want": "cancel"}
    tree.task_spec("t-ann").write_bytes(codec.encode(edit))
    tree.task_spec("t-own").write_bytes(codec.encode({"agent": "ann", "needs": ["t-new"]}))
    tasks = specs.read().tasks
    assert tasks.keys() == {"t-ann"} and tasks["t-ann"].want is Want.RUN
    assert not specs.is_current("tasks/t-ann.json")
    give(tree, "t-new", "eve")
    tasks = specs.read().tasks
    assert tasks.keys() == {"t-ann", "t-bob", "t-new", "t-own"} and tasks["t-ann"].want is Want.CANCEL
    assert specs.is_current("tasks/t-ann.json")
