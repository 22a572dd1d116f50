"""`repair` mends what is safe to mend, keeps what it sets aside, and leaves living trees alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from check_cases import CASES, TORN, Case
from check_hands import append
from check_trees import copy_in_place, make_tree, write
from test_check import said

from state_layout.check import check
from state_layout.check.repair import Repair, repair
from state_layout.errors import Locked, StorageFull
from state_layout.files import atomic, disk
from state_layout.files.locks import editing, take_life_lock
from state_layout.lives.attempts import read_exit, recall
from state_layout.paths import Tree
from state_layout.records import ExitReason


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return make_tree(tmp_path_factory.mktemp("template") / "tree")


@pytest.fixture
def tree(template: Tree, tmp_path: Path) -> Tree:
    return copy_in_place(template, tmp_path / "tree")


def contents(root: Path) -> dict[str, bytes]:
    """Every regular file by its path."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def lost(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """Files of which something is neither in place nor set aside."""
    missing = []
    for path, data in before.items():
        aside = [item for name, item in after.items() if re.fullmatch(re.escape(path) + r"\.torn-\d+", name)]
        kept = {after.get(path, b""), *aside, *(after.get(path, b"") + item for item in aside)}
        if data not in kept and not atomic.is_temporary(Path(path).name):
            missing.append(path)
    return missing


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_repair_leaves_what_a_person_must_mend_and_loses_nothing(case: Case, tree: Tree) -> None:
    case.damage(tree.root)
    problems, before = check(tree), contents(tree.root)
    done = repair(tree, problems)
    after = contents(tree.root)
    assert lost(before, after) == []
    assert said(check(tree)) == list(case.found if case.left is None else case.left)
    assert {item.path for item in done} == {problem.path for problem in problems if problem.is_repairable}
    assert bool(done) is (case.left is not None), done
    if case.left is None:
        assert {path: after.get(path) for path in before} == before


def test_repair_says_what_it_did_and_does_it_once(tree: Tree) -> None:
    write(tree.agent("bob").status, b"")
    problems = check(tree)
    assert list(map(str, repair(tree, problems))) == [
        "agents/bob/status.json: set aside as status.json.torn-1"
    ]
    assert repair(tree, problems) == []


def test_specs_whose_folder_was_removed_are_put_back(tree: Tree) -> None:
    before = contents(tree.task_specs)
    shutil.rmtree(tree.task_specs)
    repair(tree, check(tree))
    assert contents(tree.task_specs) == before
    assert check(tree) == []


def test_only_given_problems_are_mended(tree: Tree) -> None:
    write(tree.agents / ".x.tmp-1", b"")
    write(tree.mail / ".y.tmp-1", b"")
    problems = [found for found in check(tree) if found.path.startswith("mail")]
    assert repair(tree, problems) == [Repair(path="mail/.y.tmp-1", done="removed")]
    assert said(check(tree)) == ["note temporary agents/.x.tmp-1"]


def test_torn_mail_is_kept_and_the_chain_goes_on(tree: Tree) -> None:
    path = tree.mail_file("bob", "alice")
    whole = path.read_bytes()
    path.write_bytes(whole + TORN)
    repair(tree, check(tree))
    assert path.read_bytes() == whole
    assert path.with_name("alice.jsonl.torn-1").read_bytes() == TORN
    path.write_bytes(whole + TORN)
    repair(tree, check(tree))
    assert path.with_name("alice.jsonl.torn-2").read_bytes() == TORN


def test_life_without_a_word_is_sealed_as_lost(tree: Tree) -> None:
    tree.agent("alice").attempt(2).exit.unlink()
    repair(tree, check(tree))
    sealed = read_exit(tree, "alice", 2)
    assert sealed is not None
    assert (sealed["reason"], sealed["by"]) == (ExitReason.LOST, "repair")


def test_agent_goes_on_after_a_repair(tree: Tree) -> None:
    before = recall(tree, "alice").pin
    append(tree.agent("alice").attempt(2).journal, TORN)
    tree.agent("alice").attempt(2).checkpoint(1).write_bytes(b"{")
    repair(tree, check(tree))
    assert recall(tree, "alice").pin == before


@pytest.mark.parametrize("holder", ["supervisor", "agents/bob"])
def test_nothing_is_repaired_while_somebody_lives(tree: Tree, holder: str) -> None:
    write(tree.agents / ".x.tmp-1", b"")
    problems = check(tree)
    lock = take_life_lock(tree.root / holder / "lock")
    try:
        with pytest.raises(Locked):
            repair(tree, problems)
    finally:
        lock.release()
    assert said(check(tree)) == ["note temporary agents/.x.tmp-1"]
    assert len(repair(tree, problems)) == 1


def test_nothing_is_repaired_while_specs_are_edited(tree: Tree) -> None:
    write(tree.agents / ".x.tmp-1", b"")
    problems = check(tree)
    with editing(tree.spec_lock), pytest.raises(Locked):
        repair(tree, problems, patience_s=0.05)


def test_healthy_tree_is_not_even_locked(tree: Tree) -> None:
    lock = take_life_lock(tree.supervisor_lock)
    try:
        assert repair(tree, check(tree)) == []
    finally:
        lock.release()


def test_full_disk_while_setting_aside_loses_nothing(tree: Tree) -> None:
    path = tree.agent("bob").status
    write(path, b"garbage")
    problems = check(tree)

    def full(operation: str, arguments: tuple[object, ...]) -> None:
        if operation == "write":
            raise OSError(28, "No space left on device")

    disk.tap(full)
    try:
        with pytest.raises(StorageFull):
            repair(tree, problems)
    finally:
        disk.tap(None)
    assert path.read_bytes() == b"garbage"
    assert [item.done for item in repair(tree, problems)] == ["set aside as status.json.torn-1"]
