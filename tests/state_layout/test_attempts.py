"""Lives: numbered folders, pins, what is void, how an end is told once."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lives import Life, make_tree

from state_layout.errors import StorageError, StorageFull
from state_layout.files import disk
from state_layout.files.journal import Reader
from state_layout.lives.attempts import all_lines, begin_attempt, list_attempts, read_exit, recall, seal_exit
from state_layout.paths import Tree


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


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


# -- beginning


def test_first_life_is_number_one_and_pins_nothing(tree: Tree) -> None:
    assert recall(tree, "alice").pin is None
    life = live(tree)
    [start] = Reader(journal(tree, 1))
    fields = start.fields()
    assert (life.attempt.number, life.attempt.paths.root.name) == (1, "0001")
    assert {key: fields[key] for key in ("seq", "type", "agent", "attempt", "pin", "settings")} == {
        "seq": 1,
        "type": "start",
        "agent": "alice",
        "attempt": 1,
        "pin": None,
        "settings": {},
    }


def test_each_life_continues_where_the_one_before_ended(tree: Tree) -> None:
    live(tree, "a", "b")
    live(tree, "c")
    live(tree)
    assert steps(tree) == ["a", "b", "c"]
    third = next(iter(Reader(journal(tree, 3)))).fields()
    last = [*Reader(journal(tree, 2))][-1].end
    assert third["pin"] == {"attempt": 2, "seq": last.seq, "h": last.h}
    assert third["seq"] == last.seq + 1
    assert [line.seq for line in all_lines(tree, "alice")] == list(range(1, 7))


def test_settings_in_force_stand_in_the_first_line(tree: Tree) -> None:
    begin_attempt(tree, "alice", recall=recall(tree, "alice"), settings={"timeout_s": 5})
    assert next(iter(Reader(journal(tree, 1)))).fields()["settings"] == {"timeout_s": 5}


def test_folder_without_a_whole_first_line_is_passed_over(tree: Tree) -> None:
    live(tree, "a")
    for number, content in ((2, None), (3, b""), (4, b'{"seq":3,"at":"20'), (5, bytes(400))):
        tree.agent("alice").attempt(number).root.mkdir()
        if content is not None:
            journal(tree, number).write_bytes(content)
    recalled = recall(tree, "alice")
    assert (recalled.attempt, recalled.notes) == (5, [])
    assert recalled.pin is not None
    assert recalled.pin["attempt"] == 1
    assert Life(tree, "alice").attempt.number == 6
    assert steps(tree) == ["a"]


def test_other_things_among_the_attempts_are_no_lives(tree: Tree) -> None:
    live(tree)
    folder = tree.agent("alice").attempts
    for name in ("tmp", "12", ".0004", "0002.bak", "00003", "0000", "\u0660\u0660\u0660\u0665"):
        (folder / name).mkdir()
    assert list_attempts(tree.agent("alice")) == [1]
    assert list_attempts(tree.agent("nobody")) == []


def test_ten_thousandth_life_follows_the_one_before(tree: Tree) -> None:
    for number in (9998, 9999):
        tree.agent("alice").attempt(number).root.mkdir(parents=True)
    assert Life(tree, "alice").attempt.paths.root.name == "10000"
    assert Life(tree, "alice").attempt.number == 10001


def test_number_is_taken_by_making_its_folder(tree: Tree) -> None:
    """Two who would begin the same life (without its lock): one fails and writes nothing."""
    recalled = recall(tree, "alice")
    begin_attempt(tree, "alice", recall=recalled, settings={})
    with pytest.raises(StorageError, match="cannot create folder"):
        begin_attempt(tree, "alice", recall=recalled, settings={})
    assert list_attempts(tree.agent("alice")) == [1]


@pytest.mark.parametrize("operation", ["mkdir", "create", "write", "fdatasync"])
def test_start_refused_for_want_of_space_is_no_attempt(operation: str, tree: Tree) -> None:
    live(tree, "a")
    recalled = recall(tree, "alice")
    recalled_pin = recalled.pin
    count = [0]

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        count[0] += name == operation
        if name == operation and count[0] == (2 if operation == "fdatasync" else 1):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    disk.tap(tap)
    with pytest.raises(StorageFull):
        begin_attempt(tree, "alice", recall=recalled, settings={})
    disk.tap(None)
    assert list_attempts(tree.agent("alice")) == [1]
    assert recall(tree, "alice").pin == recalled_pin
    assert Life(tree, "alice").attempt.number == 2


def test_life_does_not_begin_when_what_it_continues_cannot_be_synced(tree: Tree) -> None:
    live(tree, "a")

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name == "fdatasync":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk.tap(tap)
    with pytest.raises(StorageError, match=r"0001/journal\.jsonl: cannot sync"):
        begin_attempt(tree, "alice", recall=recall(tree, "alice"), settings={})
    assert list_attempts(tree.agent("alice")) == [1]


# -- what is void


def test_lines_written_after_the_pin_are_void(tree: Tree) -> None:
    """A dead life's last words, written after its successor looked."""
    first = Life(tree, "alice")
    first.step("a")
    live(tree, "b")
    first.step("void")
    assert steps(tree) == ["a", "b"]
    live(tree, "c")
    assert steps(tree) == ["a", "b", "c"]


def test_torn_end_of_an_older_life_is_left_where_it_is(tree: Tree) -> None:
    live(tree, "a")
    with journal(tree, 1).open("ab") as file:
        file.write(b'{"seq":3,"at":"2026')
    recalled = recall(tree, "alice")
    [note] = recalled.notes
    assert "attempts/0001/journal.jsonl: torn after seq 2, never acknowledged" in note
    before = journal(tree, 1).read_bytes()
    live(tree, "b")
    assert journal(tree, 1).read_bytes() == before
    assert recall(tree, "alice").notes == []
    assert steps(tree) == ["a", "b"]


def test_page_lost_among_lines_never_acknowledged_ends_the_life_before_it(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a")
    ends = [life.journal.append("step", {"task": "t", "run": 1, "key": key}).offset for key in "xyz"]
    data = bytearray(journal(tree, 1).read_bytes())
    data[ends[0] - 40 : ends[0] - 1] = bytes(39)
    journal(tree, 1).write_bytes(data)
    assert steps(tree) == ["a"]
    assert len(recall(tree, "alice").notes) == 1


@pytest.mark.parametrize("checkpoint", [True, False])
def test_lines_above_synced_seq_of_a_poisoned_life_are_void(checkpoint: bool, tree: Tree) -> None:
    live(tree, "a", checkpoint=checkpoint)
    again = Life(tree, "alice")
    again.step("b")
    synced = again.journal.synced_seq
    again.history.take(again.journal.record("step", {"task": "t", "run": 1, "key": "lost"}))
    seal_exit(tree, "alice", 2, by="agent", reason="poisoned", synced_seq=synced)
    assert steps(tree) == ["a", "b"]
    pin = recall(tree, "alice").pin
    assert pin is not None
    assert (pin["attempt"], pin["seq"]) == (2, synced)
    live(tree, "c")
    assert steps(tree) == ["a", "b", "c"]


def test_poisoned_life_that_never_synced_is_void_as_a_whole(tree: Tree) -> None:
    live(tree, "a")
    life = live(tree, "x")
    seal_exit(tree, "alice", 2, by="agent", reason="poisoned", synced_seq=life.attempt.start.seq - 1)
    recalled = recall(tree, "alice")
    assert recalled.pin is not None
    assert (recalled.pin["attempt"], recalled.attempt) == (1, 2)
    assert steps(tree) == ["a"]


def test_checkpoint_above_synced_seq_of_a_poisoned_life_is_ignored(tree: Tree) -> None:
    life = live(tree, "a", "b", checkpoint=True)
    seal_exit(tree, "alice", 1, by="agent", reason="poisoned", synced_seq=life.history.seq - 1)
    recalled = recall(tree, "alice")
    assert [*recalled.history.steps["t#1"]] == ["a"]
    assert "a checkpoint at seq 3 is ahead" in recalled.notes[0]


# -- exits


def test_exit_is_told_once(tree: Tree) -> None:
    live(tree)
    assert read_exit(tree, "alice", 1) is None
    assert seal_exit(tree, "alice", 1, by="agent", reason="failed", task="t", exit_code=3, detail="boom")
    assert not seal_exit(tree, "alice", 1, by="supervisor", reason="lost")
    found = read_exit(tree, "alice", 1)
    assert found is not None
    assert list(found) == [
        "attempt",
        "at",
        "by",
        "reason",
        "task",
        "exit_code",
        "signal",
        "detail",
        "synced_seq",
    ]
    assert (found["by"], found["reason"], found["exit_code"], found["signal"]) == ("agent", "failed", 3, None)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"attempt":1}', '{"reason":"no such"}', '{"reason":null}']
)
def test_exit_that_cannot_be_understood_is_lost(content: str, tree: Tree) -> None:
    live(tree)
    tree.agent("alice").attempt(1).exit.write_text(content)
    found = read_exit(tree, "alice", 1)
    assert found is not None
    assert found["reason"] == "lost"
    assert steps(tree) == []
