"""Where the end of a long chained file begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from state_layout.files import tail
from state_layout.files.chain import ORIGIN
from state_layout.files.journal import Journal, Reader
from state_layout.files.reading import LARGEST_RECORD_BYTES
from state_layout.files.tail import before, last_text, near_end

LINES = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = Journal.create(tmp_path / "journal.jsonl")
    for number in range(LINES):
        journal.append("note", {"text": "x" * number})
    journal.close()
    return journal.path


@pytest.mark.parametrize("lines", [1, 2, 7, 50])
def test_last_lines_come_and_their_chain_is_checked(
    path: Path, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "FIRST_BYTES", 64)
    reader = Reader(path, near_end(path, lines=lines))
    assert [line.seq for line in reader] == list(range(LINES + 1))[-lines:]
    assert reader.damage is None


@pytest.mark.parametrize("lines", [LINES, LINES + 1, 10 * LINES])
def test_short_file_is_read_from_its_beginning(path: Path, lines: int) -> None:
    assert near_end(path, lines=lines) == ORIGIN


def test_line_being_written_is_no_line_yet(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"seq":201,"at')
    assert [line.seq for line in Reader(path, near_end(path, lines=3))] == [198, 199, 200]


@pytest.mark.parametrize("data", [b"", b"\n" * 50_000, b"{}\n" * 50_000, b"\0" * 50_000])
def test_file_that_is_not_chained_is_read_from_its_beginning(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)
    assert near_end(path, lines=3) == ORIGIN


def test_missing_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    assert near_end(tmp_path / "none", lines=3) == ORIGIN


@pytest.mark.parametrize("seq", [1, 2, 90, LINES, LINES + 1, 10 * LINES])
def test_line_is_found_by_halving(path: Path, seq: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_NEAR_BYTES", 1000)
    place = before(path, seq)
    assert place.seq < seq and place.offset >= 0
    numbers = [line.seq for line in Reader(path, place)]
    assert numbers == [*range(place.seq + 1, LINES + 1)]
    assert min(seq, LINES) - place.seq < 20 or seq < 20


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"x" * 5000, b"{}\n" * 2000])
def test_what_is_no_chained_file_is_read_from_its_beginning(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "_NEAR_BYTES", 1000)
    (tmp_path / "f").write_bytes(data)
    assert before(tmp_path / "f", 7) == ORIGIN
    assert before(tmp_path / "none", 7) == ORIGIN


def test_last_text_of_a_file_larger_than_any_record(tmp_path: Path) -> None:
    """As the standard error of a program that wrote for days: its end tells why it ended."""
    path = tmp_path / "stderr.log"
    with path.open("wb") as log:
        log.truncate(LARGEST_RECORD_BYTES + 1)
        log.seek(0, 2)
        log.write(b"\nquota is used up\n")
    assert last_text(path, most_bytes=1 << 16).splitlines()[-1] == "quota is used up"
    assert last_text(path, most_bytes=9) == " used up\n"


def test_last_text_of_a_short_file_is_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "stderr.log"
    path.write_bytes(b"one\ntw\xff")
    assert last_text(path, most_bytes=1 << 16) == "one\ntw\ufffd"
