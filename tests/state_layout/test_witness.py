"""A witness outside the tree: it knows an older copy and a history written anew, and is never lowered."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from check_trees import make_tree

from state_layout.check import Finding, Problem, Severity, accept, check
from state_layout.files import codec
from state_layout.files.journal import Journal
from state_layout.paths import Tree
from state_layout.witness import VARIABLE, Witness, chained_files, end_of


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "witness"))
    return make_tree(tmp_path / "tree")


def witness(tree: Tree) -> Witness:
    found = Witness.named(tree)
    assert found is not None
    return found


def problems(tree: Tree) -> list[Problem]:
    return [each for each in check(tree) if each.severity is Severity.PROBLEM]


def grow(tree: Tree) -> Path:
    """Add a line where a journal may grow."""
    path = tree.budget_file("alice")
    journal = Journal.open(path)
    journal.commit("reserve", {"key": "k", "cost_usd": 0.1, "tokens": 1})
    journal.close()
    return path


def test_no_witness_is_named_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Witness.named(Tree(tmp_path)) is None


def test_an_older_copy_of_the_whole_tree_is_known(tree: Tree, tmp_path: Path) -> None:
    shutil.copytree(tree.root, tmp_path / "older", symlinks=True)
    path = grow(tree)
    witness(tree).note()
    assert problems(tree) == []
    shutil.rmtree(tree.root)
    shutil.copytree(tmp_path / "older", tree.root, symlinks=True)
    assert [(each.finding, each.path) for each in problems(tree)] == [(Finding.ROLLED_BACK, tree.shown(path))]
    witness(tree).note()  # a supervisor that starts on it does not make it the truth
    assert len(problems(tree)) == 1


def test_a_person_can_stand_by_an_older_copy_and_the_next_one_is_found_again(
    tree: Tree, tmp_path: Path
) -> None:
    grow(tree)
    shutil.copytree(tree.root, tmp_path / "older", symlinks=True)
    path = grow(tree)
    witness(tree).note()
    shutil.copyfile(tmp_path / "older" / tree.shown(path), path)
    accept(tree, problems(tree), by="anna")
    assert problems(tree) == []
    grow(tree)
    witness(tree).note()
    shutil.copyfile(tmp_path / "older" / tree.shown(path), path)
    assert [each.finding for each in problems(tree)] == [Finding.ROLLED_BACK]


def test_a_life_whose_last_word_was_changed_is_known(tree: Tree) -> None:
    witness(tree).note()
    path = next(tree.root.glob("agents/*/attempts/*/exit.json"))
    path.write_bytes(path.read_bytes().replace(b'"parked"', b'"paused"').replace(b'"lost"', b'"failed"'))
    assert Finding.ROLLED_BACK in {each.finding for each in problems(tree)}


def test_a_file_that_is_gone_is_known(tree: Tree) -> None:
    witness(tree).note()
    path = grow(tree)
    witness(tree).note()
    path.unlink()
    assert [(each.finding, each.path) for each in problems(tree)] == [(Finding.ROLLED_BACK, tree.shown(path))]


def test_another_orchestration_in_the_same_place_is_no_older_copy(tree: Tree) -> None:
    grow(tree)
    witness(tree).note()
    spec = codec.decode_object(tree.orchestration_spec.read_bytes())
    tree.orchestration_spec.write_bytes(codec.encode({**spec, "id": "20261122-0142-other-7f3k"}))
    assert Finding.OTHER_SEEN in {each.finding for each in check(tree)}
    assert problems(tree) == []
    witness(tree).note()
    assert Finding.OTHER_SEEN not in {each.finding for each in check(tree)}


def test_a_witness_that_was_edited_says_so(tree: Tree) -> None:
    grow(tree)
    found = witness(tree)
    found.note()
    grow(tree)
    found.note()
    found.path.write_bytes(found.path.read_bytes().replace(b'"seen"', b'"been"', 1))
    assert [each.finding for each in problems(tree)] == [Finding.UNREADABLE]


def test_what_did_not_change_is_not_written_again(tree: Tree) -> None:
    found = witness(tree)
    found.note()
    size = found.path.stat().st_size
    found.note()
    witness(tree).note()
    assert found.path.stat().st_size == size
    grow(tree)
    found.note()
    assert size < found.path.stat().st_size < size + 700


def test_ends_are_found_behind_long_lines_and_torn_tails(tree: Tree, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal.create(path)
    assert end_of(path) is None
    for length in (1, 5000, 100_000, 3):
        journal.commit("note", {"text": "x" * length})
        assert end_of(path) == journal.position
    with path.open("ab") as file:
        file.write(b'{"seq":99,"at"')
    assert end_of(path) == journal.position
    assert len(list(chained_files(tree))) > 4
