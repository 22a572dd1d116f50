"""Budgets and the supervisor's journal are read on where they ended, and anew where they are others."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_rollback import make

from maos_sup.cuts.beside import Beside
from state_layout.files import atomic
from state_layout.files.journal import Journal, Reader
from state_layout.ledger import Amount, Ledger
from state_layout.paths import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make(tmp_path / "tree")


def spend(tree: Tree, agent: str, key: str, *, tokens: int) -> None:
    ledger = Ledger(tree, agent)
    ledger.reserve(key, Amount(tokens=2 * tokens), caps={})
    ledger.settle(key, Amount(tokens=tokens))
    ledger.close()


def test_what_was_added_is_added(tree: Tree) -> None:
    beside = Beside(tree)
    assert beside.spent().tokens == 0 and beside.ends() == {}
    spend(tree, "alice", "a", tokens=5)
    assert beside.spent().tokens == 5
    spend(tree, "alice", "b", tokens=7)
    spend(tree, "bob", "c", tokens=1)
    assert beside.spent().tokens == 13
    assert {agent: end.seq for agent, end in beside.ends().items()} == {"alice": 4, "bob": 2}
    assert beside.spent().tokens == 13, "nothing is counted twice"


def test_file_that_is_another_one_is_read_anew(tree: Tree) -> None:
    beside = Beside(tree)
    spend(tree, "alice", "a", tokens=5)
    assert beside.spent().tokens == 5
    tree.budget_file("alice").unlink()
    assert beside.spent().tokens == 0
    spend(tree, "alice", "b", tokens=3)
    assert beside.spent().tokens == 3


def test_newest_supervisor_that_wrote_is_told(tree: Tree) -> None:
    beside = Beside(tree)
    assert beside.supervisor_place() is None
    for life in (1, 2):
        atomic.make_folder(tree.life_journal(life).parent)
        journal = Journal.create(tree.life_journal(life))
        assert (beside.supervisor_place() or (0,))[0] == life - 1, "it has not written yet"
        for number in range(3):
            end = journal.append("note", {"number": number})
            assert beside.supervisor_place() == (life, *end)
        journal.close()
    assert [*Reader(tree.life_journal(2))][-1].end == (beside.supervisor_place() or ())[1:]
