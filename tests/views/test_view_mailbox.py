"""Messages as people look at them."""

from __future__ import annotations

from view_trees import MakeTree

from maos_sup.views.mailbox import Mailbox
from state_layout.files.journal import Journal
from state_layout.mail import append_operator_message
from state_layout.paths import Tree


def mail(tree: Tree, sender: str, to: str, *texts: str) -> None:
    path = tree.mail_file(to, sender)
    journal = Journal.open(path)
    for text in texts:
        journal.commit("info", {"attempt": 1, "from": sender, "to": to, "text": text})
    journal.close()


def test_messages_come_by_time_and_once(make_tree: MakeTree) -> None:
    tree = make_tree()
    mail(tree, "a0", "a1", "one")
    mailbox = Mailbox(tree)
    mail(tree, "a1", "all", "two")
    append_operator_message(tree, "a0", text="three")
    assert [message["text"] for message in mailbox.read()] == ["one", "two", "three"]
    mail(tree, "a0", "a1", "four")
    assert [message["text"] for message in mailbox.read()] == ["four"]
    assert mailbox.read() == []


def test_messages_are_filtered(make_tree: MakeTree) -> None:
    tree = make_tree()
    mail(tree, "a0", "a1", "one")
    mail(tree, "a1", "a0", "two")
    append_operator_message(tree, "a0", text="three", type="request")
    assert [message["text"] for message in Mailbox(tree, sender="a1").read()] == ["two"]
    assert [message["text"] for message in Mailbox(tree, to="a1").read()] == ["one"]
    assert [message["text"] for message in Mailbox(tree, type_="request").read()] == ["three"]
    assert Mailbox(tree, since="2999-01-01T00:00:00Z").read() == []


def test_bad_line_of_a_person_is_noted_and_the_rest_shown(make_tree: MakeTree) -> None:
    tree = make_tree()
    path = tree.mail_file("a0", "operator")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"text":"one"}\n\nnot json\n{"text":"two"}\n')
    mailbox = Mailbox(tree)
    assert [message["text"] for message in mailbox.read()] == ["one", "two"]
    assert len(mailbox.notes) == 1
    assert "mail/a0/operator.jsonl:3" in mailbox.notes[0]


def test_newest_are_the_last_of_all_and_the_rest_follows(make_tree: MakeTree) -> None:
    tree = make_tree()
    for number in range(40):
        mail(tree, "a0", "a1", f"{number} to a1 {'x' * 600}")
        mail(tree, "a1", "a0", f"{number} to a0 {'x' * 600}")
    append_operator_message(tree, "a0", text="from a person")
    mailbox = Mailbox(tree, newest=5)
    assert mailbox.read() == Mailbox(tree).read()[-5:]
    assert mailbox.notes == []
    mail(tree, "a0", "a1", "one", "two", "three", "four", "five", "six")
    assert len(mailbox.read()) == 6


def test_newest_of_a_type_are_found_however_old(make_tree: MakeTree) -> None:
    tree = make_tree()
    append_operator_message(tree, "a0", text="asked", type="request")
    mail(tree, "a0", "a1", *[str(number) for number in range(50)])
    assert [message["text"] for message in Mailbox(tree, type_="request", newest=1).read()] == ["asked"]


def test_newest_do_not_read_what_stands_before_them(make_tree: MakeTree) -> None:
    tree = make_tree()
    mail(tree, "a0", "a1", *[f"{number} {'x' * 600}" for number in range(100)])
    path = tree.mail_file("a1", "a0")
    path.write_bytes(b"?" + path.read_bytes()[1:])  # nobody could read on from here
    found = Mailbox(tree, newest=3).read()
    assert [message["text"].split()[0] for message in found] == ["97", "98", "99"]
