"""Whole files and lives that were taken away or changed places: something else still speaks of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from check_trees import make_tree

from state_layout.check import Severity, check
from state_layout.files.journal import Journal
from state_layout.paths import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = make_tree(tmp_path / "tree")
    journal = Journal.open(made.life_journal(2))
    for agent, attempt in (("alice", 2), ("bob", 1)):
        journal.commit("acknowledged", {"agent": agent, "attempt": attempt, "reason": "parked"})
    journal.close()
    assert check(made) == []
    return made


def problems(tree: Tree) -> set[str]:
    return {f"{each.finding} {each.path}" for each in check(tree) if each.severity is Severity.PROBLEM}


def test_the_last_life_of_an_agent_was_taken_away(tree: Tree) -> None:
    shutil.rmtree(tree.agent("bob").attempt(1).root)
    assert "attempt_missing agents/bob/attempts" in problems(tree)


def test_an_older_life_was_taken_away(tree: Tree) -> None:
    shutil.rmtree(tree.agent("alice").attempt(1).root)
    assert "attempt_missing agents/alice/attempts/0002/journal.jsonl" in problems(tree)


def test_a_journal_was_taken_away(tree: Tree) -> None:
    tree.agent("alice").attempt(2).journal.unlink()
    assert "cut_short agents/alice/attempts/0002/journal.jsonl" in problems(tree)


def test_mail_that_was_taken_away_is_told_and_comes_back_from_the_journal(tree: Tree) -> None:
    tree.mail_file("bob", "alice").unlink()
    assert {each.path for each in check(tree)} == {"mail/bob/alice.jsonl"}
    assert problems(tree) == set()


def test_journals_of_two_agents_changed_places(tree: Tree, tmp_path: Path) -> None:
    alice, bob = tree.agent("alice").attempt(1).journal, tree.agent("bob").attempt(1).journal
    alice.rename(tmp_path / "aside")
    bob.rename(alice)
    (tmp_path / "aside").rename(bob)
    assert {f"bad_record {tree.shown(path)}" for path in (alice, bob)} <= problems(tree)


def test_mail_files_of_two_senders_changed_places(tree: Tree) -> None:
    shutil.copyfile(tree.mail_file("all", "alice"), tree.mail_file("bob", "alice"))
    assert "bad_record mail/bob/alice.jsonl" in problems(tree)


def test_a_life_was_put_in_the_place_of_a_later_one(tree: Tree) -> None:
    shutil.copyfile(tree.agent("alice").attempt(1).journal, tree.agent("alice").attempt(2).journal)
    assert "bad_record agents/alice/attempts/0002/journal.jsonl" in problems(tree)


def test_the_lives_of_the_supervisor_were_taken_away(tree: Tree) -> None:
    shutil.rmtree(tree.lives)
    assert "lives_missing supervisor/lives" in problems(tree)
