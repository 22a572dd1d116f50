"""Damaged journals: what was never acknowledged is set aside and kept, what was durable is corruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from state_layout.errors import Damaged
from state_layout.files.chain import ORIGIN, Position, chained
from state_layout.files.journal import Journal, Reader, last_position


def journal_of(path: Path, count: int) -> Journal:
    journal = Journal.create(path)
    for number in range(1, count + 1):
        journal.commit("note", {"text": f"line {number}"})
    return journal


def notes(path: Path) -> list[str]:
    return [line.fields()["text"] for line in Reader(path)]


def test_line_being_written_is_no_damage_to_a_reader(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", 1)
    whole = chained(journal.position, {"seq": 2, "type": "note", "text": "slow"}).raw + b"\n"
    reader = Reader(tmp_path / "j")
    with (tmp_path / "j").open("ab") as file:
        file.write(whole[:10])
        file.flush()
        assert [line.seq for line in reader.read()] == [1]
        assert reader.damage is not None
        assert reader.damage.is_partial
        assert reader.damage.is_tail
        file.write(whole[10:])
        file.flush()
    assert [line.seq for line in reader.read()] == [2]
    assert reader.damage is None


TAILS: dict[str, Callable[[bytes], bytes]] = {
    "half a line": lambda line: line[: len(line) // 2],
    "zeros": lambda line: bytes(len(line)),
    "zeros and a line feed": lambda line: bytes(len(line) - 1) + b"\n",
    "garbage lines": lambda line: b"not json\n\n\n{}\n",
    "a hole, then a whole line": lambda line: bytes(len(line)) + b"\n" + line,
    "its own line twice": lambda line: line + line,
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS.keys())
def test_torn_tail_is_set_aside_and_kept(tail: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = journal_of(path, 3)
    line = chained(journal.position, {"seq": 4, "type": "note", "text": "line 4"}).raw + b"\n"
    torn = tail(line)
    whole = 4 if torn.startswith(line) else 3
    with path.open("ab") as file:
        file.write(torn)
    again = Journal.open(path)
    again.commit("note", {"text": "next"})
    assert notes(path) == [f"line {number}" for number in range(1, whole + 1)] + ["next"]
    assert (tmp_path / "j.torn-1").read_bytes() == (torn[len(line) :] if whole == 4 else torn)


def test_each_torn_tail_is_kept_under_its_own_number(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal_of(path, 1).close()
    for number in (1, 2):
        with path.open("ab") as file:
            file.write(b"torn %d" % number)
        Journal.open(path).close()
    assert [(tmp_path / f"j.torn-{number}").read_bytes() for number in (1, 2)] == [b"torn 1", b"torn 2"]


def test_page_lost_below_a_later_unsynced_line_is_tail_damage(tmp_path: Path) -> None:
    """Pages persist out of order: line 3 was lost, 4 and 5 not, none of them was acknowledged."""
    path = tmp_path / "j"
    journal = journal_of(path, 2)
    ends = [journal.append("note", {"text": f"line {number}"}).offset for number in (3, 4, 5)]
    data = bytearray(path.read_bytes())
    start = ends[0] - (ends[1] - ends[0])
    data[start + 10 : ends[0] - 5] = bytes(ends[0] - 5 - start - 10)
    path.write_bytes(data)
    reader = Reader(path)
    assert [line.seq for line in reader.read()] == [1, 2]
    assert reader.damage is not None
    assert reader.damage.is_tail
    assert Journal.open(path).position.seq == 2


@pytest.mark.parametrize("change", ["hand edit", "zeros", "line removed", "lines swapped", "line feed lost"])
def test_change_below_what_was_synced_is_corruption(change: str, tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal_of(path, 4).close()
    lines = path.read_bytes().splitlines(keepends=True)
    match change:
        case "hand edit":
            lines[1] = lines[1].replace(b"line 2", b"LINE 2")
        case "zeros":
            lines[1] = bytes(len(lines[1]))
        case "line removed":
            del lines[1]
        case "lines swapped":
            lines[1], lines[2] = lines[2], lines[1]
        case _:
            lines[1] = lines[1].rstrip(b"\n")
    path.write_bytes(b"".join(lines))
    before = path.read_bytes()
    with pytest.raises(Damaged, match=r"j:2: corrupt after seq 1"):
        Journal.open(path)
    assert path.read_bytes() == before
    assert not (tmp_path / "j.torn-1").exists()


def test_claim_far_behind_the_damage_still_counts(tmp_path: Path) -> None:
    """The line that tells what was synced lies megabytes after the damage."""
    path = tmp_path / "j"
    journal = journal_of(path, 2)
    for _ in range(3):
        journal.append("note", {"text": "x" * 3_000_000})
    journal.sync()
    journal.append("note", {"text": "end"})
    data = path.read_bytes().replace(b"line 2", b"LINE 2")
    path.write_bytes(data)
    with pytest.raises(Damaged):
        Journal.open(path)


def test_damage_below_a_floor_that_others_know_is_corruption(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal.create(path)
    for _ in range(3):
        journal.append("note", {})
    path.write_bytes(path.read_bytes()[:-10] + b"xxxxxxxxx\n")
    with pytest.raises(Damaged):
        last_position(path, floor=3)
    assert last_position(path, floor=2).seq == 2


def test_file_that_is_only_shorter_is_no_corruption(tmp_path: Path) -> None:
    """A copy of a growing file ends within a line."""
    path = tmp_path / "j"
    journal_of(path, 3)
    path.write_bytes(path.read_bytes()[:-10])
    assert last_position(path, floor=3).seq == 2


def test_known_position_saves_reading_and_is_dropped_when_it_does_not_stand(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = journal_of(path, 3)
    known = journal.position
    journal.commit("note", {"text": "line 4"})
    end = journal.position
    path.write_bytes(path.read_bytes().replace(b"line 2", b"LINE 2"))
    assert last_position(path, known=known) == end
    assert last_position(path, known=end) == end
    with pytest.raises(Damaged):
        last_position(path, known=Position(3, known.offset, "0" * 12))
    with pytest.raises(Damaged):
        last_position(path, known=ORIGIN)


def test_empty_file_is_begun(tmp_path: Path) -> None:
    (tmp_path / "j").touch()
    Journal.open(tmp_path / "j").commit("note", {"text": "first"})
    assert notes(tmp_path / "j") == ["first"]


def test_every_prefix_of_a_file_opens_and_keeps_its_whole_lines(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    journal_of(whole, 3)
    data = whole.read_bytes()
    for length in range(0, len(data), 7):
        path = tmp_path / f"cut-{length}"
        path.write_bytes(data[:length])
        journal = Journal.open(path)
        assert journal.position.seq == data[:length].count(b"\n")
        journal.close()
