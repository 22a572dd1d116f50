"""What is said to be lacking on a disk, and what a file system that does not tell is taken for."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from state_layout.host.room import NO_FILES, NO_ROOM, want_of_room


def told(**fields: int) -> SimpleNamespace:
    plenty = {"f_blocks": 10**6, "f_bavail": 10**6, "f_frsize": 4096, "f_files": 10**5, "f_favail": 10**5}
    return SimpleNamespace(**{**plenty, **fields})


@pytest.mark.parametrize(
    ("fields", "lacking"),
    [
        ({}, None),
        ({"f_bavail": 10}, NO_ROOM),
        ({"f_bavail": 0}, NO_ROOM),
        ({"f_favail": 3}, NO_FILES),
        ({"f_favail": 0}, NO_FILES),
        ({"f_blocks": 0, "f_bavail": 0}, None),  # FUSE without statfs
        ({"f_blocks": 0, "f_bavail": 0, "f_frsize": 0, "f_files": 0, "f_favail": 0}, None),
        ({"f_files": 0, "f_favail": 0}, None),  # btrfs, vfat: files are not counted
        ({"f_files": 0, "f_favail": 0, "f_bavail": 1}, NO_ROOM),
    ],
    ids=str,
)
def test_only_what_is_told_is_lacking(
    fields: dict[str, int], lacking: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: told(**fields))
    assert want_of_room(tmp_path) == lacking


def test_file_system_that_refuses_to_tell_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "statvfs", refuse)
    assert want_of_room(tmp_path) is None
