"""The file that a command line writes its events to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maos_sup.agents.kinds.shared.running import open_events
from state_layout.errors import StorageError
from state_layout.files import disk


def test_its_name_is_durable_before_anything_is_in_it(tmp_path: Path) -> None:
    seen: list[str] = []
    disk.tap(lambda operation, arguments: seen.append(operation))
    try:
        for text in (b"one\n", b"two\n"):  # a second process of the same life appends
            descriptor = open_events(tmp_path / "events.jsonl")
            os.write(descriptor, text)
            os.close(descriptor)
    finally:
        disk.tap(None)
    assert seen == ["create", "fsync", "create"]
    assert (tmp_path / "events.jsonl").read_bytes() == b"one\ntwo\n"


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").touch()
    (tmp_path / "events.jsonl").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError, match="a symbolic link"):
        open_events(tmp_path / "events.jsonl")
