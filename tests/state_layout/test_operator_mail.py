"""People's mail: anything a person does to the file, nothing lost, nothing doubled, nothing fatal."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import make_tree

from state_layout.errors import BadInput, StorageError, StorageFull
from state_layout.files import codec, disk
from state_layout.lives.history import Mark
from state_layout.mail import operator_mail
from state_layout.mail.inbox import Inbox
from state_layout.mail.operator_mail import append_operator_message, read_operator_file
from state_layout.paths import Tree

START: Mark = (0, 0, "")


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree", "bob")


@pytest.fixture
def path(tree: Tree) -> Path:
    tree.mail_box("bob").mkdir(parents=True)
    return tree.mail_file("bob", "operator")


def read(path: Path, mark: Mark = START) -> tuple[list[str | None], list[str], Mark]:
    """Texts, problems and the mark after them."""
    news = read_operator_file(path, mark, to="bob")
    texts = [entry.message.text for entry in news.entries if entry.message]
    return texts, [entry.problem for entry in news.entries if entry.problem], news.mark


def test_lines_of_a_shell_are_messages(path: Path) -> None:
    subprocess.run(
        ["sh", "-c", 'echo \'{"text":"focus on auth"}\' >> "$1"', "sh", path], check=True, timeout=20
    )
    news = read_operator_file(path, START, to="bob")
    [entry] = news.entries
    assert entry.message is not None
    assert (entry.message.sender, entry.message.to, entry.message.seq) == ("operator", "bob", 1)
    assert (entry.message.type, entry.message.text, entry.message.at) == ("info", "focus on auth", "")


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"", []),
        (b"\n\n  \n\r\n", []),
        (b'{"text":"a"}\n\n\n{"text":"b"}\n', ["a", "b"]),
        (b'{"text":"a"}', ["a"]),
        (b'{"text":"a"}\r\n{"text":"b"}\r\n', ["a", "b"]),
        (b'  {"text":"a"}  \n', ["a"]),
        (b'{"text":"a"}{"text":"b"}\n', ["a", "b"]),
        (b'{"text":"a"} {"text":"b"}{"text":"c"}', ["a", "b", "c"]),
        (b'{"text":"}{"}\n', ["}{"]),
        (b'{"text":"}{"}{"text":"} {"}\n', ["}{", "} {"]),
        (b'{"text":"a","type":null,"reply_to":null,"at":null}\n', ["a"]),
        (b'{"body":{"x":1}}\n', [None]),
        ('{"text":"ü\u2028"}\n'.encode(), ["ü\u2028"]),
        (b'{"text":"a","more":[1]}\n', ["a"]),
    ],
)
def test_what_people_write_is_tolerated(content: bytes, texts: list[str | None], path: Path) -> None:
    path.write_bytes(content)
    assert read(path)[:2] == (texts, [])
    assert read(path, read(path)[2])[:2] == ([], [])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"focus on auth", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'{"text":"stop","text":"go on"}', "a key is there twice"),
        (b'{"text":"a","body":{"to":1,"to":2}}', "a key is there twice"),
        (b"{'text': 'single quotes'}", "not a JSON object"),
        (b'{"text":"a"} and more', "not a JSON object"),
        (b'{"text":"\xff"}', "not a JSON object"),
        (b'{"text":3}', "'text' is no text"),
        (b'{"text":"a","type":"shout"}', "'type' is 'shout'; use one of info, request"),
        (b'{"text":"a","type":7}', "'type' is no text"),
        (b'{"message":"a"}', "has no 'text' and no 'body'"),
        (b'{"text":null}', "has no 'text' and no 'body'"),
        (b"{" * 5000, "not a JSON object"),
        (b"}{" * 5000, "not a JSON object"),
        (b"\0\0\0", "not a JSON object"),
    ],
)
def test_bad_line_is_reported_with_its_number_and_skipped(line: bytes, problem: str, path: Path) -> None:
    path.write_bytes(b'\n{"text":"before"}\n' + line + b'\n{"text":"after"}\n')
    texts, problems, mark = read(path)
    assert texts == ["before", "after"]
    [found] = problems
    assert found.startswith("3: ")
    assert problem in found
    assert found.endswith("; skipped")
    assert read(path, mark)[:2] == ([], [])


def test_unfinished_line_is_waited_for(path: Path) -> None:
    path.write_bytes(b'{"text":"a"}\n{"text":"b')
    texts, problems, mark = read(path)
    assert (texts, problems) == (["a"], [])
    with path.open("ab") as file:
        file.write(b'ee"}\n')
    assert read(path, mark)[:2] == (["bee"], [])


def test_line_without_its_feed_is_read_once_whatever_follows(path: Path) -> None:
    for following in (b'\n{"text":"b"}\n', b'{"text":"b"}\n', b'\n\n{"text":"b"}'):
        path.write_bytes(b'{"text":"a"}')
        texts, _, mark = read(path)
        assert texts == ["a"]
        with path.open("ab") as file:
            file.write(following)
        assert read(path, mark)[:2] == (["b"], [])


@pytest.mark.parametrize(
    ("edited", "texts"),
    [
        (b'{"text":"c"}\n', ["c"]),
        (b'{"text":"b"}\n{"text":"c"}\n', ["c"]),
        (b'{"text":"zero"}\n{"text":"a"}\n{"text":"b"}\n{"text":"c"}\n', ["c"]),
        (b'{"text": "a"}\n{"text": "b"}\n{"text": "c"}\n', ["c"]),
        (b'\n\n{"text":"a"}\n\n{"text":"b"}\n{"text":"c"}\n', ["c"]),
        (b'{"text":"a"}\n{"text":"b"}\n', []),
        (b"", []),
    ],
)
def test_edit_of_what_was_read_neither_doubles_nor_loses(edited: bytes, texts: list[str], path: Path) -> None:
    path.write_bytes(b'{"text":"a"}\n{"text":"b"}\n')
    mark = read(path)[2]
    path.write_bytes(edited)
    assert read(path, mark)[0] == texts


@pytest.mark.parametrize(
    "anew",
    [
        [b'{"text":"x"}\n'],
        [b'{"text":"a longer one than all that was there before"}\n'],
        [b'{"text":"x"}\n{"text":"y"}\n{"text":"z"}'],
        [b'{"t":"x"}\n', b'{"text":"y"}\n'],
        [b"", b'{"text":"x"}\n{"text":"y"}\n{"text":"z"}\n{"text":"4"}\n{"text":"5"}\n'],
    ],
)
def test_a_file_that_was_begun_anew_is_read_from_its_beginning(anew: list[bytes], path: Path) -> None:
    path.write_bytes(b'{"text":"a"}\n{"text":"b"}\n{"text":"c"}\n')
    got, _, mark = read(path)
    wanted = [*got]
    for data in anew:
        path.write_bytes(data)
        texts, _, mark = read(path, mark)
        got += texts
        wanted += [codec.decode(line).get("text") for line in data.splitlines()]
    with path.open("ab") as file:
        file.write(b'{"text":"last"}\n')
    got += read(path, mark)[0]
    assert got == [*filter(None, wanted), "last"]


def test_a_file_that_an_editor_empties_and_writes_again_is_no_new_one(path: Path) -> None:
    path.write_bytes(b'{"text":"a"}\n{"text":"b"}\n')
    mark = read(path)[2]
    for data in (b"", b"\n", b'{"text":"b"}\n{"text":"c"}\n'):
        path.write_bytes(data)
        texts, _, mark = read(path, mark)
    assert texts == ["c"]


def test_edit_is_told_once_and_numbers_go_on(tree: Tree, path: Path) -> None:
    path.write_bytes(b'{"text":"a"}\n{"text":"b"}\n')
    inbox = Inbox(tree, "bob", marks={})
    inbox.fetch()
    path.write_bytes(b'{"text":"b"}\n{"text":"c"}\n')
    messages, marks = inbox.fetch()
    assert [(message.text, message.seq) for message in messages] == [("c", 3)]
    assert marks["bob/operator"][0] == 3
    assert inbox.notes == ["mail/bob/operator.jsonl: edited before byte 26; going on after what was read"]
    assert inbox.fetch() == ([], {})


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=6),
    st.lists(st.sampled_from(["\n", "", "\n\n", " \n"]), min_size=6, max_size=6),
    st.lists(st.integers(0, 200), max_size=4),
)
def test_growing_file_gives_each_message_once(texts: list[str], ends: list[str], cuts: list[int]) -> None:
    from tempfile import TemporaryDirectory

    parts = [codec.encode({"text": text}) + end.encode() for text, end in zip(texts, ends, strict=False)]
    whole = b"".join(parts)
    with TemporaryDirectory() as folder:
        path, mark, got = Path(folder) / "operator.jsonl", START, list[str | None]()
        for cut in [*sorted(cuts), len(whole)]:
            path.write_bytes(whole[:cut])
            found, problems, mark = read(path, mark)
            assert problems == []
            got += found
        assert got == texts[: len(parts)]


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling link"])
def test_what_is_no_file_is_told_not_waited_for(kind: str, path: Path) -> None:
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.symlink_to("nowhere")
    news = read_operator_file(path, START, to="bob")
    assert news.entries == []
    assert news.problem


def test_file_too_large_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_mail, "LARGEST_BYTES", 10)
    path.write_bytes(b'{"text":"long"}\n')
    assert "keep it below 10" in (read_operator_file(path, START, to="bob").problem or "")


def test_missing_file_has_nothing(path: Path) -> None:
    assert read(path) == ([], [], START)
    assert read(path, (3, 40, "abc"))[2] == (3, 40, "abc")


# -- writing


def test_written_message_is_read_as_it_was_meant(tree: Tree) -> None:
    append_operator_message(
        tree, "bob", text="go", body={"x": 1}, type="request", reply_to="bob/operator/1", now=lambda: "T"
    )
    [entry] = read_operator_file(tree.mail_file("bob", "operator"), START, to="bob").entries
    message = entry.message
    assert message is not None
    assert (message.text, message.body, message.type) == ("go", {"x": 1}, "request")
    assert (message.reply_to, message.at) == ("bob/operator/1", "T")


def test_written_message_is_durable_with_its_names(tree: Tree) -> None:
    seen: list[str] = []

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if isinstance(arguments[0], int):
            seen.append(f"{name} {Path(f'/proc/self/fd/{arguments[0]}').readlink().name}")

    disk.tap(tap)
    append_operator_message(tree, "bob", text="go")
    assert seen[-4:] == ["write operator.jsonl", "fdatasync operator.jsonl", "fsync bob", "fsync mail"]


@pytest.mark.parametrize("before", [b'{"text":"a"}', b'{"text":"a"}\n', b'{"text":"tor', b""])
def test_written_message_has_a_line_of_its_own(before: bytes, tree: Tree, path: Path) -> None:
    path.write_bytes(before)
    append_operator_message(tree, "bob", text="mine")
    texts, problems, _ = read(path)
    assert texts[-1] == "mine"
    assert len(problems) == (b"tor" in before)


def test_many_writers_at_once_lose_nothing(tree: Tree) -> None:
    def work(number: int) -> None:
        for count in range(20):
            append_operator_message(tree, "bob", text=f"{number}-{count}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts, problems, _ = read(tree.mail_file("bob", "operator"))
    assert problems == []
    assert len(set(texts)) == 120
    for number in range(6):
        mine = [text for text in texts if text and text.startswith(f"{number}-")]
        assert mine == [f"{number}-{count}" for count in range(20)]


def test_refused_messages_write_nothing(tree: Tree) -> None:
    for to, more, problem in (
        ("nobody", {"text": "x"}, "no such agent"),
        ("../bob", {"text": "x"}, "no such agent"),
        ("bob", {"text": "x", "type": "shout"}, "'type' is 'shout'; use one of"),
        ("bob", {}, "needs a text or a body"),
    ):
        with pytest.raises(BadInput, match=problem):
            append_operator_message(tree, to, **more)
    assert not tree.mail.exists()


def test_full_disk_leaves_no_part_of_a_line(tree: Tree, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_operator_message(tree, "bob", text="first")
    before = path.read_bytes()
    real, calls = os.write, [0]

    def write(descriptor: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:5])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(StorageFull):
            append_operator_message(tree, "bob", text="lost")
    assert path.read_bytes() == before
    append_operator_message(tree, "bob", text="second")
    assert read(path)[0] == ["first", "second"]


def test_failed_sync_is_told(tree: Tree) -> None:
    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name == "fdatasync":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk.tap(tap)
    with pytest.raises(StorageError, match="cannot append: Input/output error"):
        append_operator_message(tree, "bob", text="perhaps")
