"""Shared state in cuts: a line that its writer's journal does not say yet, and who has seen it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lives import Life

from maos_sup.cuts.copies import mend_copy
from maos_sup.cuts.take import take_cut
from state_layout.paths import Tree
from state_layout.scopes.store import ScopeStore
from state_layout.specs import read_specs
from state_layout.tree.making import create_tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return create_tree(
        tmp_path / "tree",
        orchestration={"id": "o", "request": "r"},
        agents={name: {"kind": "command", "command": ["true"]} for name in ("alice", "bob")},
        tasks={"t": {"agent": "alice", "description": "d"}},
    )


def stored(tree: Tree, life: Life, value: object, *, is_said: bool) -> int:
    """Do what an agent does for a shared value; it may die before its journal says so."""
    store = ScopeStore(tree.state_scope("orchestration"), life.agent)
    written = store.put("k", value, why={"after": life.history.seq})
    store.close()
    if is_said:
        life.commit("kept", stored={"orchestration": written.version.seq})
    return written.version.seq


def test_line_that_no_journal_says_yet_belongs_where_it_was_written(tree: Tree) -> None:
    alice, bob = Life(tree, "alice"), Life(tree, "bob")
    alice.step("a", result=1)
    seq = stored(tree, alice, 1, is_said=False)
    bob.commit("looked", seen={"orchestration/alice": seq})
    alice.die(), bob.die()
    cut = take_cut(tree, by="operator", why="test")
    assert cut.state is not None and cut.state["orchestration"]["alice"][0] == seq
    assert not any(agent.lowered for agent in cut.agents.values())
    assert mend_copy(tree, read_specs(tree).specs) == []  # as after a power cut: nobody goes back for it


def test_who_saw_a_line_that_is_not_there_goes_back(tree: Tree) -> None:
    alice, bob = Life(tree, "alice"), Life(tree, "bob")
    seq = stored(tree, alice, 1, is_said=True)
    bob.step("before", result=1)
    bob.commit("looked", seen={"orchestration/alice": seq + 1})
    alice.die(), bob.die()
    cut = take_cut(tree, by="operator", why="test")
    assert cut.agents["bob"].lowered == 1


def test_torn_line_is_left_to_its_writer(tree: Tree) -> None:
    alice = Life(tree, "alice")
    stored(tree, alice, 1, is_said=True)
    alice.die()
    path = tree.state_scope("orchestration") / "alice.jsonl"
    path.write_bytes(path.read_bytes() + b'{"seq":2,"at":"20')
    assert mend_copy(tree, read_specs(tree).specs) == []


def test_line_that_no_journal_says_stays_before_one_that_was_torn(tree: Tree) -> None:
    """A power cut left half of the next line, with its line feed."""
    alice = Life(tree, "alice")
    stored(tree, alice, 1, is_said=True)
    stored(tree, alice, 2, is_said=False)
    alice.die()
    path = tree.state_scope("orchestration") / "alice.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 40 + b'"after":3,"h":"1e059426b9f3"}\n')
    assert mend_copy(tree, read_specs(tree).specs) == []
    entry = ScopeStore(tree.state_scope("orchestration"), "bob").get("k")
    assert entry is not None and entry.value == 2
    assert path.read_bytes().startswith(whole)
