"""What an agent's snapshot says, looked at again and again: never an old one for a new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from state_layout.files import codec
from state_layout.lives import snapshot_reader as module
from state_layout.lives.snapshot_reader import SnapshotReader

TASKS: dict[str, Any] = {"t0": {"phase": "done", "run": 1}, "t1": {"phase": "running", "run": 1}}


def say(path: Path, value: Any) -> None:
    path.with_name("new").write_bytes(codec.encode(value))
    path.with_name("new").rename(path)


def test_what_did_not_change_is_the_same_object_and_what_did_is_another(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    told = SnapshotReader(path)
    assert not told.look() and not told.is_there
    say(path, {"attempt": 1, "tasks": TASKS})
    assert told.look() and told.is_there
    first = told.outcomes
    say(path, {"attempt": 2, "tasks": TASKS})
    assert told.look() and told.status["attempt"] == 2 and told.outcomes is first
    say(path, {"attempt": 2, "tasks": {**TASKS, "t1": {"phase": "done", "run": 1, "result": 5}}})
    told.look()
    assert told.outcomes is not first and told.outcomes["t0"] is first["t0"]
    assert told.outcomes["t1"].result == 5 and first["t1"].result is None


def test_young_snapshot_is_read_again_whatever_its_stamp_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two in one tick of the clock of a file system, of one length, the second in the inode of the first."""
    path = tmp_path / "status.json"
    say(path, {"tasks": {"t": {"phase": "done", "run": 1}}})
    monkeypatch.setattr(module, "_FRESH_NS", 1 << 62)
    told = SnapshotReader(path)
    told.look()
    found = path.stat()
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert told.look() and told.outcomes["t"].run == 2


def test_old_snapshot_that_stands_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    say(path, {"tasks": TASKS})
    os.utime(path, ns=(0, 0))
    told = SnapshotReader(path)
    assert told.look() and not told.look()
    path.unlink()
    assert told.look() and told.outcomes == {} and told.status == {} and not told.is_there
    assert not told.look()


@pytest.mark.parametrize("data", [b"", b"[]", b'{"tasks":7}', b'{"tasks":{"t0":[]}}', b'{"tasks":{"t0":{}}}'])
def test_what_is_no_snapshot_says_nothing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "status.json"
    say(path, {"phase": "running", "tasks": TASKS})
    told = SnapshotReader(path)
    told.look()
    path.write_bytes(data)
    told.look()
    assert told.outcomes == {} and told.status == {}


def test_what_is_put_in_its_place_is_believed_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    told = SnapshotReader(path)
    told.look()
    told.take({"gains": 3, "tasks": TASKS})
    assert not told.look() and told.status["gains"] == 3 and told.outcomes.keys() == TASKS.keys()
    say(path, {"gains": 4, "tasks": {}})
    assert told.look() and told.status["gains"] == 4 and told.outcomes == {}
