"""Mail as a whole: whatever happens to senders, readers and files, each message arrives once, in order."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lives import Life, all_mail, make_tree, texts

from state_layout.lives.attempts import recall
from state_layout.mail import append_operator_message, count_undelivered, read_messages
from state_layout.mail.operator_mail import read_operator_file
from state_layout.paths import Tree

SENDERS = ("alice", "carol")
WHO = st.sampled_from(SENDERS)


class Post(RuleBasedStateMachine):
    """Two senders and a reader; processes are killed, power is lost, files are torn and removed."""

    def __init__(self) -> None:
        super().__init__()
        shared = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
        self.tree = make_tree(self.folder, "bob", *SENDERS)
        self.senders = {name: Life(self.tree, name) for name in SENDERS}
        self.reader = Life(self.tree, "bob")
        self.sent: dict[str, list[str]] = {f"{box}/{name}": [] for box in ("bob", "all") for name in SENDERS}
        self.got: dict[str, list[str | None]] = {key: [] for key in self.sent}
        self.people: list[str] = []
        self.got_of_people: list[str | None] = []

    @rule(name=WHO, boxes=st.lists(st.sampled_from(["bob", "all"]), min_size=1, max_size=3))
    def send(self, name: str, boxes: list[str]) -> None:
        messages = []
        for box in boxes:
            text = f"{name}-{box}-{len(self.sent[f'{box}/{name}'])}"
            self.sent[f"{box}/{name}"].append(text)
            messages.append((box, text))
        self.senders[name].step(f"k{self.senders[name].history.seq}", *messages)

    @rule(limit=st.one_of(st.none(), st.integers(1, 4)))
    def receive(self, limit: int | None) -> None:
        for message in self.reader.receive(limit):
            if message.sender == "operator":
                self.got_of_people.append(message.text)
            else:
                self.got[f"{message.to}/{message.sender}"].append(message.text)

    @rule()
    def look_and_die(self) -> None:
        """Fetched, not committed: comes again."""
        self.reader.inbox.fetch()
        self.restart_reader()

    @rule()
    def restart_reader(self) -> None:
        self.reader.die()
        self.reader = Life(self.tree, "bob")

    @rule(name=WHO)
    def restart_sender(self, name: str) -> None:
        self.senders[name].die()
        self.senders[name] = Life(self.tree, name)

    @rule(name=WHO)
    def die_between_journal_and_mail(self, name: str) -> None:
        life = self.senders[name]
        text = f"{name}-bob-{len(self.sent[f'bob/{name}'])}"
        message = {"text": text}
        life.outbox.plan("bob", message)
        life.journal.record("sent", {"sent": [message]})
        self.sent[f"bob/{name}"].append(text)
        self.restart_sender(name)

    @rule(name=WHO)
    def lose_power_before_the_journal_is_synced(self, name: str) -> None:
        """Never acknowledged, never delivered: it never was."""
        life = self.senders[name]
        path, length = life.attempt.paths.journal, life.journal.position.offset
        message = {"text": "never"}
        life.outbox.plan("bob", message)
        life.journal.record("sent", {"sent": [message]})
        life.die()
        os.truncate(path, length)
        self.senders[name] = Life(self.tree, name)

    @rule(name=WHO)
    def checkpoint(self, name: str) -> None:
        self.senders[name].checkpoint()

    @rule()
    def checkpoint_of_reader(self) -> None:
        self.reader.checkpoint()

    @rule(name=WHO, box=st.sampled_from(["bob", "all"]), part=st.floats(0, 1), zeros=st.booleans())
    def lose_power(self, name: str, box: str, part: float, zeros: bool) -> None:
        """Lose, in part, what a sender had not synced of a mail file; the reader looks before it is back."""
        path = self.tree.mail_file(box, name)
        if not path.exists():
            return
        synced = recall(self.tree, name).history.mailed.get(box, (0, 0, ""))[1]
        data = path.read_bytes()
        keep = synced + int((len(data) - synced) * part)
        self.senders[name].die()
        path.write_bytes(data[:keep] + (bytes(len(data) - keep) if zeros else b""))
        self.receive(None)
        self.senders[name] = Life(self.tree, name)

    @rule(name=WHO, box=st.sampled_from(["bob", "all"]))
    def remove_mail_file(self, name: str, box: str) -> None:
        """By hand, under the writer; what it held comes back with the next message or life."""
        self.tree.mail_file(box, name).unlink(missing_ok=True)
        self.send(name, [box])

    @rule()
    def person_writes(self) -> None:
        text = f"person-{len(self.people)}"
        self.people.append(text)
        append_operator_message(self.tree, "bob", text=text)

    @precondition(lambda self: self.people)
    @rule()
    def person_edits_what_was_read(self) -> None:
        path = self.tree.mail_file("bob", "operator")
        mark = self.reader.history.marks.get("bob/operator", (0, 0, ""))
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"\n".join([b"", *lines]) if mark[0] else b"".join(lines))

    @invariant()
    def nothing_is_doubled_or_out_of_order(self) -> None:
        for key, got in self.got.items():
            assert got == self.sent[key][: len(got)]
        assert self.got_of_people == self.people[: len(self.got_of_people)]

    def teardown(self) -> None:
        for name in SENDERS:
            self.restart_sender(name)
        self.restart_reader()
        self.receive(None)
        assert self.got == self.sent
        assert self.got_of_people == self.people
        assert all_mail(self.tree, "bob", marks=self.reader.history.marks) == []
        for life in (self.reader, *self.senders.values()):
            life.die()
        shutil.rmtree(self.folder)


TestPost = Post.TestCase
TestPost.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


# -- what viewers see


def filled_tree(root: Path) -> Tree:
    tree = make_tree(root, "alice", "bob")
    alice, bob = Life(tree, "alice"), Life(tree, "bob")
    alice.step("a", ("bob", "one"), ("all", "two"))
    bob.step("b", ("alice", "three"))
    append_operator_message(tree, "bob", text="four", type="request", now=lambda: "2027")
    return tree


def test_messages_are_listed_by_time(tmp_path: Path) -> None:
    tree = filled_tree(tmp_path)
    assert sorted(texts(read_messages(tree)), key=str) == ["four", "one", "three", "two"]
    assert texts(read_messages(tree))[-1] == "four"
    assert [message.at for message in read_messages(tree)] == sorted(m.at for m in read_messages(tree))


def test_messages_are_filtered(tmp_path: Path) -> None:
    tree = filled_tree(tmp_path)
    assert texts(read_messages(tree, sender="alice")) == ["one", "two"]
    assert texts(read_messages(tree, to="bob")) == ["one", "four"]
    assert texts(read_messages(tree, to="all")) == ["two"]
    assert texts(read_messages(tree, type="request")) == ["four"]
    assert texts(read_messages(tree, since="2027")) == ["four"]
    assert texts(read_messages(tree, limit=1)) == ["four"]
    assert read_messages(tree, limit=0) == []
    assert read_messages(tree, to="nobody") == []
    assert read_messages(tree, sender="nobody") == []


def test_damaged_mail_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    tree = filled_tree(tmp_path)
    with tree.mail_file("bob", "alice").open("ab") as file:
        file.write(b"garbage\n")
    tree.mail_file("bob", "operator").write_bytes(b'no json\n{"text":"fine"}\n')
    assert texts(read_messages(tree, to="bob")) == ["fine", "one"]


def test_tree_without_mail_has_none(tmp_path: Path) -> None:
    assert read_messages(Tree(tmp_path)) == []
    assert count_undelivered(Tree(tmp_path), "bob", marks={}) == 0


def test_undelivered_messages_are_counted_without_touching_anything(tmp_path: Path) -> None:
    tree = filled_tree(tmp_path)
    assert count_undelivered(tree, "bob", marks={}) == 3
    assert count_undelivered(tree, "alice", marks={}) == 1
    bob = Life(tree, "bob")
    bob.receive(limit=2)
    assert count_undelivered(tree, "bob", marks=bob.history.marks) == 1
    assert count_undelivered(tree, "bob", marks={"bob/alice": (1, 0, "")}) == 2
    bob.receive()
    assert count_undelivered(tree, "bob", marks=bob.history.marks) == 0


def test_reading_people_does_not_change_their_file(tmp_path: Path) -> None:
    tree = filled_tree(tmp_path)
    path = tree.mail_file("bob", "operator")
    before = path.read_bytes()
    assert len(read_operator_file(path, (0, 0, ""), to="bob").entries) == 1
    assert path.read_bytes() == before
