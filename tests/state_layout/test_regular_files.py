"""Reading a file that a person may have put there: all of it, whatever happens to it meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from state_layout.files import reading
from state_layout.files.reading import read_regular


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_all_bytes_are_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    data, version = read_regular(path)
    assert data == path.read_bytes() and version.size == size


def test_file_that_grows_while_it_is_read_is_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is whole as of some moment, and its version is never that of the longer file."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    really = os.read

    def read(descriptor: int, size: int) -> bytes:
        data = really(descriptor, size)
        path.write_bytes(b"x" * 10 + b"y" * 10)
        return data

    monkeypatch.setattr(reading.os, "read", read)
    data, version = read_regular(path)
    monkeypatch.undo()
    assert data == b"x" * 10 and version.size == 10
    assert version != reading.FileVersion.of(path.stat())
