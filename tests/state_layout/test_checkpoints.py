"""Checkpoints: two slots in turn, whole or passed over, never ahead of journal and mail."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from crashing import POWER_LOSSES, Loss, at_each_crash
from lives import Life, make_tree

from state_layout.errors import StorageError
from state_layout.files import atomic, codec, disk
from state_layout.lives.attempts import recall
from state_layout.lives.checkpoints import Slots, decoded, encoded, read_checkpoints
from state_layout.lives.history import History
from state_layout.paths import AttemptPaths

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12; no thread of ours


def write_checkpoint(paths: AttemptPaths, slot: int, *, history: History, at: str) -> None:
    with closing(Slots(paths)) as slots:
        slots.write(slot, history=history, at=at)


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def paths(tmp_path: Path) -> AttemptPaths:
    return AttemptPaths(tmp_path)


def history_of(tokens: int, **more: object) -> History:
    return History(tokens=tokens, state=dict(more))


def test_checkpoint_is_read_as_it_was_written(paths: AttemptPaths) -> None:
    write_checkpoint(paths, 0, history=history_of(1, text="ü", deep={"h": [1, None]}), at="T")
    [found] = read_checkpoints(paths)
    assert found.history == history_of(1, text="ü", deep={"h": [1, None]})
    assert (found.at, found.attempt) == ("T", 0)


def test_file_has_the_form_of_format_md(paths: AttemptPaths, tmp_path: Path) -> None:
    write_checkpoint(paths, 1, history=history_of(1), at="T")
    data = (tmp_path / "checkpoint.1.json").read_bytes()
    assert data.endswith(b"\n")
    value = codec.decode_object(data)
    assert list(value) == ["seq", "at", "h", "attempt", "history", "sha256"]


def test_shorter_checkpoint_leaves_nothing_of_the_longer(paths: AttemptPaths, tmp_path: Path) -> None:
    write_checkpoint(paths, 0, history=history_of(1, text="x" * 9000), at="T")
    write_checkpoint(paths, 0, history=history_of(2), at="T")
    assert (tmp_path / "checkpoint.0.json").stat().st_size == 4096
    assert read_checkpoints(paths)[0].history.tokens == 2


@pytest.mark.parametrize("chars", [0, 1, 3000, 3500, 4096, 9000])
def test_file_is_one_line_and_blanks_up_to_a_block(paths: AttemptPaths, tmp_path: Path, chars: int) -> None:
    for number in range(40):
        write_checkpoint(paths, 0, history=history_of(number, text="x" * (chars + number)), at="T")
        data = (tmp_path / "checkpoint.0.json").read_bytes()
        line, _, rest = data.partition(b"\n")
        assert len(data) % 4096 == 0 and data.endswith(b"\n") and rest.strip() == b""
        assert codec.decode_object(data) == codec.decode_object(line)
        assert read_checkpoints(paths)[0].history.tokens == number


def test_checkpoint_of_before_blanks_is_read_and_overwritten(paths: AttemptPaths, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.0.json"
    path.write_bytes(encoded(history_of(1), at="T"))
    assert read_checkpoints(paths)[0].history.tokens == 1
    write_checkpoint(paths, 0, history=history_of(2), at="T")
    assert read_checkpoints(paths)[0].history.tokens == 2


def test_slot_that_was_removed_under_a_life_is_made_anew(paths: AttemptPaths, tmp_path: Path) -> None:
    slots = Slots(paths)
    for number in range(3):
        slots.write(0, history=history_of(number), at="T")
        assert [found.history.tokens for found in read_checkpoints(paths)] == [number]
        (tmp_path / "checkpoint.0.json").unlink()
    slots.close()
    slots.write(0, history=history_of(3), at="T")
    assert read_checkpoints(paths)[0].history.tokens == 3
    slots.close()


def test_what_follows_the_line_is_of_an_older_one() -> None:
    """Stopped between the write and the cut: the new one stands."""
    found = decoded(encoded(history_of(2), at="T") + b'xx","sha256":"abc"}\n')
    assert found is not None
    assert found.history.tokens == 2


@pytest.mark.parametrize("length", [0, 1, 50, -2, -1])
def test_torn_checkpoint_is_none(length: int) -> None:
    assert decoded(encoded(history_of(2), at="T")[:length]) is None


@pytest.mark.parametrize("place", range(0, 300, 13))
def test_changed_checkpoint_is_none(place: int) -> None:
    data = bytearray(encoded(history_of(2), at="T"))
    data[place] ^= 1
    assert decoded(bytes(data)) is None


def test_whole_file_of_another_form_is_none() -> None:
    from hashlib import sha256

    for body in (b'{"seq":1', b"[1", b'{"seq":1,"at":"T","attempt":1,"history":[]', b'{"a":1'):
        line = body + b',"sha256":"' + sha256(body).hexdigest().encode() + b'"}\n'
        assert decoded(line) is None


def act(folder: Path) -> None:
    """Five checkpoints of falling length, the last two told."""
    paths = AttemptPaths(folder / "a")
    atomic.make_folder(paths.root)
    for number in range(1, 6):
        history = history_of(number, text="x" * (5000 - 900 * number))
        history.position = history.position._replace(seq=number)
        write_checkpoint(paths, number % 2, history=history, at="T")
        (folder / "told").write_text(str(number))


@pytest.mark.parametrize("loss", [None, *POWER_LOSSES], ids=lambda loss: loss.__name__ if loss else "kill")
def test_newest_told_checkpoint_stands_wherever_it_stops(loss: Loss | None) -> None:
    def check(folder: Path) -> None:
        told = int((folder / "told").read_text()) if (folder / "told").exists() else 0
        found = [checkpoint.history for checkpoint in read_checkpoints(AttemptPaths(folder / "a"))]
        newest = max((history.tokens for history in found), default=0)
        assert newest >= told - (1 if loss else 0) if told > 1 else newest >= 0
        assert newest >= told or told == newest + 1
        assert all(history.state["text"] == "x" * (5000 - 900 * history.tokens) for history in found)

    assert at_each_crash(act, check, loss=loss) > 15


def test_failed_write_leaves_the_other_slot(paths: AttemptPaths) -> None:
    write_checkpoint(paths, 0, history=history_of(1), at="T")
    for operation in ("pwrite", "fdatasync"):

        def tap(name: str, arguments: tuple[object, ...], failing: str = operation) -> None:
            if name == failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        disk.tap(tap)
        with pytest.raises(StorageError, match=r"checkpoint\.1\.json: cannot write"):
            write_checkpoint(paths, 1, history=history_of(2), at="T")
        disk.tap(None)
        assert 1 in [checkpoint.history.tokens for checkpoint in read_checkpoints(paths)]


# -- the checkpointer of a life


def test_slots_take_turns_and_nothing_new_is_not_written(tmp_path: Path) -> None:
    life = Life(make_tree(tmp_path, "alice"), "alice")
    written = []
    for number in range(3):
        life.step(f"{number}")
        assert life.checkpoint()
        assert not life.checkpoint()
        written.append(sorted(path.name for path in life.attempt.paths.root.glob("checkpoint.*")))
    assert written == [["checkpoint.0.json"], *[["checkpoint.0.json", "checkpoint.1.json"]] * 2]
    assert [found.history.seq for found in read_checkpoints(life.attempt.paths)] == [4, 3]


def test_journal_and_mail_are_synced_before_the_checkpoint(tmp_path: Path) -> None:
    life = Life(make_tree(tmp_path, "alice", "bob"), "alice")
    life.step("a", ("bob", "hello"))
    life.history.take(life.journal.record("progress", {"value": 0.5}))
    seen: list[tuple[str, str]] = []

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if isinstance(arguments[0], int):
            seen.append((name, Path(f"/proc/self/fd/{arguments[0]}").readlink().name))

    disk.tap(tap)
    assert life.checkpoint()
    assert seen[:4] == [
        ("fdatasync", "journal.jsonl"),
        ("fdatasync", "alice.jsonl"),
        ("pwrite", "checkpoint.0.json"),
        ("fdatasync", "checkpoint.0.json"),
    ]
    assert life.history.unmailed == []


def test_no_checkpoint_while_mail_waits(tmp_path: Path) -> None:
    """It would let the next life forget a message that is in no mail file."""
    life = Life(make_tree(tmp_path, "alice", "bob"), "alice")
    message = {"text": "hello"}
    life.outbox.plan("bob", message)
    life.history.take(life.journal.record("sent", {"sent": [message]}))
    assert not life.checkpoint()
    life.outbox.deliver([message])
    assert life.checkpoint()


@pytest.mark.parametrize("file", ["journal.jsonl", "alice.jsonl"])
def test_failed_sync_of_what_it_covers_writes_no_checkpoint(file: str, tmp_path: Path) -> None:
    life = Life(make_tree(tmp_path, "alice", "bob"), "alice")
    life.step("a", ("bob", "hello"))
    life.history.take(life.journal.record("progress", {"value": 0.5}))

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name == "fdatasync" and Path(f"/proc/self/fd/{arguments[0]}").readlink().name == file:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk.tap(tap)
    with pytest.raises(StorageError):
        life.checkpoint()
    disk.tap(None)
    assert read_checkpoints(life.attempt.paths) == []
    assert life.history.unmailed != []


def test_life_from_a_checkpoint_is_the_life_from_all_journals(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "alice", "bob")
    for _ in range(3):
        life = Life(tree, "alice")
        life.step(f"a{life.attempt.number}", ("bob", "one"), state={"set": {"n": life.attempt.number}})
        life.checkpoint()
        life.step(f"b{life.attempt.number}", ("bob", "two"))
        life.die()
    with_checkpoints = recall(tree, "alice")
    for path in tree.agent("alice").attempts.glob("*/checkpoint.*"):
        path.unlink()
    without = recall(tree, "alice")
    assert len(with_checkpoints.history.unmailed) == 1
    assert len(without.history.unmailed) == 6
    for history in (with_checkpoints.history, without.history):
        history.unmailed.clear()
        history.mailed.clear()
    assert with_checkpoints == without
