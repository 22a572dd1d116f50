"""`check --accept`: a person stands by what was found, until a further edit."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_trees import make_tree

from state_layout.check import Finding, Problem, Severity, accept, check
from state_layout.files.journal import Journal
from state_layout.paths import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree")


def found(tree: Tree, severity: Severity) -> list[Problem]:
    return [each for each in check(tree) if each.severity is severity]


def edited(tree: Tree) -> Path:
    """Edit a line that was durable; the file."""
    path = tree.agent("alice").attempt(2).journal
    text = path.read_text()
    assert '"running"' in text or '"parked"' in text or '"result":3' in text
    path.write_text(text.replace('"result":3', '"result":4', 1))
    assert found(tree, Severity.PROBLEM)
    return path


def test_what_a_person_stands_by_is_shown_as_accepted_with_who_and_when(tree: Tree) -> None:
    edited(tree)
    before = found(tree, Severity.PROBLEM)
    assert accept(tree, before, by="anna") == before
    assert found(tree, Severity.PROBLEM) == []
    accepted = found(tree, Severity.ACCEPTED)
    assert [(each.finding, each.path, each.what) for each in accepted] == [
        (each.finding, each.path, each.what) for each in before
    ]
    assert all(each.remedy.startswith("anna stands by it since 20") for each in accepted)
    assert accept(tree, check(tree), by="berta") == []


def test_a_further_edit_is_found_again(tree: Tree) -> None:
    path = edited(tree)
    accept(tree, found(tree, Severity.PROBLEM), by="anna")
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"result":4', b'"result":5', 1))
    again = found(tree, Severity.PROBLEM)
    assert any("changed since anna accepted it" in each.what for each in again)
    path.write_bytes(data.replace(b'"parked"', b'"paused"').replace(b'"done"', b'"dune"', 1) + b"{}\n")
    assert found(tree, Severity.PROBLEM)
    path.write_bytes(data)
    assert found(tree, Severity.PROBLEM) == []


def test_a_file_may_grow_by_lines_that_fit_and_no_others(tree: Tree) -> None:
    path = tree.budget_file("alice")
    lines = []
    for _ in range(2):
        journal = Journal.open(path)
        for _ in range(3):
            journal.commit("reserve", {"key": "k", "cost_usd": 0.1, "tokens": 1})
        journal.close()
        lines.append(path.read_bytes())
    path.write_bytes(lines[0].replace(b"0.1", b"9.9", 1))
    accept(tree, found(tree, Severity.PROBLEM), by="anna")
    grown = lines[1].replace(b"0.1", b"9.9", 1)
    path.write_bytes(grown)
    assert found(tree, Severity.PROBLEM) == []
    path.write_bytes(grown[:-60] + grown[-60:].replace(b"tokens", b"takens"))
    assert found(tree, Severity.PROBLEM)


def test_what_is_missing_stays_accepted_while_it_is_missing(tree: Tree) -> None:
    path = tree.agent("alice").attempt(1).journal
    data = path.read_bytes()
    path.unlink()
    accept(tree, found(tree, Severity.PROBLEM), by="anna")
    assert found(tree, Severity.PROBLEM) == []
    path.write_bytes(b"{}\n")
    assert found(tree, Severity.PROBLEM)
    path.write_bytes(data)
    assert found(tree, Severity.PROBLEM) == []
    assert found(tree, Severity.ACCEPTED) == []


def test_mistakes_in_spec_are_mended_not_accepted(tree: Tree) -> None:
    tree.agent_spec("alice").write_text("{")
    assert accept(tree, check(tree), by="anna") == []
    assert [each.finding for each in found(tree, Severity.PROBLEM)] == [Finding.SPEC]


def test_the_record_of_what_was_accepted_cannot_be_edited_unseen(tree: Tree) -> None:
    path = edited(tree)
    accept(tree, found(tree, Severity.PROBLEM), by="anna")
    path.write_bytes(path.read_bytes().replace(b'"result":4', b'"result":5', 1))
    accept(tree, found(tree, Severity.PROBLEM), by="anna")
    told = tree.acceptances.read_bytes()
    tree.acceptances.write_bytes(told.replace(b'"anna"', b'"boss"', 1))
    paths = [each.path for each in found(tree, Severity.PROBLEM)]
    assert "spec/accepted.jsonl" in paths


def test_lines_after_the_last_word_of_a_life_are_found(tree: Tree) -> None:
    path = tree.agent("alice").attempt(2).journal
    journal = Journal.open(path)
    journal.commit("note", {"text": "forged, with every hash right"})
    journal.close()
    assert [(each.finding, each.path) for each in found(tree, Severity.PROBLEM)] == [
        (Finding.AFTER_END, tree.shown(path))
    ]
