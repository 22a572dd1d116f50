"""Incoming mail: order, marks, broadcasts, files that are torn, replaced or not mail at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lives import Life, all_mail, make_tree, texts

from state_layout.files import disk
from state_layout.lives.history import Mark
from state_layout.mail import open_mail
from state_layout.mail.inbox import Inbox
from state_layout.mail.operator_mail import append_operator_message
from state_layout.mail.outbox import LOOK_AFTER_S
from state_layout.paths import Tree


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree", "alice", "bob", "carol")


@pytest.fixture
def alice(tree: Tree) -> Life:
    return Life(tree, "alice")


def inbox_of(tree: Tree, **marks: Mark) -> Inbox:
    return Inbox(tree, "bob", marks={key.replace("_", "/"): mark for key, mark in marks.items()})


def test_messages_come_once_in_order_per_sender(tree: Tree, alice: Life) -> None:
    carol, inbox = Life(tree, "carol"), inbox_of(tree)
    alice.step("a", ("bob", "a1"), ("bob", "a2"))
    carol.step("a", ("bob", "c1"))
    messages, marks = inbox.fetch()
    assert [message.id for message in messages] == ["alice/bob/1", "alice/bob/2", "carol/bob/1"]
    assert {key: mark[0] for key, mark in marks.items()} == {"bob/alice": 2, "bob/carol": 1}
    assert inbox.fetch() == ([], {})
    alice.step("b", ("bob", "a3"))
    messages, marks = inbox.fetch()
    assert texts(messages) == ["a3"]
    assert [*marks] == ["bob/alice"]


def test_message_holds_what_was_sent(tree: Tree, alice: Life) -> None:
    message = {"text": "ü", "body": [1], "type": "request", "reply_to": "bob/alice/1"}
    alice.outbox.plan("bob", message)
    alice.outbox.deliver([message])
    [found] = inbox_of(tree).fetch()[0]
    assert (found.sender, found.to, found.seq) == ("alice", "bob", 1)
    assert (found.text, found.body, found.type, found.reply_to) == ("ü", [1], "request", "bob/alice/1")
    assert found.at


def test_what_was_fetched_and_not_committed_comes_again(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"), ("bob", "a2"))
    inbox = inbox_of(tree)
    first, marks = inbox.fetch()
    inbox.rewind({})
    assert inbox.fetch() == (first, marks)
    assert inbox_of(tree).fetch() == (first, marks)


def test_limit_gives_the_marks_of_what_it_gives(tree: Tree, alice: Life) -> None:
    alice.step("a", *(("bob", f"a{number}") for number in range(3)), ("all", "x"))
    append_operator_message(tree, "bob", text="p1")
    append_operator_message(tree, "bob", text="p2")
    inbox, got, marks = inbox_of(tree), [], dict[str, Mark]()
    while True:
        messages, more = inbox.fetch(1)
        marks |= more
        if not messages:
            break
        got += texts(messages)
        assert got + texts(all_mail(tree, "bob", marks=marks)) == texts(all_mail(tree, "bob"))
    assert got == ["p1", "p2", "x", "a0", "a1", "a2"]


def test_own_broadcasts_do_not_come_back_others_do(tree: Tree, alice: Life) -> None:
    bob = Life(tree, "bob")
    bob.step("a", ("all", "mine"))
    alice.step("a", ("all", "hers"))
    append_operator_message(tree, "all", text="to everybody")
    assert texts(bob.receive()) == ["to everybody", "hers"]
    assert texts(all_mail(tree, "carol")) == ["to everybody", "hers", "mine"]


def test_agent_that_joins_later_reads_broadcasts_from_the_beginning(tree: Tree, alice: Life) -> None:
    for number in range(3):
        alice.step(f"{number}", ("all", f"b{number}"))
    make_tree(tree.root, "late")
    assert texts(Life(tree, "late").receive()) == ["b0", "b1", "b2"]


def test_line_being_written_is_waited_for(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"), ("bob", "a2"))
    path = tree.mail_file("bob", "alice")
    whole = path.read_bytes()
    inbox = inbox_of(tree)
    for length in range(0, len(whole), 40):
        path.write_bytes(whole[:length])
        inbox.fetch()
    path.write_bytes(whole)
    inbox.fetch()
    assert inbox.notes == []
    got = []
    inbox = inbox_of(tree)
    for length in [*range(0, len(whole), 40), len(whole)]:
        path.write_bytes(whole[:length])
        got += texts(inbox.fetch()[0])
    assert got == ["a1", "a2"]


def test_new_and_vanished_boxes_and_files_are_seen(tree: Tree) -> None:
    now_s, inbox = 100.0, inbox_of(tree)
    alice = Life(tree, "alice", seconds=lambda: now_s)
    assert inbox.fetch() == ([], {})
    alice.step("a", ("bob", "a1"))
    assert texts(inbox.fetch()[0]) == ["a1"]
    shutil.rmtree(tree.mail)
    assert inbox.fetch() == ([], {})
    now_s += LOOK_AFTER_S
    alice.step("b", ("bob", "a2"))
    assert texts(inbox.fetch()[0]) == ["a2"], "the file came back with a1 in it, which was read"
    inbox.close()


def test_replaced_file_is_read_on_behind_the_mark(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"), ("bob", "a2"))
    inbox = inbox_of(tree)
    inbox.fetch()
    path = tree.mail_file("bob", "alice")
    alice.step("b", ("bob", "a3"))
    (tree.root / "new").write_bytes(path.read_bytes())
    (tree.root / "new").replace(path)
    assert texts(inbox.fetch()[0]) == ["a3"]
    assert inbox.notes == []


def test_mark_beyond_the_end_is_clamped_and_told_once(tree: Tree, alice: Life) -> None:
    """A copy whose mail file is older than its reader's journal."""
    alice.step("a", *(("bob", f"a{number}") for number in range(1, 6)))
    marks = inbox_of(tree).fetch()[1]
    path = tree.mail_file("bob", "alice")
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:2]))
    inbox = Inbox(tree, "bob", marks=marks)
    assert inbox.fetch() == ([], {"bob/alice": (5, len(b"".join(whole[:2])), whole[1][-15:-3].decode())})
    assert inbox.fetch() == ([], {})
    assert inbox.notes == ["mail/bob/alice.jsonl: the mark at seq 5 is not in the file; clamped"]
    path.write_bytes(b"".join(whole))
    assert inbox.fetch()[0] == [], "4 and 5 were read before"
    assert inbox.fetch() == ([], {})


def test_mark_without_a_place_drops_what_is_at_or_below_it(tree: Tree, alice: Life) -> None:
    alice.step("a", *(("bob", f"a{number}") for number in range(1, 4)))
    append_operator_message(tree, "bob", text="p1")
    append_operator_message(tree, "bob", text="p2")
    inbox = inbox_of(tree, bob_alice=(2, 0, ""), bob_operator=(1, 0, ""))
    assert texts(inbox.fetch()[0]) == ["p2", "a3"]
    assert inbox.notes == []


def test_corrupt_mail_is_told_and_the_rest_is_read(tree: Tree, alice: Life) -> None:
    carol = Life(tree, "carol")
    alice.step("a", ("bob", "a1"), ("bob", "a2"))
    alice.outbox.sync()
    alice.step("b", ("bob", "a3"))
    carol.step("a", ("bob", "c1"))
    path = tree.mail_file("bob", "alice")
    path.write_bytes(path.read_bytes().replace(b'"a2"', b'"A2"'))
    inbox = inbox_of(tree)
    assert texts(inbox.fetch()[0]) == ["a1", "c1"]
    assert inbox.fetch()[0] == []
    assert inbox.notes == ["mail/bob/alice.jsonl:2: corrupt; nothing after it is read"]


def test_torn_tail_is_left_to_its_writer_without_a_word(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"), ("bob", "a2"))
    path = tree.mail_file("bob", "alice")
    path.write_bytes(path.read_bytes().replace(b'"a2"', b"\0\0\0\0"))
    inbox = inbox_of(tree)
    assert texts(inbox.fetch()[0]) == ["a1"]
    assert inbox.notes == []
    alice.die()
    Life(tree, "alice")
    assert texts(inbox.fetch()[0]) == ["a2"]


def test_what_is_no_mail_is_passed_over(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"))
    box = tree.mail_box("bob")
    for name in ("alice.jsonl.torn-1", ".carol.jsonl.tmp-1", "Carol.jsonl", "supervisor.jsonl", "all.jsonl"):
        (box / name).write_bytes(tree.mail_file("bob", "alice").read_bytes())
    (box / "carol.jsonl").mkdir()
    os.mkfifo(box / "dave.jsonl")
    (box / "erin.jsonl").symlink_to("alice.jsonl")
    inbox = inbox_of(tree)
    assert texts(inbox.fetch()[0]) == ["a1"]
    (box / "carol.jsonl").rmdir()
    Life(tree, "carol").step("a", ("bob", "c1"))
    assert texts(inbox.fetch()[0]) == ["c1"], "what was a folder is a file now"


def test_more_files_than_are_kept_open(tree: Tree, alice: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_mail, "MOST_OPEN", 1)
    carol, inbox = Life(tree, "carol"), inbox_of(tree)
    for number in range(3):
        alice.step(f"{number}", ("bob", f"a{number}"))
        carol.step(f"{number}", ("bob", f"c{number}"))
        assert texts(inbox.fetch()[0]) == [f"a{number}", f"c{number}"]


def test_closed_inbox_leaks_no_descriptor(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"), ("all", "a1"))
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - the names only
    inbox = inbox_of(tree)
    inbox.fetch()
    inbox.close()
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208 - the names only
    alice.step("b", ("bob", "a2"))
    assert texts(inbox.fetch()[0]) == ["a2"], "it opens them again"
    inbox.close()


def test_only_what_people_wrote_is_synced_by_the_reader(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"))
    append_operator_message(tree, "bob", text="p1")
    seen: list[str] = []

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if isinstance(arguments[0], int):
            seen.append(f"{name} {Path(f'/proc/self/fd/{arguments[0]}').readlink().name}")

    disk.tap(tap)
    inbox = inbox_of(tree)
    assert texts(inbox.fetch()[0]) == ["p1", "a1"]
    assert seen == ["fdatasync operator.jsonl", "fsync bob"], "the lines, and once the name"


# -- marks for those who acknowledge by number


def test_mark_at_a_number_acknowledges_up_to_it(tree: Tree, alice: Life) -> None:
    alice.step("a", *(("bob", f"a{number}") for number in range(1, 5)))
    for number in range(1, 4):
        append_operator_message(tree, "bob", text=f"p{number}")
    inbox = inbox_of(tree)
    marks = {key: inbox.mark_at(key, 2) for key in ("bob/alice", "bob/operator")}
    assert texts(all_mail(tree, "bob", marks=marks)) == ["p3", "a3", "a4"]


def test_mark_at_a_number_in_a_gap_or_beyond_the_end_is_the_last_below(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"))
    alice.outbox.plan("bob", {})
    alice.step("b", ("bob", "a3"))
    inbox = inbox_of(tree)
    assert inbox.mark_at("bob/alice", 2)[0] == 1
    assert inbox.mark_at("bob/alice", 99)[0] == 3


@pytest.mark.parametrize(
    "key", ["bob/nobody", "carol/alice", "all/bob", "bob", "", "../x", "bob/../alice", "bob/alice/x"]
)
def test_mark_of_what_is_not_in_the_box_stays(key: str, tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "a1"), ("carol", "a1"))
    Life(tree, "bob").step("a", ("all", "x"))
    assert inbox_of(tree).mark_at(key, 1) == (0, 0, "")


def test_mark_never_goes_down(tree: Tree, alice: Life) -> None:
    alice.step("a", *(("bob", f"a{number}") for number in range(1, 5)))
    inbox = inbox_of(tree)
    marks = inbox.fetch()[1]
    assert inbox.mark_at("bob/alice", 1) == marks["bob/alice"]


def test_an_inbox_that_nobody_closed_leaves_no_descriptor(tree: Tree, alice: Life) -> None:
    alice.step("a", ("bob", "one"), ("all", "two"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        assert len(inbox_of(tree).fetch()[0]) == 2
    assert len(list(Path("/proc/self/fd").iterdir())) == before
