"""Edits of `spec/` as the supervisor takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from supervised import make_tree

from maos_sup.supervisor import specs as module
from maos_sup.supervisor.life import begin_life
from maos_sup.supervisor.specs import JUDGE_AFTER_S, SpecsInForce
from state_layout.files.journal import Reader
from state_layout.paths import Tree
from state_layout.specs.read import SpecCache, SpecsRead


def recorded(tree: Tree, type_: str) -> list[dict[str, object]]:
    lines = [line.fields() for line in Reader(tree.life_journal(1)).read()]
    return [fields for fields in lines if fields["type"] == type_]


def edit(tree: Tree, **change: object) -> None:
    path = tree.agent_spec("a")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_an_edit_is_journaled_with_its_keys_and_kept(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    specs, life = SpecsInForce(tree), begin_life(tree)
    specs.record(life, now_s=0.0)
    edit(tree, want="pause", role="counts")
    specs.refresh(now_s=1.0)
    specs.record(life, now_s=1.0)
    assert recorded(tree, "spec")[-1]["changed"] == ["role", "want"]
    assert (tree.accepted / "agents/a.json").read_bytes() == tree.agent_spec("a").read_bytes()


def test_a_file_is_bad_only_when_it_fails_twice(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    specs, life = SpecsInForce(tree), begin_life(tree)
    specs.record(life, now_s=0.0)
    edit(tree, want="runn")
    specs.refresh(now_s=1.0)
    specs.record(life, now_s=1.0)
    assert specs.errors_json() == []
    assert specs.is_unsure
    later_s = 1.0 + JUDGE_AFTER_S
    specs.refresh(now_s=later_s)
    specs.record(life, now_s=later_s)
    [error] = specs.errors_json()
    assert (error["path"], error["key"]) == ("spec/agents/a.json", "want")
    assert "runn" in error["text"]
    assert specs.now.agents["a"].want == "run"
    specs.record(life, now_s=later_s + 1)
    assert len(recorded(tree, "spec_error")) == 1


def test_an_editor_seen_in_the_middle_of_saving_is_no_error(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    specs, life = SpecsInForce(tree), begin_life(tree)
    specs.record(life, now_s=0.0)
    whole = tree.agent_spec("a").read_bytes()
    tree.agent_spec("a").write_bytes(b"")
    specs.refresh(now_s=1.0)
    tree.agent_spec("a").write_bytes(whole)
    specs.refresh(now_s=2.0)
    specs.record(life, now_s=2.0)
    assert specs.errors_json() == []
    assert recorded(tree, "spec_error") == []


def test_a_bad_edit_stays_out_of_force_over_a_restart(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    first = SpecsInForce(tree)
    edit(tree, role="good")
    first.refresh(now_s=1.0)
    first.record(begin_life(tree), now_s=1.0)
    tree.agent_spec("a").write_text("{")
    assert SpecsInForce(tree).now.agents["a"].role == "good"


def test_an_edit_made_while_nobody_supervised_is_journaled_by_the_next(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    SpecsInForce(tree).record(begin_life(tree), now_s=0.0)
    edit(tree, role="new")
    SpecsInForce(tree).record(begin_life(tree), now_s=0.0)
    lines = [line.fields() for line in Reader(tree.life_journal(2)).read()]
    assert [fields["changed"] for fields in lines if fields["type"] == "spec"] == [["role"]]


def test_those_whose_specs_changed_are_named_once(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a", "b")
    specs, life = SpecsInForce(tree), begin_life(tree)
    specs.record(life, now_s=0.0)
    assert specs.take_concerned() == set()
    edit(tree, want="pause")
    specs.refresh(now_s=1.0)
    assert specs.take_concerned() == {"a"}
    task = next(id_ for id_, task in specs.now.tasks.items() if task.agent == "b")
    tree.task_spec(task).write_text(json.dumps({"agent": "b", "want": "cancel"}))
    specs.refresh(now_s=2.0)
    assert specs.take_concerned() == {"b"}
    whole = tree.orchestration_spec
    whole.write_text(json.dumps(json.loads(whole.read_text()) | {"want": "pause"}))
    specs.refresh(now_s=3.0)
    assert specs.take_concerned() == {"a", "b"}
    assert specs.take_concerned() == set()


def test_many_specs_are_kept_part_by_part_with_one_look_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 5)
    tree = make_tree(tmp_path / "t", *(f"a{number}" for number in range(20)))
    specs, life = SpecsInForce(tree), begin_life(tree)
    looks = 0
    really = SpecCache.read

    def count(self: SpecCache) -> SpecsRead:
        nonlocal looks
        looks += 1
        return really(self)

    monkeypatch.setattr(SpecCache, "read", count)
    turns = 0
    while specs.is_unrecorded:
        specs.record(life, now_s=0.0)
        turns += 1
    assert turns == 9 and looks == 1  # of 41 files
    assert all((tree.accepted / rel).read_bytes() == (tree.spec / rel).read_bytes() for rel in specs.digests)


def test_edit_between_two_parts_is_kept_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    tree = make_tree(tmp_path / "t", "a", "b")
    specs, life = SpecsInForce(tree), begin_life(tree)
    specs.record(life, now_s=0.0)
    edited = tree.agent_spec("a")
    edited.write_text(edited.read_text().replace("true", "false"))
    while specs.is_unrecorded:
        specs.record(life, now_s=0.0)
        specs.refresh(now_s=0.0)
    assert (tree.accepted / "agents" / "a.json").read_bytes() == edited.read_bytes()
