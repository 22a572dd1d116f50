"""Beats: two counters that change; unreadable is unknown."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from state_layout.files import disk
from state_layout.host.beats import Beat, BeatWriter, read_beat


def counters(path: Path) -> Beat:
    found = read_beat(path)
    assert found is not None
    return found


def test_each_counter_moves_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "bob.beat"
    writer = BeatWriter(path)
    first = counters(path)
    writer.beat()
    second = counters(path)
    assert (second.beat > first.beat, second.progress == first.progress) == (True, True)
    writer.progress(expect_s=30.9)
    third = counters(path)
    assert third.progress > second.progress and third.expect_s == 30
    writer.beat()
    assert counters(path).expect_s == 30
    writer.close()


def test_line_is_as_specified(tmp_path: Path) -> None:
    path = tmp_path / "bob.beat"
    path.write_bytes(b"beat=00000000000000000011 progress=00000000000000000002 expect_s=000000030\n")
    BeatWriter(path).close()
    assert path.read_bytes() == (
        b"beat=00000000000000000012 progress=00000000000000000003 expect_s=000000000\n"
    )


def test_next_life_is_seen_as_a_change(tmp_path: Path) -> None:
    path = tmp_path / "bob.beat"
    BeatWriter(path).close()
    before = counters(path)
    BeatWriter(path).close()
    assert counters(path).beat != before.beat


@pytest.mark.parametrize("text", [b"", b"beat=1\n", b"\0" * 75, b"beat=0000000000000000001x" + b" " * 50])
def test_unreadable_beat_is_unknown_and_overwritten(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "bob.beat"
    path.write_bytes(text)
    assert read_beat(path) is None
    BeatWriter(path).close()
    assert read_beat(path) is not None


def test_missing_beat_is_unknown(tmp_path: Path) -> None:
    assert read_beat(tmp_path / "bob.beat") is None
    assert read_beat(tmp_path / "no" / "bob.beat") is None


@pytest.mark.parametrize(("expect_s", "written"), [(-1, 0), (1e12, 999_999_999), (0.4, 0)])
def test_expectation_keeps_the_width(tmp_path: Path, expect_s: float, written: int) -> None:
    path = tmp_path / "bob.beat"
    writer = BeatWriter(path)
    writer.progress(expect_s)
    assert counters(path).expect_s == written
    assert path.stat().st_size == 75
    writer.close()


def test_beat_comes_back_after_its_folder_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "run" / "agents" / "bob.beat"
    writer = BeatWriter(path)
    shutil.rmtree(tmp_path / "run")
    writer.beat()
    assert counters(path).beat == 2
    writer.close()


def test_beat_that_cannot_be_written_stops_nobody_and_goes_on_later(tmp_path: Path) -> None:
    path = tmp_path / "bob.beat"
    writer = BeatWriter(path)

    def full(operation: str, arguments: tuple[object, ...]) -> None:
        raise OSError(28, "No space left on device")

    disk.tap(full)
    try:
        writer.beat()
    finally:
        disk.tap(None)
    assert counters(path).beat == 1
    writer.beat()
    assert counters(path).beat == 3
    writer.close()


def test_two_threads_lose_no_change(tmp_path: Path) -> None:
    path = tmp_path / "bob.beat"
    writer = BeatWriter(path)
    before = counters(path)
    threads = [threading.Thread(target=lambda: [writer.beat() for _ in range(200)])]
    threads.append(threading.Thread(target=lambda: [writer.progress(5) for _ in range(200)]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = counters(path)
    assert (after.beat - before.beat, after.progress - before.progress) == (400, 200)
    writer.close()
