"""Copies taken while everything was being written: no number is used twice, nothing is lost silently."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lives import Life, all_mail, make_tree, texts

from state_layout.errors import StorageError
from state_layout.files import atomic, codec, disk
from state_layout.lives.attempts import all_lines
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree
from state_layout.tree.restore import restore_copy


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree", "alice", "bob")


def next_seq(tree: Tree) -> dict[str, dict[str, int]]:
    value = codec.decode_object(tree.restored.read_bytes())
    assert set(value) == {"next_seq", "accepted", "notes"}
    found: dict[str, dict[str, int]] = value["next_seq"]
    return found


def keep_lines(path: Path, count: int) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:count]))


def test_untouched_tree_restores_without_notes(tree: Tree) -> None:
    alice, bob = Life(tree, "alice"), Life(tree, "bob")
    alice.step("a", ("bob", "one"), ("all", "one"))
    bob.receive()
    assert restore_copy(tree, agents=["alice", "bob"]) == []
    assert next_seq(tree) == {"alice": {"all": 2, "bob": 2}}


def test_tree_in_which_nothing_happened_is_restored(tree: Tree) -> None:
    assert restore_copy(tree, agents=["alice", "bob"]) == []
    assert next_seq(tree) == {}


def test_next_number_is_above_journal_mail_and_mark_whichever_is_highest(tree: Tree) -> None:
    alice, bob = Life(tree, "alice"), Life(tree, "bob")
    for number in range(1, 6):
        alice.step(f"{number}", ("bob", f"m{number}"))
    bob.receive()
    journal, mail = alice.attempt.paths.journal, tree.mail_file("bob", "alice")
    received = bob.attempt.paths.journal
    whole = {path: path.read_bytes() for path in (journal, mail, received)}
    for kept in ((journal, 6), (mail, 5), (received, 2)):  # start + 5 steps, 5 lines, start + step
        for path in whole:
            path.write_bytes(whole[path])
            if path != kept[0]:
                keep_lines(path, 1 if path is not mail else 0)
        tree.restored.unlink(missing_ok=True)
        restore_copy(tree, agents=["alice", "bob"])
        assert next_seq(tree) == {"alice": {"bob": 6}}, kept


def test_new_message_after_a_copy_is_no_other_ones_number(tree: Tree) -> None:
    """The reader's mark is ahead of the sender's journal and mail file: both were copied before."""
    alice, bob = Life(tree, "alice"), Life(tree, "bob")
    for number in range(1, 4):
        alice.step(f"{number}", ("bob", f"m{number}"))
    bob.receive()
    alice.die()
    bob.die()
    keep_lines(alice.attempt.paths.journal, 2)
    keep_lines(tree.mail_file("bob", "alice"), 1)
    notes = restore_copy(tree, agents=["alice", "bob"])
    assert notes == ["mail/bob/alice.jsonl: the mark of bob at seq 3 is beyond its end; clamped"]
    alice, bob = Life(tree, "alice"), Life(tree, "bob")
    alice.step("new", ("bob", "new"))
    assert texts(bob.receive()) == ["new"]


def test_checkpoint_ahead_of_its_journal_is_noted(tree: Tree) -> None:
    alice = Life(tree, "alice")
    for number in range(3):
        alice.step(f"{number}")
    alice.checkpoint()
    keep_lines(alice.attempt.paths.journal, 2)
    [note] = restore_copy(tree, agents=["alice"])
    assert "a checkpoint at seq 4 is ahead" in note


def test_mark_of_people_beyond_their_file_is_noted(tree: Tree) -> None:
    append_operator_message(tree, "bob", text="one")
    append_operator_message(tree, "bob", text="two")
    Life(tree, "bob").receive()
    keep_lines(tree.mail_file("bob", "operator"), 1)
    [note] = restore_copy(tree, agents=["bob"])
    assert note == "mail/bob/operator.jsonl: the mark of bob at seq 2 is beyond its end; clamped"
    assert next_seq(tree) == {}


def test_corrupt_agent_and_mail_are_noted_and_the_others_restored(tree: Tree) -> None:
    alice, bob = Life(tree, "alice"), Life(tree, "bob")
    alice.step("a", ("bob", "one"))
    alice.step("b", ("bob", "two"))
    alice.outbox.sync()
    alice.step("c", ("bob", "three"))
    bob.step("a", ("alice", "x"))
    for path in (alice.attempt.paths.journal, tree.mail_file("bob", "alice")):
        path.write_bytes(path.read_bytes().replace(b"two", b"TWO"))
    notes = restore_copy(tree, agents=["alice", "bob"])
    assert len(notes) == 2
    assert all("corrupt" in note for note in notes)
    assert next_seq(tree) == {"alice": {"bob": 2}, "bob": {"alice": 2}}


def test_numbers_of_an_earlier_restore_stay_taken(tree: Tree) -> None:
    atomic.make_folder(tree.supervisor)
    earlier = {"next_seq": {"alice": {"bob": 9, "carol": 2}, "gone": {"bob": 4}}, "notes": ["old"]}
    tree.restored.write_bytes(codec.encode(earlier))
    Life(tree, "alice").step("a", ("bob", "nine"))
    assert restore_copy(tree, agents=["alice", "bob"]) == []
    assert next_seq(tree) == {"alice": {"bob": 10, "carol": 2}, "gone": {"bob": 4}}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"next_seq":[]}'])
def test_restored_file_that_is_not_in_form_is_made_anew(content: bytes, tree: Tree) -> None:
    Life(tree, "alice").step("a", ("bob", "one"))
    atomic.make_folder(tree.supervisor)
    tree.restored.write_bytes(content)
    assert restore_copy(tree, agents=["alice"]) == [
        "supervisor/restored.json: not as FORMAT.md says; made anew"
    ]
    assert next_seq(tree) == {"alice": {"bob": 2}}


def test_restoring_twice_is_restoring_once(tree: Tree) -> None:
    Life(tree, "alice").step("a", ("bob", "one"))
    first = restore_copy(tree, agents=["alice", "bob"])
    before = tree.restored.read_bytes()
    assert restore_copy(tree, agents=["alice", "bob"]) == first
    assert tree.restored.read_bytes() == before


def test_full_disk_leaves_what_was_restored_before(tree: Tree) -> None:
    Life(tree, "alice").step("a", ("bob", "one"))
    restore_copy(tree, agents=["alice"])
    before = tree.restored.read_bytes()

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    disk.tap(tap)
    with pytest.raises(StorageError, match=r"restored\.json: cannot replace"):
        restore_copy(tree, agents=["alice"])
    disk.tap(None)
    assert tree.restored.read_bytes() == before


# -- copies taken file by file, while everything goes on


class Original:
    """Two agents that write to each other and keep checkpoints; `move` does the next thing."""

    def __init__(self, tree: Tree, chance: random.Random) -> None:
        self.tree, self.chance = tree, chance
        self.lives = {name: Life(tree, name) for name in ("alice", "bob")}
        self.count = 0

    def move(self) -> None:
        name = self.chance.choice(["alice", "bob"])
        life = self.lives[name]
        match self.chance.randrange(6):
            case 0 | 1 | 2:
                self.count += 1
                to = self.chance.choice(["alice", "bob", "all"])
                life.step(f"{name}-{self.count}", (to, f"{name}-{self.count}"), result=self.count)
            case 3:
                life.receive(self.chance.choice([None, 1]))
            case 4:
                life.checkpoint()
            case _:
                life.die()
                self.lives[name] = Life(self.tree, name)


def copy_while_moving(original: Original, target: Path, chance: random.Random) -> None:
    """Copy each file whole, in random order, with moves in between."""
    paths = [path for path in original.tree.root.rglob("*") if path.is_file()]
    chance.shuffle(paths)
    for path in paths:
        for _ in range(chance.randrange(4)):
            original.move()
        place = target / path.relative_to(original.tree.root)
        place.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()
        place.write_bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.2 else data)


def told(result: object) -> list[str]:
    """The texts that a step of `receive` kept."""
    return result if isinstance(result, list) else []


def sent_to(tree: Tree, reader: str) -> list[str]:
    """List what the journals of this tree say was sent to `reader`."""
    return [
        message["text"]
        for sender in ("alice", "bob")
        for line in all_lines(tree, sender)
        for message in line.fields().get("sent", ())
        if message["to"] == reader or (message["to"] == "all" and sender != reader)
    ]


@pytest.mark.parametrize("seed", range(25))
def test_copy_of_a_living_tree_goes_on_and_so_does_the_original(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    original = Original(make_tree(tmp_path / "original", "alice", "bob"), chance)
    for _ in range(40):
        original.move()
    copy_while_moving(original, tmp_path / "copy", chance)
    copy = make_tree(tmp_path / "copy", "alice", "bob")
    restore_copy(copy, agents=["alice", "bob"])
    lives = {name: Life(copy, name) for name in ("alice", "bob")}
    for name, other in (("alice", "bob"), ("bob", "alice")):
        lives[name].step("new-1", (other, f"new-{name}-1"), ("all", f"new-{name}-all"))
        lives[name].step("new-2", (other, f"new-{name}-2"))
    for name, other in (("alice", "bob"), ("bob", "alice")):
        before = [
            text for result in lives[name].history.steps.get("t#1", {}).values() for text in told(result)
        ]
        got = texts(lives[name].receive())
        assert set(sent_to(copy, name)) <= {*before, *got}, "lost"
        fresh = [text for text in got if text and text.startswith("new")]
        assert sorted(fresh) == [f"new-{other}-1", f"new-{other}-2", f"new-{other}-all"]
        old = [text for text in got if text and not text.startswith("new")]
        assert len(old) == len(set(old)), "doubled"
        assert all_mail(copy, name, marks=lives[name].history.marks) == []
        assert not [note for note in lives[name].notes if "corrupt" in note]
    for _ in range(20):
        original.move()
    for life in (*lives.values(), *original.lives.values()):
        life.die()
    shutil.rmtree(tmp_path / "copy")
