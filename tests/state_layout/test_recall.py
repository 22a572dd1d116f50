"""What lives recall of damaged trees: falling back over what is gone, refusing what was durable and wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from lives import Life, make_tree

from state_layout.errors import Damaged
from state_layout.files import codec
from state_layout.files.chain import ORIGIN, chained
from state_layout.files.journal import Reader
from state_layout.lives.attempts import all_lines, recall, seal_exit
from state_layout.paths import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree", "alice", "bob")


def live(tree: Tree, *keys: str, checkpoint: bool = False) -> Life:
    """A life that takes a step for each key and dies."""
    life = Life(tree, "alice")
    for key in keys:
        life.step(key, result=key)
    if checkpoint:
        assert life.checkpoint()
    life.die()
    return life


def journal(tree: Tree, attempt: int) -> Path:
    return tree.agent("alice").attempt(attempt).journal


def steps(tree: Tree) -> list[str]:
    return [*recall(tree, "alice").history.steps.get("t#1", {})]


def cut_lines(path: Path, keep: int) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:keep]))


# -- what a copy or a loss of power took


def test_pin_to_lines_that_are_gone_falls_back_and_says_so(tree: Tree) -> None:
    live(tree, "a", "b", "c")
    live(tree, "d")
    cut_lines(journal(tree, 1), 3)
    recalled = recall(tree, "alice")
    assert [*recalled.history.steps["t#1"]] == ["a", "b"]
    [note] = recalled.notes
    assert "ends at seq 3, attempt 2 continued from 4; going on from 3" in note
    live(tree, "e")
    assert steps(tree) == ["a", "b", "e"]
    assert recall(tree, "alice").notes == []


@pytest.mark.parametrize("left", ["empty folder", "empty journal", "torn first line"])
def test_life_that_was_copied_before_its_first_line_takes_its_successors_along(left: str, tree: Tree) -> None:
    for key in "abcd":
        live(tree, key)
    match left:
        case "empty folder":
            journal(tree, 3).unlink()
        case "empty journal":
            journal(tree, 3).write_bytes(b"")
        case _:
            journal(tree, 3).write_bytes(journal(tree, 3).read_bytes()[:50])
    recalled = recall(tree, "alice")
    assert [*recalled.history.steps["t#1"]] == ["a", "b"]
    [note] = recalled.notes
    assert "0003/journal.jsonl: has no first line, attempt 4 continued from 6" in note
    live(tree, "e")
    assert steps(tree) == ["a", "b", "e"]
    assert recall(tree, "alice").notes == []


def test_lines_of_all_lives_are_read_over_a_gap_that_a_checkpoint_bridges(tree: Tree) -> None:
    live(tree, "a", "b", "c")
    live(tree, "d", checkpoint=True)
    live(tree, "e")
    cut_lines(journal(tree, 1), 3)
    notes: list[str] = []
    keys = [line.fields().get("key") for line in all_lines(tree, "alice", notes=notes)]
    assert [key for key in keys if key] == ["a", "b", "d", "e"]
    assert "what was between is known only by a later checkpoint" in notes[0]
    journal(tree, 1).write_bytes(b"")
    keys = [line.fields().get("key") for line in all_lines(tree, "alice")]
    assert [key for key in keys if key] == ["d", "e"]


def test_checkpoint_of_a_later_life_bridges_lines_that_are_gone(tree: Tree) -> None:
    live(tree, "a", "b", "c")
    live(tree, "d", checkpoint=True)
    cut_lines(journal(tree, 1), 2)
    assert steps(tree) == ["a", "b", "c", "d"]
    shutil.rmtree(journal(tree, 1).parent)
    assert steps(tree) == ["a", "b", "c", "d"]


def test_checkpoint_ahead_of_its_journal_is_ignored_and_reported(tree: Tree) -> None:
    live(tree, "a", "b", "c", checkpoint=True)
    cut_lines(journal(tree, 1), 3)
    recalled = recall(tree, "alice")
    assert [*recalled.history.steps["t#1"]] == ["a", "b"]
    [note] = recalled.notes
    assert "agents/alice/attempts/0001: a checkpoint at seq 4 is ahead" in note


def test_older_slot_stands_when_the_newer_is_ahead(tree: Tree) -> None:
    life = Life(tree, "alice")
    for key in "ab":
        life.step(key)
        life.checkpoint()
    cut_lines(journal(tree, 1), 2)
    recalled = recall(tree, "alice")
    assert [*recalled.history.steps["t#1"]] == ["a"]
    assert len(recalled.notes) == 1


def test_checkpoint_of_a_life_that_was_fallen_back_over_is_not_used(tree: Tree) -> None:
    live(tree, "a", "b", "c")
    live(tree, "d", checkpoint=True)
    stolen = tree.agent("alice").attempt(2).checkpoint(0).read_bytes()
    tree.agent("alice").attempt(2).checkpoint(0).unlink()
    cut_lines(journal(tree, 1), 3)
    live(tree, "e")
    tree.agent("alice").attempt(2).checkpoint(0).write_bytes(stolen)
    assert steps(tree) == ["a", "b", "e"]


def test_journal_without_its_first_line_but_with_a_checkpoint_is_reported(tree: Tree) -> None:
    """Copied before the journal was written, the checkpoint after."""
    live(tree, "a")
    live(tree, "b", checkpoint=True)
    journal(tree, 2).write_bytes(b"")
    recalled = recall(tree, "alice")
    assert [*recalled.history.steps["t#1"]] == ["a"]
    assert "0002/journal.jsonl: has no first line" in recalled.notes[0]


# -- what is corrupt


def edit(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


@pytest.mark.parametrize(
    "change", [edit(b'"result":"a"', b'"result":"A"'), edit(b'"result":"b"', b"\0" * 12)]
)
@pytest.mark.parametrize("where", ["below synced", "below a pin"])
def test_change_of_what_was_durable_stops_the_agent(
    change: Callable[[bytes], bytes], where: str, tree: Tree
) -> None:
    live(tree, "a", "b", "c")
    if where == "below a pin":
        live(tree, "d")
    journal(tree, 1).write_bytes(change(journal(tree, 1).read_bytes()))
    with pytest.raises(Damaged, match=r"0001/journal\.jsonl:\d: corrupt after seq"):
        recall(tree, "alice")


def test_pinned_last_line_that_was_edited_is_corruption(tree: Tree) -> None:
    """Nothing in its own file tells that it was durable; the pin does."""
    live(tree, "a")
    live(tree, "b")
    path = journal(tree, 1)
    path.write_bytes(path.read_bytes().replace(b'"result":"a"', b'"result":"A"'))
    with pytest.raises(Damaged, match="corrupt after seq 1"):
        recall(tree, "alice")


def test_exit_that_tells_what_was_synced_guards_the_last_line(tree: Tree) -> None:
    life = live(tree, "a")
    path = journal(tree, 1)
    path.write_bytes(path.read_bytes().replace(b'"result":"a"', b'"result":"A"'))
    assert steps(tree) == [], "without it the line might never have been acknowledged"
    seal_exit(tree, "alice", 1, by="agent", reason="parked", synced_seq=life.journal.synced_seq)
    with pytest.raises(Damaged):
        recall(tree, "alice")


def test_journal_rewritten_with_a_new_chain_does_not_fit_its_pin(tree: Tree) -> None:
    live(tree, "a")
    live(tree, "b")
    lines = [*Reader(journal(tree, 1))]
    body = codec.encode(
        {key: item for key, item in lines[1].fields().items() if key != "h"} | {"result": "x"}
    )
    forged = chained(lines[0].end, codec.decode_object(body))
    journal(tree, 1).write_bytes(lines[0].raw + b"\n" + forged.raw + b"\n")
    with pytest.raises(Damaged, match="line 2 is not the one that attempt 2 continues from"):
        recall(tree, "alice")


@pytest.mark.parametrize("missing", ["folder", "journal"])
def test_life_whose_predecessor_is_gone_does_not_start_from_nothing(missing: str, tree: Tree) -> None:
    live(tree, "a")
    tree.agent("alice").attempt(1).stdout.write_text("what it printed")
    live(tree, "b")
    if missing == "folder":
        shutil.rmtree(journal(tree, 1).parent)
    else:
        journal(tree, 1).unlink()
    with pytest.raises(Damaged, match="continues from attempt 1, which is not there"):
        recall(tree, "alice")


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "note", "attempt": 1, "pin": None},
        {"type": "start", "attempt": 7, "pin": None},
        {"type": "start", "attempt": 1},
        {"type": "start", "attempt": 1, "pin": "x"},
        {"type": "start", "attempt": 1, "pin": {"attempt": 1}},
        {"type": "start", "attempt": 1, "pin": {"attempt": 1, "seq": 0, "h": ""}},
        {"type": "start", "attempt": 1, "pin": {"attempt": 0, "seq": 0, "h": ""}},
        {"type": "start", "attempt": 1, "pin": {"attempt": 3, "seq": 9, "h": ""}},
        {"type": "start", "attempt": 1, "pin": {"attempt": "1", "seq": 0, "h": ""}},
    ],
)
def test_first_line_that_is_not_in_form_is_damage_not_a_crash(fields: dict[str, object], tree: Tree) -> None:
    tree.agent("alice").attempt(1).root.mkdir(parents=True)
    journal(tree, 1).write_bytes(chained(ORIGIN, {"seq": 1, "at": "T"} | fields).raw + b"\n")
    with pytest.raises(Damaged):
        recall(tree, "alice")


def test_gap_within_a_journal_is_damage(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.journal.append("step", {"task": "t", "run": 1, "key": "x"}, seq=5)
    with pytest.raises(Damaged, match="seq 5 is whole but not as"):
        recall(tree, "alice")


def test_whole_line_that_nobody_can_fold_is_damage(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.journal.commit("task", {"task": "t", "phase": "no such phase"})
    with pytest.raises(Damaged, match=r"0001/journal\.jsonl: the line with seq 2 is whole but not"):
        recall(tree, "alice")
