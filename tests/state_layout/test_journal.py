"""Journals: what is appended is read, what is acknowledged stays, an error stops the writer."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from state_layout.errors import StorageError, StorageFull
from state_layout.files import disk
from state_layout.files.chain import Position
from state_layout.files.journal import Journal, Reader


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)
    disk.guard(None)


def failing(operation: str, code: int, *, times: int = 1, after: int = 0) -> Callable[[], int]:
    """Make the next `times` calls of `operation` fail, after `after` that do not; tells how many did."""
    seen = [0]

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name == operation:
            seen[0] += 1
            if after < seen[0] <= after + times:
                raise OSError(code, os.strerror(code))

    disk.tap(tap)
    return lambda: max(0, seen[0] - after)


def journal_of(path: Path, count: int) -> Journal:
    journal = Journal.create(path)
    for number in range(1, count + 1):
        journal.commit("note", {"text": f"line {number}"})
    return journal


def notes(path: Path) -> list[str]:
    return [line.fields()["text"] for line in Reader(path)]


# -- writing and reading


def test_lines_are_read_in_order(tmp_path: Path) -> None:
    journal_of(tmp_path / "j", 3)
    reader = Reader(tmp_path / "j")
    lines = reader.read()
    assert [line.seq for line in lines] == [1, 2, 3]
    assert [line.fields()["text"] for line in lines] == ["line 1", "line 2", "line 3"]
    assert reader.damage is None
    assert reader.position == Position(3, (tmp_path / "j").stat().st_size, lines[-1].end.h)


def test_reader_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 1)
    reader = Reader(tmp_path / "j")
    assert len(reader.read()) == 1
    assert reader.read() == []
    journal.append("note", {"text": "more"})
    assert [line.fields()["text"] for line in reader.read()] == ["more"]


def test_missing_file_has_no_lines(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "none")
    assert reader.read() == []
    assert reader.damage is None


def test_lines_longer_than_what_is_read_at_once_are_whole(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j")
    texts = [letter * 5_000_000 for letter in "abc"] + ["short"]
    for text in texts:
        journal.append("note", {"text": text})
    assert notes(tmp_path / "j") == texts


def test_reader_left_in_the_middle_goes_on_there(tmp_path: Path) -> None:
    journal_of(tmp_path / "j", 5)
    reader = Reader(tmp_path / "j")
    for line in reader:
        if line.seq == 2:
            break
    assert [line.seq for line in reader.read()] == [3, 4, 5]


@pytest.mark.parametrize("harm", ["none", "gap", "torn", "middle"])
def test_lines_read_in_bulk_are_those_read_one_by_one(tmp_path: Path, harm: str) -> None:
    journal = journal_of(tmp_path / "j", 3)
    if harm == "gap":
        journal.append("note", {"text": "far"}, seq=9)
    journal.append("note", {"text": "last"})
    data = journal.path.read_bytes()
    if harm == "torn":
        journal.path.write_bytes(data[:-5])
    if harm == "middle":
        journal.path.write_bytes(data.replace(b"line 2", b"line 7"))
    single, bulk = Reader(journal.path), Reader(journal.path)
    assert [line for run in bulk.runs() for line in run.lines()] == [*single]
    assert (bulk.position, bulk.damage) == (single.position, single.damage)
    assert [*bulk.runs()] == [*single] == []


def test_first_seq_of_a_new_file_is_given(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", first_seq=42)
    assert journal.append("note", {}).seq == 42
    assert [line.seq for line in Reader(tmp_path / "j")] == [42]


def test_seq_may_leave_gaps_but_never_falls(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 2)
    assert journal.append("note", {}, seq=7).seq == 7
    for seq in (7, 3):
        with pytest.raises(ValueError, match=f"seq {seq} cannot follow 7"):
            journal.append("note", {}, seq=seq)
    assert journal.append("note", {}).seq == 8


@pytest.mark.parametrize("key", ["seq", "at", "type", "h"])
def test_keys_that_every_line_has_are_refused_in_fields(key: str, tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 1)
    with pytest.raises(ValueError, match="not for fields"):
        journal.append("note", {key: 1})
    assert journal.append("note", {}).seq == 2


def test_value_without_json_form_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 1)
    before = (tmp_path / "j").read_bytes()
    for value in (float("nan"), {1, 2}, 2**70):
        with pytest.raises(TypeError):
            journal.append("note", {"value": value})
    assert (tmp_path / "j").read_bytes() == before
    journal.append("note", {"text": "goes on"})
    assert notes(tmp_path / "j") == ["line 1", "goes on"]


def test_stamp_stands_in_every_line_after_at(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", now=lambda: "T")
    journal.stamp = {"attempt": 3}
    journal.append("note", {})
    assert (tmp_path / "j").read_bytes().startswith(b'{"seq":1,"at":"T","attempt":3,"synced":0,"type":"note"')


def test_new_file_is_refused_where_one_is(tmp_path: Path) -> None:
    journal_of(tmp_path / "j", 1)
    with pytest.raises(StorageError, match="cannot create"):
        Journal.create(tmp_path / "j")


def test_position_that_no_longer_stands_is_seen(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 2)
    reader = Reader(tmp_path / "j", journal.position)
    assert reader.stands()
    assert reader.read() == []
    assert not reader.is_displaced
    journal_of(tmp_path / "other", 1)
    (tmp_path / "other").replace(tmp_path / "j")
    assert not reader.stands()
    assert reader.read() == []
    assert reader.is_displaced


def test_replaced_or_removed_file_is_not_in_place(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 1)
    assert journal.is_in_place()
    (tmp_path / "copy").write_bytes((tmp_path / "j").read_bytes())
    (tmp_path / "copy").replace(tmp_path / "j")
    assert not journal.is_in_place()
    (tmp_path / "j").unlink()
    assert not journal.is_in_place()


def test_file_that_was_moved_and_linked_to_is_not_in_place(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 1)
    (tmp_path / "j").rename(tmp_path / "elsewhere")
    (tmp_path / "j").symlink_to("elsewhere")
    assert not journal.is_in_place()


def test_file_whose_folder_became_something_else_is_not_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    journal = journal_of(folder / "j", 1)
    folder.rename(tmp_path / "elsewhere")
    folder.touch()
    assert not journal.is_in_place()


def test_link_in_the_place_of_a_file_is_called_just_that(tmp_path: Path) -> None:
    journal_of(tmp_path / "elsewhere", 1)
    (tmp_path / "j").symlink_to("elsewhere")
    with pytest.raises(StorageError, match=r"it is a symbolic link; put the file itself there$"):
        Journal.open(tmp_path / "j")


# -- durability


def test_commit_is_one_write_then_one_sync(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 1)
    seen: list[str] = []
    disk.tap(lambda name, arguments: seen.append(name))
    journal.commit("note", {"text": "x"})
    assert seen == ["write", "fdatasync"]


def test_line_says_what_was_synced_before_it(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j")
    for synced in (0, None, None):
        line = journal.record("note", {})
        assert line.fields().get("synced") == synced
    journal.sync()
    assert journal.synced_seq == 3
    assert journal.record("note", {}).fields()["synced"] == 3


def test_sync_of_what_is_durable_costs_nothing(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 3)
    seen: list[str] = []
    disk.tap(lambda name, arguments: seen.append(name))
    journal.sync()
    journal.sync(2)
    assert seen == []


def test_threads_share_syncs_and_lose_nothing(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j")
    syncs = [0]
    acknowledged: list[int] = []

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        syncs[0] += name == "fdatasync"

    disk.tap(tap)

    def work(number: int) -> None:
        for count in range(50):
            position = journal.commit("note", {"text": f"{number}-{count}"})
            assert journal.synced_seq >= position.seq
            acknowledged.append(position.seq)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(acknowledged) == list(range(1, 401))
    assert len(notes(tmp_path / "j")) == 400
    assert syncs[0] <= 400


# -- what goes wrong while writing


def test_full_disk_leaves_the_file_as_before_and_it_goes_on_later(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 2)
    before = (tmp_path / "j").read_bytes()
    failing("write", errno.ENOSPC)
    with pytest.raises(StorageFull, match="no space left"):
        journal.append("note", {"text": "lost"})
    assert (tmp_path / "j").read_bytes() == before
    journal.commit("note", {"text": "again"})
    assert notes(tmp_path / "j") == ["line 1", "line 2", "again"]


def short_writes(monkeypatch: pytest.MonkeyPatch, most: int, *, full_after: int | None = None) -> None:
    """Let the system write at most `most` bytes a call, and none after `full_after` calls."""
    real, calls = os.write, [0]

    def write(descriptor: int, data: bytes) -> int:
        calls[0] += 1
        if full_after is not None and calls[0] > full_after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:most])

    monkeypatch.setattr(os, "write", write)


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.create(tmp_path / "j")
    short_writes(monkeypatch, 7)
    journal.commit("note", {"text": "whole all the same"})
    assert notes(tmp_path / "j") == ["whole all the same"]


def test_disk_that_fills_within_a_line_cuts_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_of(tmp_path / "j", 1)
    with monkeypatch.context() as patch:
        short_writes(patch, 7, full_after=2)
        with pytest.raises(StorageFull):
            journal.append("note", {"text": "torn"})
    journal.commit("note", {"text": "again"})
    assert notes(tmp_path / "j") == ["line 1", "again"]


def test_line_that_cannot_be_cut_back_ends_the_file_for_this_process(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 1)

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name in {"write", "truncate"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    disk.tap(tap)
    with pytest.raises(StorageFull):
        journal.append("note", {"text": "lost"})
    disk.tap(None)
    with pytest.raises(StorageError):
        journal.append("note", {"text": "never"})
    assert notes(tmp_path / "j") == ["line 1"]


@pytest.mark.parametrize("operation", ["write", "fdatasync"])
def test_failed_write_or_sync_poisons_the_journal(operation: str, tmp_path: Path) -> None:
    """fsyncgate: the sync after a failed one reports success over lost pages."""
    journal = journal_of(tmp_path / "j", 2)
    failing(operation, errno.EIO)
    with pytest.raises(StorageError, match="Input/output error"):
        journal.commit("note", {"text": "lost"})
    assert journal.synced_seq == 2
    disk.tap(None)
    for use in (lambda: journal.append("note", {}), lambda: journal.commit("note", {})):
        with pytest.raises(StorageError):
            use()
    if operation == "fdatasync":
        with pytest.raises(StorageError):
            journal.sync()
    assert journal.synced_seq == 2


def test_poisoned_journal_is_told_to_every_waiting_thread(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j")
    failing("fdatasync", errno.EIO)
    errors: list[StorageError] = []

    def work() -> None:
        try:
            journal.commit("note", {})
        except StorageError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 6
    assert journal.synced_seq == 0


def test_open_that_fails_leaks_no_descriptor(tmp_path: Path) -> None:
    journal_of(tmp_path / "j", 1).close()
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - the names only
    failing("fdatasync", errno.EIO)
    with pytest.raises(StorageError, match="cannot open"):
        Journal.open(tmp_path / "j")
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208 - the names only


class Fenced(BaseException):
    """This process may not write any more."""


def test_what_is_opened_where_it_ended_is_looked_at_before_a_line(tmp_path: Path) -> None:
    """Suspended before it opens, a writer that knows the end meets a file that a successor has put there."""
    journal = journal_of(tmp_path / "j", 3)
    journal.sync()
    end = journal.position
    journal.close()
    before = (tmp_path / "j").read_bytes()

    def look() -> None:
        raise Fenced

    disk.guard(look)
    with pytest.raises(Fenced):
        Journal.open(tmp_path / "j", floor=end.seq, known=end).append("line", {})
    assert (tmp_path / "j").read_bytes() == before
