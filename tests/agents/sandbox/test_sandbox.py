"""What confines commands: what they may reach, what they may not, and that a missing one is said out loud."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import can_bubblewrap

from maos_sup.agents.sandbox import confine, landlock
from maos_sup.agents.sandbox.beneath import read_beneath, relative_to_one, write_beneath
from maos_sup.agents.sandbox.confine import make_sandbox
from state_layout.errors import BadInput

KINDS = [
    pytest.param("landlock", marks=pytest.mark.skipif(not landlock.abi(), reason="no Landlock here")),
    pytest.param("bubblewrap", marks=pytest.mark.skipif(not can_bubblewrap(), reason="no bwrap works here")),
]


Done = subprocess.CompletedProcess[str]


def run(kind: str, line: str, *, write: Path, read: tuple[Path, ...] = ()) -> Done:
    sandbox = make_sandbox(kind, read=read, write=[write], environment=os.environ)
    argv = sandbox.confined(["/bin/bash", "-c", line])
    return subprocess.run(argv, cwd=write, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("kind", KINDS)
def test_command_writes_its_folder_and_nothing_else(kind: str, tmp_path: Path) -> None:
    mine, others = tmp_path / "mine", tmp_path / "others"
    mine.mkdir()
    others.mkdir()
    (others / "secret").write_text("x")
    done = run(kind, f"echo a > f && cat f; cat {others}/secret; echo b > {others}/g", write=mine)
    assert done.stdout == "a\n"
    assert not (others / "g").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_folder_to_read_can_be_read_and_not_written(kind: str, tmp_path: Path) -> None:
    mine, shown = tmp_path / "mine", tmp_path / "shown"
    mine.mkdir()
    shown.mkdir()
    (shown / "f").write_text("shown")
    done = run(kind, f"cat {shown}/f; echo b > {shown}/g", write=mine, read=(shown,))
    assert done.stdout == "shown"
    assert not (shown / "g").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_confined_program_starts_others_that_are_confined_as_well(kind: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    line = f"{sys.executable} -c \"print(1); open('{tmp_path}/out', 'w')\""
    done = run(kind, line, write=mine)
    assert done.stdout == "1\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_confined_program_neither_reads_nor_signals_those_outside(kind: str, tmp_path: Path) -> None:
    me = os.getpid()
    done = run(kind, f"cat /proc/{me}/environ | wc -c; kill -0 {me} && echo reached", write=tmp_path)
    assert done.stdout.strip() == "0"


@pytest.mark.skipif(not landlock.abi(), reason="no Landlock here")
def test_program_that_is_not_there_is_named() -> None:
    argv = make_sandbox("landlock", read=(), write=(), environment={}).confined(["/no/such"])
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == landlock.REFUSED
    assert "/no/such" in done.stderr


def test_sandbox_that_is_asked_for_and_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    for kind in ("bubblewrap", "landlock"):
        with pytest.raises(BadInput, match=kind):
            confine.choose(kind)
    assert confine.choose(None) == "none"


def test_no_path_leads_out_of_the_folders(tmp_path: Path) -> None:
    for path in ("../x", "/etc/passwd", "a/../../x"):
        with pytest.raises(BadInput, match="outside"):
            relative_to_one(path, (tmp_path,))
    assert relative_to_one(f"{tmp_path}/a/../b", (tmp_path,))[1].parts == ("b",)


def test_no_link_leads_out_of_a_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "f").write_text("x")
    (inside / "link").symlink_to(outside)
    (inside / "file").symlink_to(outside / "f")
    for name in ("link/f", "file"):
        with pytest.raises(OSError):
            read_beneath(inside, Path(name), most_bytes=10)
        with pytest.raises(OSError):
            write_beneath(inside, Path(name), b"y")
    assert (outside / "f").read_text() == "x"
    assert [path.name for path in outside.iterdir()] == ["f"]


def test_file_keeps_its_mode_and_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("old")
    (tmp_path / "run.sh").chmod(0o755)
    write_beneath(tmp_path, Path("run.sh"), b"new")
    assert (tmp_path / "run.sh").read_text() == "new"
    assert (tmp_path / "run.sh").stat().st_mode & 0o777 == 0o755
    write_beneath(tmp_path, Path("new/deep/file"), b"made")
    assert sorted(path.name for path in (tmp_path / "new" / "deep").iterdir()) == ["file"]
