"""What an agent reads of the specs, and what it believes of whoever forked it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from state_layout.files import codec
from state_layout.paths import Tree
from state_layout.records import Want
from state_layout.specs import of_agent
from state_layout.specs.of_agent import AgentSpecs
from state_layout.tree.making import create_tree

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
    """Do what a zygote does; files' other time stamp cannot be set, so they are young to it for a moment."""
    monkeypatch.setattr(of_agent, "_FRESH_NS", 0)
    specs = AgentSpecs(tree, "ann")
    specs.survey()
    specs.read()
    specs.keep()


def test_without_a_survey_every_task_is_looked_at(tree: Tree) -> None:
    specs = AgentSpecs(tree, "ann")
    assert specs.read().tasks.keys() == {"t-ann"} and not specs.may_miss_tasks


def test_survey_is_believed_once(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    survey(tree, monkeypatch)
    give(tree, "t-eve", "bob")
    specs = AgentSpecs(tree, "bob")
    assert specs.read().tasks.keys() == {"t-bob"} and specs.may_miss_tasks
    assert specs.read().tasks.keys() == {"t-bob", "t-eve"} and not specs.may_miss_tasks


def test_task_that_was_taken_away_since_the_survey_is_not_worked_on(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey(tree, monkeypatch)
    give(tree, "t-ann", "bob")
    specs = AgentSpecs(tree, "ann")
    specs.read()
    assert not specs.is_current("tasks/t-ann.json")
    assert specs.read().tasks["t-ann"].agent == "bob"


def test_edit_of_an_own_task_is_seen_before_it_is_worked_on(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey(tree, monkeypatch)
    tree.task_spec("t-ann").write_bytes(codec.encode({"agent": "ann", "needs": ["t-bob"], "run": 2}))
    specs = AgentSpecs(tree, "ann")
    specs.read()
    assert not specs.is_current("tasks/t-ann.json") and specs.is_current("tasks/t-bob.json")
    tasks = specs.read().tasks
    assert tasks["t-ann"].run == 2 and tasks.keys() == {"t-ann", "t-bob"}


def test_survey_that_is_old_or_not_whole_is_not_believed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_agent, "_NEWS_S", 0.0)
    monkeypatch.setattr(of_agent, "_MOST_SHARE", 1e9)
    survey(tree, monkeypatch)
    give(tree, "t-eve", "bob")
    assert AgentSpecs(tree, "bob").read().tasks.keys() == {"t-bob", "t-eve"}
    monkeypatch.undo()
    tree.task_spec("t-eve").write_bytes(b"{")
    survey(tree, monkeypatch)
    give(tree, "t-eve", "bob")
    assert AgentSpecs(tree, "bob").read().tasks.keys() == {"t-bob", "t-eve"}


def test_survey_is_not_believed_once_a_task_file_came_or_went(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey(tree, monkeypatch)
    give(tree, "t-new", "bob")
    specs = AgentSpecs(tree, "bob")
    assert specs.read().tasks.keys() == {"t-bob", "t-new"} and not specs.may_miss_tasks
    survey(tree, monkeypatch)
    tree.task_spec("t-bob").unlink()
    assert AgentSpecs(tree, "bob").read().tasks.keys() == {"t-new"}


def test_all_files_are_due_when_one_came_or_went_or_the_time_is_up(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_agent, "_FRESH_NS", 0)
    monkeypatch.setattr(of_agent, "_NEWS_S", 60.0)
    specs = AgentSpecs(tree, "bob")
    specs.read()
    assert not specs.is_due()
    give(tree, "t-eve", "bob")  # in place: the folder does not tell
    assert not specs.is_due()
    give(tree, "t-new", "bob")
    assert specs.is_due()
    assert specs.read().tasks.keys() == {"t-bob", "t-eve", "t-new"}
    assert not specs.is_due()
    give(tree, "t-ann", "bob")
    monkeypatch.setattr(of_agent, "_NEWS_S", 0.0)
    monkeypatch.setattr(of_agent, "_MOST_SHARE", 1.0)
    specs.read()
    give(tree, "t-ann", "bob")
    end_s = time.monotonic() + 30.0
    while not specs.is_due():
        assert time.monotonic() < end_s
    assert "t-ann" in specs.read().tasks


def test_edits_of_the_orchestration_and_of_the_agent_are_due_at_once(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_agent, "_FRESH_NS", 0)
    monkeypatch.setattr(of_agent, "_NEWS_S", 60.0)
    specs = AgentSpecs(tree, "bob")
    for path in (tree.orchestration_spec, tree.agent_spec("bob")):
        specs.read()
        assert not specs.is_due()
        path.write_bytes(path.read_bytes() + b"\n")
        assert specs.is_due()


def test_folder_written_to_a_moment_ago_is_not_believed(tree: Tree) -> None:
    specs = AgentSpecs(tree, "bob")
    give(tree, "t-new", "bob")
    specs.read()
    assert specs.is_due()  # another file may come within the same time stamp


def test_read_opens_each_file_once_and_only_those_that_are_needed(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain of tasks: an agent reads its own and what it needs, not all that lies before."""
    for n in range(1, 50):
        needs = [f"c{n - 1}"] if n > 1 else []
        tree.task_spec(f"c{n}").write_bytes(codec.encode({"agent": f"x{n}", "needs": needs}))
    decoded, stats = list[str](), list[str]()
    really_decoded, really_at = of_agent._decoded, of_agent._is_at

    def count_decoded(tree: Tree, rel: str, data: bytes) -> of_agent.Record | None:
        decoded.append(rel)
        return really_decoded(tree, rel, data)

    def count_stats(path: str, file: of_agent._File) -> bool:
        stats.append(path)
        return really_at(path, file)

    monkeypatch.setattr(of_agent, "_decoded", count_decoded)
    monkeypatch.setattr(of_agent, "_is_at", count_stats)
    specs = AgentSpecs(tree, "x49")
    assert specs.read().tasks.keys() == {"c48", "c49"}
    assert sorted(decoded) == ["orchestration.json", "tasks/c48.json", "tasks/c49.json"]
    decoded.clear()
    stats.clear()
    specs.read()
    assert decoded == []
    assert len(stats) == len(set(stats))


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


def test_budget_of_another_is_read_anew_and_missed_in_peace(tree: Tree) -> None:
    tree.agent_spec("bob").write_bytes(
        codec.encode({"kind": "command", "command": ["true"], "budget_of": "ann"})
    )
    specs = AgentSpecs(tree, "bob")
    assert specs.read().agents.keys() == {"ann", "bob"} and specs.is_current(*specs.rels_of_all)
    tree.agent_spec("ann").write_bytes(
        codec.encode({"kind": "command", "command": ["true"], "budget": {"max_cost_usd": 2.0}})
    )
    assert not specs.is_current(*specs.rels_of_all)
    assert specs.read().agents["ann"].settings["budget"] == {"max_cost_usd": 2.0}
    tree.agent_spec("ann").unlink()
    assert not specs.is_current(*specs.rels_of_all)
    assert specs.read().agents["ann"].settings["budget"] == {"max_cost_usd": 2.0}, "absence is no wish"
    assert specs.is_current(*specs.rels_of_all), "all is not read again at each look"
