"""`check` names every damage exactly, and is silent where nothing is wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from check_cases import CASES, Case
from check_trees import copy_in_place, make_specs, make_tree

from state_layout.check import CATALOGUE, Finding, Problem, Severity, check
from state_layout.paths import Tree
from state_layout.shapes.shape import Argv, Field, Shape


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return make_tree(tmp_path_factory.mktemp("template") / "tree")


@pytest.fixture
def tree(template: Tree, tmp_path: Path) -> Tree:
    return copy_in_place(template, tmp_path / "tree")


def said(problems: list[Problem]) -> list[str]:
    """Findings as the cases write them."""
    return [
        f"{found.severity} {found.finding} {found.path}" + (f":{found.line}" if found.line else "")
        for found in problems
    ]


def test_whole_tree_has_no_findings(template: Tree, tree: Tree) -> None:
    assert check(template) == []
    assert check(tree) == []


def test_copy_of_a_whole_tree_has_no_findings(template: Tree, tmp_path: Path) -> None:
    shutil.copytree(template.root, tmp_path / "copy", symlinks=True)
    assert check(Tree(tmp_path / "copy")) == []


def test_new_tree_has_no_findings(tmp_path: Path) -> None:
    assert check(make_specs(tmp_path / "tree")) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_damage_is_named(case: Case, tree: Tree) -> None:
    case.damage(tree.root)
    found = check(tree)
    assert said(found) == list(case.found), "\n".join(map(str, found))


def test_records_of_moments_and_of_worktrees_that_cannot_be_read_are_named(tree: Tree) -> None:
    alice = tree.agent("alice")
    for path in (alice.worktree_record, alice.snapshot(1), tree.checkpoints / "0001.json"):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(b"[1]")
        path.chmod(0o600)
    assert said(check(tree)) == [
        "problem snapshot_bad agents/alice/worktree.json",
        "note snapshot_bad agents/alice/snapshots/0001.json",
        "note snapshot_bad checkpoints/0001.json",
    ]


def test_at_least_40_kinds_of_damage_are_told_apart() -> None:
    assert len({(case.found, case.name) for case in CASES}) >= 40


def test_every_finding_is_found_by_a_case() -> None:
    shown = {text.split()[1] for case in CASES for text in case.found}
    elsewhere = {"unreadable", "kind_unknown", "rolled_back", "other_seen"}  # the last two: test_witness
    elsewhere |= {"session_gap"}  # kind `claude`: test_claude_damage
    elsewhere |= {"not_executable", "file_missing"}  # of programs that agents run: test_lacking
    elsewhere |= {"moment_lost"}  # of checkpoints: test_cli_lost_moments
    elsewhere |= {"contents_lost"}  # of workspaces: test_torn_store
    assert {str(finding) for finding in Finding} - shown == elsewhere
    assert CATALOGUE.keys() == set(Finding)


def test_settings_of_a_kind_that_is_not_here_are_said_to_be_unchecked(tree: Tree) -> None:
    found = check(tree, kinds={"command": Shape(fields={"command": Field(Argv())})})
    assert said(found) == ["note kind_unknown spec/agents/bob.json"]


def test_a_problem_is_repairable_or_says_what_a_person_can_do() -> None:
    assert all(entry.remedy for entry in CATALOGUE.values())
    assert Severity.PROBLEM in {entry.severity for entry in CATALOGUE.values()}


def test_names_that_are_no_text_are_shown_so_that_they_can_be_printed(tree: Tree) -> None:
    (tree.mail / os.fsdecode(b"b\xffb\n\x1b[31m")).mkdir(0o700)
    (found,) = check(tree)
    assert str(found).startswith(r"mail/b\udcffb\n\x1b[31m: is a folder")
    assert str(found).isprintable() and found.path.encode()
