"""A closed folder and a disk that fails are no absence, with whatever Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from state_layout.files.looking import exists, is_dir, is_link, is_regular

LOOKS: list[Callable[[Path], bool]] = [exists, is_dir, is_regular, is_link]


def told(path: Path) -> list[bool]:
    return [look(path) for look in LOOKS]


def test_each_sort_of_thing_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "to file").symlink_to("file")
    (tmp_path / "to nothing").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    assert told(tmp_path) == [True, True, False, False]
    assert told(tmp_path / "file") == [True, False, True, False]
    assert told(tmp_path / "to file") == [True, False, True, True]
    assert told(tmp_path / "pipe") == [True, False, False, False]
    assert told(tmp_path / "to nothing") == told(tmp_path / "circle") == [False, False, False, True]
    for absent in (tmp_path / "absent", tmp_path / "file/below", Path("with\0zero")):
        assert told(absent) == [False] * 4


@pytest.mark.parametrize("look", LOOKS)
def test_a_closed_folder_is_no_absence(look: Callable[[Path], bool], tmp_path: Path) -> None:
    """Asked as somebody whom a mode keeps out."""
    code = (
        "import os, sys; from pathlib import Path; from state_layout.files import looking;"
        "os.getuid() or os.setuid(65534); print(getattr(looking, sys.argv[1])(Path(sys.argv[2])))"
    )
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, look.__name__, str(closed / "file")],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        closed.chmod(0o700)
    assert done.returncode == 1
    assert "PermissionError" in done.stderr


@pytest.mark.parametrize("look", LOOKS)
def test_a_name_that_no_disk_takes_is_an_error(look: Callable[[Path], bool], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        look(tmp_path / ("x" * 300))
