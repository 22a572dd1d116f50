"""`check`: what it prints, its exit codes, and what `--repair` does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
from cli_trees import Answer

from state_layout.files.journal import Journal
from state_layout.files.locks import take_life_lock
from state_layout.paths import Tree

Call = Callable[..., Answer]


@pytest.fixture
def mailed(tree: Tree) -> Tree:
    """alice sent bob two messages, the budget file is torn."""
    journal = Journal.open(tree.budget / "alice.jsonl")
    for key in ("k1", "k2"):
        journal.commit("reserve", {"key": key, "cost_usd": 0.1, "tokens": 1})
    journal.close()
    with (tree.budget / "alice.jsonl").open("ab") as file:
        file.write(b'{"seq":3')
    return tree


def test_whole_tree_says_so_and_exits_0(call: Call, tree: Tree) -> None:
    answer = call("check", str(tree.root))
    assert (answer.code, answer.out) == (0, f"{tree.root}: nothing is wrong\n")


def test_note_is_printed_and_exits_0(call: Call, mailed: Tree) -> None:
    answer = call("check", str(mailed.root))
    assert answer.code == 0
    assert answer.out.startswith("note: budget/alice.jsonl:3: breaks off")
    assert answer.out.count("\n") == 1


def test_problem_is_printed_with_its_line_and_exits_12(call: Call, mailed: Tree) -> None:
    path = mailed.budget / "alice.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"k1"', b'"k0"'))
    answer = call("check", str(mailed.root))
    assert answer.code == 12
    assert answer.out.startswith("problem: budget/alice.jsonl:1: does not fit its hash")
    assert call("check", str(mailed.root), "--repair").code == 12, "a hand edit is left to people"


def test_mistakes_of_people_alone_are_wrong_usage_and_not_damage(call: Call, tree: Tree) -> None:
    tree.agent_spec("alice").write_text('{"kind": "command", "command": ["true"], "want": "runn"}')
    answer = call("check", str(tree.root))
    assert (answer.code, answer.out.split(":")[0]) == (2, "problem")


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, os.symlink])
@pytest.mark.parametrize("rel", ["spec/orchestration.json", "spec/agents/alice.json"])
def test_something_else_in_the_place_of_a_spec_is_a_mistake_of_people(
    call: Call, tree: Tree, rel: str, put: Callable[..., None]
) -> None:
    path = tree.root / rel
    path.rename(tree.root.parent / "aside")
    put(*(["nowhere"] if put is os.symlink else []), path)
    answer = call("check", str(tree.root))
    assert answer.code == 2
    assert f"problem: {rel}: is a" in answer.out


def test_pipe_in_the_place_of_what_was_recorded_is_damage(call: Call, tree: Tree) -> None:
    for rel in ("spec/accepted.jsonl", "supervisor/status.json"):
        path = tree.root / rel
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        assert call("check", str(tree.root)).code == 12
        path.unlink()


def test_json_has_every_field(call: Call, mailed: Tree) -> None:
    told = json.loads(call("check", str(mailed.root), "--json").out)
    assert told["directory"] == str(mailed.root)
    assert told["repaired"] == []
    (problem,) = told["problems"]
    assert problem["finding"] == "torn"
    assert (problem["path"], problem["line"], problem["severity"]) == ("budget/alice.jsonl", 3, "note")
    assert problem["is_repairable"] is True
    assert problem["what"] and problem["remedy"]


def test_repair_says_what_it_did_and_leaves_a_whole_tree(call: Call, mailed: Tree) -> None:
    answer = call("check", str(mailed.root), "--repair")
    assert (answer.code, answer.out.startswith("repaired: budget/alice.jsonl: set 8 bytes")) == (0, True)
    assert (mailed.budget / "alice.jsonl.torn-1").read_bytes() == b'{"seq":3'
    assert call("check", str(mailed.root)).out.endswith("nothing is wrong\n")


def test_repair_is_refused_while_an_agent_lives(call: Call, mailed: Tree) -> None:
    lock = take_life_lock(mailed.agent("bob").lock)
    try:
        answer = call("check", str(mailed.root), "--repair")
    finally:
        lock.release()
    assert answer.code == 11
    assert "held by another process" in answer.err
    assert not (mailed.budget / "alice.jsonl.torn-1").exists()


@pytest.mark.parametrize("text", ["maos-sup 2\n", "something\n", ""])
def test_no_tree_of_this_format_exits_10(call: Call, tree: Tree, text: str) -> None:
    tree.format.write_text(text)
    answer = call("check", str(tree.root))
    assert answer.code == 10
    assert str(tree.format) in answer.err
