"""Windows of journals: exactly the lines between two times, without reading the rest."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from maos_sup.projection import journal_lines
from maos_sup.projection.journal_lines import last_line_of, piece_of, seconds_of, text_of, type_of
from maos_sup.projection.lives import judged, life_of
from state_layout.files.chain import ORIGIN, chained

BEGIN_S = 1_790_000_000.0


def journal(path: Path, times: list[float], *, pad: int = 0) -> list[bytes]:
    """A chained file with a line at each of `times`; its lines."""
    position, raws = ORIGIN, []
    chance = random.Random(1)
    for seq, at_s in enumerate(times, 1):
        text = "x" * chance.randint(0, pad)
        entry = {
            "seq": seq,
            "at": text_of(BEGIN_S + at_s),
            "synced": seq - 1,
            "type": "progress",
            "note": text,
        }
        line = chained(position, entry)
        position = line.end
        raws.append(line.raw)
    path.write_bytes(b"".join(raw + b"\n" for raw in raws))
    return raws


@pytest.mark.parametrize("pad", [0, 300, 30_000])
def test_window_has_exactly_the_lines_between_its_times(tmp_path: Path, pad: int) -> None:
    chance = random.Random(7)
    times = sorted(chance.choice([chance.uniform(0, 900), float(chance.randint(0, 900))]) for _ in range(250))
    raws = journal(tmp_path / "j", times, pad=pad)
    for _ in range(40):
        since, until = sorted((chance.uniform(-50, 950), chance.uniform(-50, 950)))
        wanted = [raw for raw, at_s in zip(raws, times, strict=True) if since <= at_s <= until]
        found = piece_of(
            tmp_path / "j", since=text_of(BEGIN_S + since), until=text_of(BEGIN_S + until), most_bytes=1 << 30
        )
        assert list(found.raws) == wanted
        assert found.left_out == 0


def test_of_a_long_window_the_last_lines_come_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    raws = journal(tmp_path / "j", [float(n) for n in range(1000)], pad=200)
    found = piece_of(tmp_path / "j", since=text_of(0), until=text_of(BEGIN_S + 899), most_bytes=5000)
    count = len(found.raws)
    assert 5 < count < 40
    assert list(found.raws) == raws[900 - count : 900]
    assert found.left_out == sum(len(raw) + 1 for raw in raws[: 900 - count])


def test_a_small_window_of_a_long_journal_reads_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal(tmp_path / "j", [float(n) for n in range(12_000)], pad=100)
    read = 0
    real = journal_lines.os.pread

    def counted(descriptor: int, length: int, offset: int) -> bytes:
        nonlocal read
        data = real(descriptor, length, offset)
        read += len(data)
        return data

    monkeypatch.setattr(journal_lines.os, "pread", counted)
    since, until = text_of(BEGIN_S + 6_000), text_of(BEGIN_S + 6_010)
    found = piece_of(tmp_path / "j", since=since, until=until, most_bytes=1 << 19)
    assert len(found.raws) == 11
    assert read < (tmp_path / "j").stat().st_size / 5


def test_torn_last_line_is_no_line(tmp_path: Path) -> None:
    raws = journal(tmp_path / "j", [1.0, 2.0])
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"seq":3,"at":"' + text_of(BEGIN_S + 3).encode() + b'","type":"pro')
    found = piece_of(tmp_path / "j", since=text_of(0), until=text_of(BEGIN_S + 9), most_bytes=1 << 20)
    assert list(found.raws) == raws
    assert last_line_of(tmp_path / "j") == raws[-1]


def test_missing_and_foreign_files_have_no_lines(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\0" * 70_000 + b"\n{}\n")
    for name in ("noise", "nothing"):
        assert piece_of(tmp_path / name, since=text_of(0), until=text_of(1), most_bytes=99).raws == ()
    assert type_of(b"{}") == ""


def test_times_are_read_as_they_are_written() -> None:
    assert seconds_of(text_of(BEGIN_S)) == BEGIN_S
    assert seconds_of("2026-11-21T01:42:00.5Z") is not None
    assert seconds_of("yesterday") is None
    assert text_of(-5.0) < text_of(BEGIN_S) < text_of(1e30)


def first(number: int, pin: tuple[int, int] | None) -> dict[str, object]:
    told = None if pin is None else {"attempt": pin[0], "seq": pin[1], "h": "x"}
    return {"at": text_of(BEGIN_S + number), "pin": told}


@pytest.mark.parametrize(
    ("pins", "void_above"),
    [
        ([None], [None]),
        ([None, (1, 9)], [9, None]),
        ([None, (1, 9), (1, 4)], [4, 0, None]),  # a rollback to before the second life
        ([None, (1, 9), (2, 14), (1, 9)], [9, 0, 0, None]),
        ([None, (1, 9), None], [0, 0, None]),  # a life that begins anew
    ],
)
def test_pins_say_which_lines_count(pins: list[tuple[int, int] | None], void_above: list[int | None]) -> None:
    lives = [life_of(number, first(number, pin), None) for number, pin in enumerate(pins, 1)]
    assert [life.void_above for life in judged(lives)] == void_above


def test_life_without_a_line_counts_for_nothing_and_a_poisoned_one_up_to_its_sync() -> None:
    lives = [life_of(1, first(1, None), {"reason": "poisoned", "synced_seq": 5}), life_of(2, None, None)]
    assert [life.void_above for life in judged(lives)] == [5, 0]
