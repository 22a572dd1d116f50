"""Looking at a repository of others: git answers, and nothing that its configuration names is run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from maos_sup.planner.survey import survey
from maos_sup.workspaces.git_look import CannotLook, git_answer

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
STATUS = ["status", "--porcelain", "--ignore-submodules=all"]


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a").write_text("a")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "1")
    return folder


def _fsmonitor(folder: Path, program: Path) -> None:
    git(folder, "config", "core.fsmonitor", str(program))


def _filter(folder: Path, program: Path) -> None:
    git(folder, "config", "filter.f.clean", str(program))
    (folder / ".gitattributes").write_text("* filter=f\n")
    (folder / "a").write_text("changed")


def _include(folder: Path, program: Path) -> None:
    (folder / "more").write_text(f"[core]\n\tfsmonitor = {program}\n")
    git(folder, "config", "include.path", "../more")


def _submodule(folder: Path, program: Path) -> None:
    inner = folder / "sub"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "x").write_text("x")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "x")
    git(folder, "add", "sub")
    git(inner, "config", "core.fsmonitor", str(program))


@pytest.mark.parametrize("plant", [_fsmonitor, _filter, _include, _submodule])
def test_no_program_that_a_repository_names_is_run(
    repository: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    ran, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    program.chmod(0o755)
    plant(repository, program)
    ran.unlink(missing_ok=True)
    git_answer(repository, STATUS)
    survey(repository)
    assert not ran.exists()


def test_what_is_not_committed_is_seen(repository: Path) -> None:
    assert git_answer(repository, STATUS) == b""
    (repository / "b").write_text("b")
    (repository / "a").write_text("other")
    assert git_answer(repository, STATUS) == b" M a\n?? b\n"


def test_a_worktree_is_looked_at_as_well(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "wt"))
    assert git_answer(tmp_path / "wt", STATUS) == b""
    assert "git repository" in survey(tmp_path / "wt")


def test_a_folder_without_repository_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(CannotLook):
        git_answer(tmp_path, STATUS)
