"""An agent's whole life, stopped at every disk operation, by a kill and by a loss of power.

After each, the next lives must find everything that was acknowledged, and every message must arrive once and
in order. What is acknowledged is told to a ledger outside of what crashes.
"""

from __future__ import annotations

import json
import os
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from crashing import POWER_LOSSES, Loss, at_each_crash, crash, memory_folder
from lives import Life, all_mail, make_tree, texts

from state_layout.files import atomic, disk
from state_layout.lives.attempts import all_lines, list_attempts, read_exit, recall, seal_exit
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12; no thread of ours


class Ledger:
    """Keeps what was acknowledged where no crash of the tests reaches."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def tell(self, what: str, value: object) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, json.dumps([what, value]).encode() + b"\n")
        os.close(descriptor)

    def told(self, what: str) -> list[Any]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [value for key, value in map(json.loads, lines) if key == what]


def sender_life(tree: Tree, ledger: Ledger) -> None:
    life = Life(tree, "alice")
    ledger.tell("begun", life.attempt.number)
    for number in range(len(ledger.told("step")), len(ledger.told("step")) + 2):
        life.step(f"{number}", ("bob", f"m{number}"), ("all", f"b{number}"), result=number)
        ledger.tell("step", number)
    life.checkpoint()
    number = len(ledger.told("step"))
    life.step(f"{number}", ("bob", f"m{number}"), result=number)
    ledger.tell("step", number)
    life.checkpoint()
    seal_exit(tree, "alice", life.attempt.number, by="agent", reason="parked")
    ledger.tell("sealed", life.attempt.number)
    life.die()


def reader_life(tree: Tree, ledger: Ledger) -> None:
    life = Life(tree, "bob")
    got = texts(life.receive(limit=2))
    ledger.tell("got", got)
    life.checkpoint()
    ledger.tell("got", texts(life.receive()))
    life.die()


def act(folder: Path) -> None:
    tree, ledger = make_tree(folder / "tree", "alice", "bob"), Ledger(folder / "ledger")
    sender_life(tree, ledger)
    append_operator_message(tree, "bob", text="from a person")
    ledger.tell("person", "from a person")
    reader_life(tree, ledger)
    sender_life(tree, ledger)
    reader_life(tree, ledger)


def check_promises(tree: Tree, ledger: Ledger) -> None:
    recalled = recall(tree, "alice")
    steps = recalled.history.steps.get("t#1", {})
    acknowledged = ledger.told("step")
    assert [steps[str(number)] for number in acknowledged] == acknowledged
    assert max(list_attempts(tree.agent("alice")), default=0) >= len(ledger.told("begun"))
    for attempt in ledger.told("sealed"):
        found = read_exit(tree, "alice", attempt)
        assert found is not None
        assert found["reason"] == "parked"


def check_next_lives(tree: Tree, ledger: Ledger) -> None:
    """Start both again and see every message arrive once, in order."""
    alice = Life(tree, "alice")
    expected: dict[str, list[str]] = {"bob": [], "all": []}
    for line in all_lines(tree, "alice"):
        for message in line.fields().get("sent", ()):
            expected[message["to"]].append(message["text"])
    bob = Life(tree, "bob")
    before = [text for result in bob.history.steps.get("t#1", {}).values() for text in result]
    after = texts(bob.receive())
    read = [text for text in [*before, *after] if text]
    assert [text for text in read if text.startswith("m")] == expected["bob"]
    assert [text for text in read if text.startswith("b")] == expected["all"]
    people = [text for text in read if text.startswith("from a person")]
    assert len(people) <= 1
    assert len(people) >= len(ledger.told("person"))
    acknowledged = [text for got in ledger.told("got") for text in got]
    assert set(acknowledged) <= set(before)
    alice.step("last", ("bob", "m-last"))
    assert texts(bob.receive()) == ["m-last"]
    assert texts(bob.receive()) == []
    assert recall(tree, "bob").history.marks == bob.history.marks
    alice.die()
    bob.die()
    assert texts(all_mail(tree, "bob", marks=recall(tree, "bob").history.marks)) == []


LOSSES = pytest.mark.parametrize(
    "loss", [None, *POWER_LOSSES], ids=lambda loss: loss.__name__ if loss else "kill"
)


@LOSSES
def test_lives_stopped_at_every_operation_keep_their_promises(loss: Loss | None) -> None:
    def check(folder: Path) -> None:
        tree, ledger = make_tree(folder / "tree", "alice", "bob"), Ledger(folder / "ledger")
        check_promises(tree, ledger)
        check_next_lives(tree, ledger)

    assert at_each_crash(act, check, loss=loss) > 60


@pytest.mark.parametrize("loss", POWER_LOSSES, ids=lambda loss: loss.__name__)
def test_what_a_killed_life_had_not_synced_is_synced_before_it_is_continued(loss: Loss) -> None:
    """Killed between write and sync: its successor reads the line, so power may no longer take it."""

    def unsynced(tree: Tree) -> None:
        life = Life(tree, "alice")
        life.journal.record("step", {"task": "t", "run": 1, "key": "k", "result": 1})

    def successor(tree: Tree, ledger: Ledger) -> None:
        life = Life(tree, "alice")
        ledger.tell("steps", life.history.steps)
        life.step("next", result=2)
        ledger.tell("steps", life.history.steps)

    for at in count(1):
        with memory_folder() as folder:
            tree, ledger = make_tree(folder / "tree", "alice"), Ledger(folder / "ledger")
            killed = crash(partial(unsynced, tree), at=None)
            stopped = crash(partial(successor, tree, ledger), at=at, earlier=killed)
            if stopped is None:
                break
            loss(stopped)
            for steps in ledger.told("steps"):
                assert recall(tree, "alice").history.steps["t#1"].items() >= steps["t#1"].items()
    assert at > 5


@pytest.mark.parametrize("loss", POWER_LOSSES, ids=lambda loss: loss.__name__)
def test_file_that_a_person_made_by_hand_is_there_once_it_was_acted_upon(loss: Loss) -> None:
    """`echo '{"text":...}' >> operator.jsonl`: its reader synced the line, but not the name of a new file."""

    def echo_and_read(tree: Tree, ledger: Ledger) -> None:
        echo(tree)
        ledger.tell("got", texts(Life(tree, "bob").receive()))

    with memory_folder() as folder:
        tree, ledger = make_tree(folder / "tree", "bob"), Ledger(folder / "ledger")
        atomic.make_folder(tree.mail_box("bob"))
        stopped = crash(partial(echo_and_read, tree, ledger), at=None)
        assert stopped is not None
        loss(stopped)
        assert ledger.told("got") == [["by hand"]]
        assert tree.mail_file("bob", "operator").read_bytes() == b'{"text":"by hand"}\n'


@pytest.mark.parametrize("loss", POWER_LOSSES, ids=lambda loss: loss.__name__)
def test_message_sent_after_one_by_hand_is_there(loss: Loss) -> None:
    """The file was there, made by `echo >>`, so its name was taken for durable."""

    def echo_and_send(tree: Tree) -> None:
        echo(tree)
        append_operator_message(tree, "bob", text="sent")

    with memory_folder() as folder:
        tree = make_tree(folder / "tree", "bob")
        atomic.make_folder(tree.mail_box("bob"))
        stopped = crash(partial(echo_and_send, tree), at=None)
        assert stopped is not None
        loss(stopped)
        assert b'"text":"sent"' in tree.mail_file("bob", "operator").read_bytes()


def echo(tree: Tree) -> None:
    """Do what `echo '{"text":"by hand"}' >> mail/bob/operator.jsonl` does: it syncs nothing."""
    path = tree.mail_file("bob", "operator")
    descriptor = disk.create(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    disk.write(descriptor, b'{"text":"by hand"}\n')
    os.close(descriptor)
