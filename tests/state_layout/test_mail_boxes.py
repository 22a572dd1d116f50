"""Which files a box holds: what is no mail file, or goes while one looks, hides no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from lives import Life, make_tree

from state_layout.mail import read_messages
from state_layout.mail.boxes import files_of
from state_layout.paths import Tree

SENDERS = ("alice", "carol", "dave")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = make_tree(tmp_path / "tree", "bob", *SENDERS)
    for sender in SENDERS:
        Life(tree, sender).step("a", ("bob", f"from {sender}"))
    return tree


def senders_in_box(tree: Tree) -> list[str]:
    return sorted(file.sender for file in files_of(tree, "bob"))


def test_links_that_lead_nowhere_hide_no_mail(tree: Tree) -> None:
    for number in range(40):  # folders are listed in no order: one of them comes before a file
        (tree.mail_box("bob") / f"gone-{number}.jsonl").symlink_to("nowhere")
    assert senders_in_box(tree) == sorted(SENDERS)
    assert sorted(message.sender for message in read_messages(tree)) == sorted(SENDERS)


def test_a_link_to_a_mail_file_is_none(tree: Tree) -> None:
    box = tree.mail_box("bob")
    (box / "erin.jsonl").symlink_to("alice.jsonl")
    assert senders_in_box(tree) == sorted(SENDERS)
    assert len(read_messages(tree)) == len(SENDERS)


def test_a_file_that_goes_while_one_looks_hides_no_other(tree: Tree) -> None:
    box = tree.mail_box("bob")
    for number in range(40):
        (box / f"last-{number}.jsonl").touch()
    found = files_of(tree, "bob")
    seen = {next(found).sender}
    for path in box.glob("last-*.jsonl"):
        path.unlink()
    seen |= {file.sender for file in found}
    assert seen >= {*SENDERS}


def test_a_link_in_peoples_place_is_there_for_who_tells_of_it(tree: Tree) -> None:
    (tree.mail_box("bob") / "notes").write_text('{"text":"hello"}\n')
    (tree.mail_box("bob") / "operator.jsonl").symlink_to("notes")
    assert "operator" in senders_in_box(tree)
