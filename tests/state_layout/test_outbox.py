"""Outgoing mail: numbers, the order journal then mail, and how what is missing comes back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lives import Life, all_mail, make_tree, texts

from state_layout.errors import BadInput, Damaged, StorageError, StorageFull
from state_layout.files import atomic, codec, disk
from state_layout.files.journal import Reader
from state_layout.mail import outbox
from state_layout.mail.outbox import LOOK_AFTER_S
from state_layout.paths import Tree


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree", "alice", "bob", "carol")


def fail(operation: str, code: int, *, file: str) -> None:
    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name == operation and Path(f"/proc/self/fd/{arguments[0]}").readlink().name == file:
            raise OSError(code, os.strerror(code))

    disk.tap(tap)


def numbers(tree: Tree, to: str, sender: str = "alice") -> list[int]:
    return [line.seq for line in Reader(tree.mail_file(to, sender))]


def restored(tree: Tree, **next_seq: dict[str, int]) -> None:
    atomic.make_folder(tree.supervisor)
    tree.restored.write_bytes(codec.encode({"next_seq": next_seq, "notes": []}))


def test_mail_line_has_the_form_of_format_md(tree: Tree) -> None:
    life = Life(tree, "alice")
    message = {
        "text": "done",
        "reply_to": "bob/alice/3",
        "body": {"n": [1]},
        "type": "reply",
        "more": "dropped",
    }
    life.outbox.plan("bob", message)
    life.history.take(life.journal.record("sent", {"sent": [message]}))
    life.journal.sync()
    life.outbox.deliver([message])
    [line] = Reader(tree.mail_file("bob", "alice"))
    fields = line.fields()
    assert [*fields] == [
        "seq",
        "at",
        "attempt",
        "synced",
        "type",
        "from",
        "to",
        "text",
        "body",
        "reply_to",
        "h",
    ]
    assert (fields["seq"], fields["attempt"], fields["from"], fields["to"]) == (1, 1, "alice", "bob")
    assert (fields["type"], fields["body"]) == ("reply", {"n": [1]})


def test_each_recipient_has_its_own_numbers(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "1"), ("carol", "1"), ("bob", "2"), ("all", "1"))
    life.step("b", ("bob", "3"))
    assert [numbers(tree, to) for to in ("bob", "carol", "all")] == [[1, 2, 3], [1], [1]]


def test_unknown_recipient_is_an_error_that_names_the_known(tree: Tree) -> None:
    life = Life(tree, "alice")
    for to in ("nobody", "../bob", "operator", "supervisor", "", "BOB"):
        with pytest.raises(BadInput, match="no such agent; use all or one of: alice, bob, carol"):
            life.outbox.plan(to, {"text": "x"})
    assert not tree.mail.exists()


def test_agent_known_only_by_its_accepted_copy_can_be_written_to(tree: Tree) -> None:
    copy = tree.accepted_copy(tree.agent_spec("bob"))
    copy.parent.mkdir(parents=True)
    tree.agent_spec("bob").replace(copy)
    Life(tree, "alice").step("a", ("bob", "hello"))
    assert numbers(tree, "bob") == [1]


def test_planned_number_that_is_never_journaled_leaves_a_gap(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.outbox.plan("bob", {"text": "never"})
    life.step("a", ("bob", "sent"))
    assert numbers(tree, "bob") == [2]
    assert texts(all_mail(tree, "bob")) == ["sent"]


def test_journaled_send_that_was_not_delivered_is_appended_by_the_next_life(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    for text in ("two", "three"):
        message = {"text": text}
        life.outbox.plan("bob", message)
        life.journal.commit("sent", {"sent": [message]})
    life.die()
    again = Life(tree, "alice")
    assert again.caught_up == 2
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three"]
    assert Life(tree, "alice").caught_up == 0


def test_send_older_than_the_checkpoint_comes_back_too(tree: Tree) -> None:
    life = Life(tree, "alice")
    for number in range(4):
        life.step(f"{number}", ("bob", f"m{number}"), ("carol", f"c{number}"))
    life.checkpoint()
    life.step("later", ("bob", "m4"))
    life.die()
    whole = tree.mail_file("bob", "alice").read_bytes()
    for keep in (0, 1, 3):
        tree.mail_file("bob", "alice").write_bytes(b"".join(whole.splitlines(keepends=True)[:keep]))
        again = Life(tree, "alice")
        assert again.caught_up == 5 - keep
        assert texts(all_mail(tree, "bob"))[:5] == [f"m{number}" for number in range(5)]
        assert numbers(tree, "carol") == [1, 2, 3, 4]
        again.die()


def test_torn_mail_is_set_aside_and_sent_again(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"), ("bob", "two"))
    path = tree.mail_file("bob", "alice")
    path.write_bytes(path.read_bytes()[:-30])
    life.die()
    Life(tree, "alice")
    assert texts(all_mail(tree, "bob")) == ["one", "two"]
    assert path.with_name("alice.jsonl.torn-1").exists()


def test_mail_corrupt_where_it_was_durable_stops_the_sender(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"), ("bob", "two"))
    life.outbox.sync()
    life.step("b", ("bob", "three"))
    life.die()
    path = tree.mail_file("bob", "alice")
    path.write_bytes(path.read_bytes().replace(b"two", b"TWO"))
    with pytest.raises(Damaged, match=r"alice\.jsonl:2: corrupt"):
        Life(tree, "alice")


def test_full_disk_keeps_messages_waiting_in_order(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    fail("write", errno.ENOSPC, file="alice.jsonl")
    with pytest.raises(StorageFull):
        life.step("b", ("bob", "two"), ("carol", "two"))
    with pytest.raises(StorageFull):
        life.step("c", ("bob", "three"))
    assert life.outbox.waiting == 3
    assert not life.outbox.covers(life.history)
    disk.tap(None)
    life.outbox.deliver()
    assert life.outbox.waiting == 0
    assert life.outbox.covers(life.history)
    life.step("d", ("bob", "four"))
    assert [line.fields()["text"] for line in Reader(tree.mail_file("bob", "alice"))] == [
        "one",
        "two",
        "three",
        "four",
    ]
    assert numbers(tree, "carol") == [1]


def test_mail_file_that_failed_is_mended_by_the_next_life(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    fail("write", errno.EIO, file="alice.jsonl")
    with pytest.raises(StorageError):
        life.step("b", ("bob", "two"))
    disk.tap(None)
    with pytest.raises(StorageError):
        life.step("c", ("bob", "three"))
    life.die()
    assert Life(tree, "alice").caught_up == 2
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three"]


def test_mail_file_removed_under_its_writer_comes_back_whole(tree: Tree) -> None:
    now_s = 100.0
    life = Life(tree, "alice", seconds=lambda: now_s)
    life.step("a", ("bob", "one"), ("bob", "two"))
    tree.mail_file("bob", "alice").unlink()
    now_s += LOOK_AFTER_S
    life.step("b", ("bob", "three"))
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three"]
    assert numbers(tree, "bob") == [1, 2, 3]


def test_mail_file_removed_just_after_a_look_comes_back_before_a_checkpoint(tree: Tree) -> None:
    life = Life(tree, "alice", seconds=lambda: 100.0)
    life.step("a", ("bob", "one"))
    tree.mail_file("bob", "alice").unlink()
    life.step("b", ("bob", "two"))
    assert life.checkpoint()
    assert texts(all_mail(tree, "bob")) == ["one", "two"]


def test_messages_written_to_a_file_that_was_just_removed_are_delivered_by_the_next_life(tree: Tree) -> None:
    life = Life(tree, "alice", seconds=lambda: 100.0)
    life.step("a", ("bob", "one"))
    tree.mail_file("bob", "alice").unlink()
    life.step("b", ("bob", "two"))
    life.die()
    assert Life(tree, "alice").caught_up == 2
    assert texts(all_mail(tree, "bob")) == ["one", "two"]


def test_mail_file_replaced_under_its_writer_is_continued(tree: Tree) -> None:
    """As an editor or a restored backup does it: the path leads to an older file now."""
    now_s = 100.0
    life = Life(tree, "alice", seconds=lambda: now_s)
    life.step("a", ("bob", "one"))
    older = tree.mail_file("bob", "alice").read_bytes()
    life.step("b", ("bob", "two"))
    (tree.root / "backup").write_bytes(older)
    (tree.root / "backup").replace(tree.mail_file("bob", "alice"))
    now_s += LOOK_AFTER_S
    life.step("c", ("bob", "three"))
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three"]


@pytest.mark.parametrize("when", ["open", "closed"])
def test_mail_file_removed_before_its_writer_opens_it_again_comes_back_whole(
    when: str, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes to many closes the file opened first, and believed a moment ago that it was there."""
    monkeypatch.setattr(outbox, "MOST_OPEN", 1)
    life = Life(tree, "alice", seconds=lambda: 100.0)
    life.step("a", ("bob", "one"))
    if when == "closed":
        life.step("b", ("carol", "one"))
    tree.mail_file("bob", "alice").unlink()
    life.step("c", ("bob", "two"))
    life.step("d", ("carol", "two"))
    life.step("e", ("bob", "three"))
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three"]


@pytest.mark.parametrize("operation", ["create", "write"])
def test_full_disk_while_a_mail_file_is_brought_back_leaves_no_gap(operation: str, tree: Tree) -> None:
    now_s = 100.0
    life = Life(tree, "alice", seconds=lambda: now_s)
    life.step("a", ("bob", "one"), ("bob", "two"))
    tree.mail_file("bob", "alice").unlink()
    now_s += LOOK_AFTER_S
    left = 1  # of what has room

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        path = arguments[0] if name == "create" else Path(f"/proc/self/fd/{arguments[0]}").readlink()
        if name == operation and Path(str(path)).name == "alice.jsonl":
            if name == "create" or not left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left -= 1

    disk.tap(tap)
    with pytest.raises(StorageFull):
        life.step("b", ("bob", "three"))
    assert not life.checkpoint()
    disk.tap(None)
    life.step("c", ("bob", "four"))
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three", "four"]


def test_mail_file_that_could_not_be_brought_back_is_at_the_end(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    tree.mail_file("bob", "alice").unlink()
    fail("write", errno.ENOSPC, file="alice.jsonl")
    with pytest.raises(StorageFull):
        life.outbox.sync()
    assert not life.outbox.covers(life.history)
    disk.tap(None)
    life.outbox.sync()
    assert texts(all_mail(tree, "bob")) == ["one"]


def test_mail_file_moved_away_under_its_writer_comes_back_before_a_checkpoint(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    tree.mail_file("bob", "alice").rename(tree.root / "elsewhere")
    life.step("b", ("bob", "two"))
    assert life.checkpoint()
    assert texts(all_mail(tree, "bob")) == ["one", "two"]
    life.step("c", ("bob", "three"))
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three"]


def test_numbers_start_above_what_was_used_before_a_copy(tree: Tree) -> None:
    restored(tree, alice={"bob": 7, "all": 3})
    life = Life(tree, "alice")
    life.step("a", ("bob", "x"), ("all", "x"), ("carol", "x"))
    assert [numbers(tree, to) for to in ("bob", "all", "carol")] == [[7], [3], [1]]


def test_numbers_start_above_the_mail_file_of_lines_that_are_void(tree: Tree) -> None:
    """A life that was poisoned had sent what its successor does not know of."""
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    life.step("b", ("bob", "void"))
    life.die()
    path = life.attempt.paths.journal
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    again = Life(tree, "alice")
    again.step("c", ("bob", "three"))
    assert numbers(tree, "bob") == [1, 2, 3]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"next_seq": 3}', b'{"next_seq": {"alice": {"bob": "x"}}}']
)
def test_restored_file_that_is_not_in_form_stops_the_sender(content: bytes, tree: Tree) -> None:
    atomic.make_folder(tree.supervisor)
    tree.restored.write_bytes(content)
    with pytest.raises(Damaged, match=r"supervisor/restored\.json: not as FORMAT"):
        Life(tree, "alice")


def test_sync_tells_the_ends_of_all_mail_files(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    life.step("b", ("carol", "one"))
    ends = life.outbox.sync()
    for to in ("bob", "carol"):
        [line] = Reader(tree.mail_file(to, "alice"))
        assert ends[to] == line.end
    assert life.outbox.sync() == ends


def test_next_line_of_a_mail_file_tells_what_was_synced(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"), ("bob", "two"))
    life.outbox.sync()
    life.step("b", ("bob", "three"))
    told = [line.fields().get("synced") for line in Reader(tree.mail_file("bob", "alice"))]
    assert told == [0, None, 2]


def test_nothing_is_in_a_mail_file_before_the_journal_is_synced(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    fail("fdatasync", errno.EIO, file="journal.jsonl")
    with pytest.raises(StorageError):
        life.step("b", ("bob", "two"))
    assert texts(all_mail(tree, "bob")) == ["one"]


def test_lost_mail_does_not_keep_checkpoints_away_for_ever(tree: Tree) -> None:
    """In a copy the journal that sent it is short, the checkpoint knows of it, the mail file does not."""
    life = Life(tree, "alice")
    for text in ("one", "two", "three"):
        life.step(text, ("bob", text))
    life.die()
    again = Life(tree, "alice")
    again.checkpoint()
    again.die()
    for path, keep in ((life.attempt.paths.journal, 2), (tree.mail_file("bob", "alice"), 0)):
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:keep]))
    third = Life(tree, "alice")
    assert third.outbox.notes
    assert "mail/bob/alice.jsonl: messages may be missing" in third.outbox.notes[0]
    assert texts(all_mail(tree, "bob")) == ["one"]
    assert third.checkpoint()
    third.step("new", ("bob", "four"))
    assert texts(all_mail(tree, "bob")) == ["one", "four"]


def test_agent_may_write_to_itself(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("alice", "note to myself"))
    assert texts(life.receive()) == ["note to myself"]
