"""A witness outside of the tree: a rollback takes nothing away from what was seen, a loss does."""

from __future__ import annotations

from pathlib import Path

import pytest
from lives import Life
from test_rollback import begun, chat, end, go, make

from maos_sup.cuts.take import take_cut
from state_layout.check import Finding, check
from state_layout.paths import Tree
from state_layout.witness import Witness


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setenv("MAOS_SUP_WITNESS", str(tmp_path / "witness"))
    return make(tmp_path / "tree")


def found(tree: Tree) -> set[Finding]:
    return {problem.finding for problem in check(tree)}


def gone_back(tree: Tree) -> dict[str, Life]:
    """A team that was seen, taken back, and works on."""
    team = begun(tree)
    chat(team, "one")
    cut = take_cut(tree, by="operator", why="w")
    chat(team, "two")
    end(team)
    witness = Witness.named(tree)
    assert witness is not None
    witness.note()
    go(tree, cut.number)
    team = begun(tree)
    chat(team, "other")
    witness.note()
    return team


def test_what_was_set_aside_counts_as_what_was_seen(tree: Tree) -> None:
    end(gone_back(tree))
    assert Finding.ROLLED_BACK not in found(tree)


def test_what_was_seen_and_set_aside_is_missed_when_it_goes(tree: Tree) -> None:
    end(gone_back(tree))
    for aside in tree.mail.glob("*/*.void-*"):
        aside.unlink()
    for journal in tree.agents.glob("alice/attempts/0001/journal.jsonl"):
        journal.write_bytes(journal.read_bytes().split(b"\n")[0] + b"\n")
    assert Finding.ROLLED_BACK in found(tree)
