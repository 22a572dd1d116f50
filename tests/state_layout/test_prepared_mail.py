"""Mail lines made while the disk writes the journal, and mail files closed to make room for others."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lives import Life, all_mail, make_tree, texts

from state_layout.errors import StorageFull
from state_layout.files import disk
from state_layout.files.journal import Reader
from state_layout.mail import outbox
from state_layout.paths import Tree


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree", "alice", "bob", "carol")


def fill_disk() -> None:
    """Let every append to mail fail."""

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name == "write" and Path(f"/proc/self/fd/{arguments[0]}").readlink().name == "alice.jsonl":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    disk.tap(tap)


def test_prepared_lines_are_the_same_as_others(tree: Tree) -> None:
    files = []
    for prepares in (False, True):
        life = Life(make_tree(tree.root / str(prepares), "alice", "bob", "carol"), "alice")
        for number in range(3):
            messages = [{"text": f"{number}-{to}"} for to in ("bob", "bob", "carol")]
            for to, message in zip(("bob", "bob", "carol"), messages, strict=True):
                life.outbox.plan(to, message)
            if prepares:
                life.outbox.prepare(messages)
            life.outbox.deliver(messages)
        files.append(
            [life.tree.mail_file(to, "alice").read_bytes().replace(b"2026", b"") for to in ("bob", "carol")]
        )
        lines = [*Reader(life.tree.mail_file("bob", "alice"))]
        assert [line.fields()["text"] for line in lines] == [f"{n}-bob" for n in (0, 0, 1, 1, 2, 2)]
    assert [file.count(b"\n") for file in files[0]] == [file.count(b"\n") for file in files[1]]


def planned(life: Life, *texts: str) -> list[dict[str, object]]:
    messages: list[dict[str, object]] = [{"text": text} for text in texts]
    for message in messages:
        life.outbox.plan("bob", message)
    return messages


def test_prepared_lines_that_no_longer_fit_are_made_again(tree: Tree) -> None:
    life = Life(tree, "alice")
    first, second = planned(life, "one", "two"), planned(life, "three")
    life.outbox.prepare(second)
    life.outbox.deliver(first)
    life.outbox.deliver(second)
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three"]
    third = planned(life, "four")
    life.outbox.prepare(third)
    life.outbox.sync()
    life.outbox.deliver(third)
    assert texts(all_mail(tree, "bob"))[3:] == ["four"]


def test_prepared_line_that_is_never_delivered_is_forgotten(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.outbox.prepare(planned(life, "never journaled"))
    life.outbox.deliver()
    life.step("a", ("bob", "one"))
    assert texts(all_mail(tree, "bob")) == ["one"]


def test_prepared_lines_wait_behind_those_that_could_not_be_appended(tree: Tree) -> None:
    life = Life(tree, "alice")
    life.step("a", ("bob", "one"))
    fill_disk()
    for text in ("two", "three"):
        messages = planned(life, text)
        life.outbox.prepare(messages)
        with pytest.raises(StorageFull):
            life.outbox.deliver(messages)
    disk.tap(None)
    last = planned(life, "four")
    life.outbox.prepare(last)
    life.outbox.deliver(last)
    assert texts(all_mail(tree, "bob")) == ["one", "two", "three", "four"]


def test_more_recipients_than_files_are_kept_open(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_OPEN", 2)
    make_tree(tree.root, *(f"r{number}" for number in range(5)))
    life = Life(tree, "alice")
    for number in range(3):
        life.step(f"{number}", *((f"r{to}", f"{number}-{to}") for to in range(5)))
        messages = [{"text": f"prepared-{to}"} for to in range(5)]
        for to, message in enumerate(messages):
            life.outbox.plan(f"r{to}", message)
        life.outbox.prepare(messages)
        life.outbox.deliver(messages)
    assert life.checkpoint()
    life.die()
    assert Life(tree, "alice").caught_up == 0
    for to in range(5):
        got = texts(all_mail(tree, f"r{to}"))
        assert got == [text for n in range(3) for text in (f"{n}-{to}", f"prepared-{to}")]
