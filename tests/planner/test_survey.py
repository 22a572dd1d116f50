"""What a model is told of a project: bounded, without what git ignores, without links out of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from maos_sup.planner.survey import MOST_LISTED, MOST_TEXTS_CHARS, survey


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "src").mkdir(parents=True)
    (folder / "README.md").write_text("# Shop\n")
    (folder / "src" / "pay.py").write_text("x = 1\n")
    (folder / "build.log").write_text("noise\n")
    return folder


def repository(folder: Path) -> None:
    subprocess.run(["git", "-C", str(folder), "init", "-q"], check=True)


def test_git_repository_is_told_without_ignored_files(project: Path) -> None:
    repository(project)
    (project / ".gitignore").write_text("*.log\n")
    text = survey(project)
    assert "a git repository called 'shop' with 3 files" in text
    assert "src/pay.py" in text
    assert "build.log" not in text
    assert '<file path="README.md">\n# Shop\n</file>' in text


def test_folder_without_git_is_walked_but_for_what_tools_leave(project: Path) -> None:
    (project / "node_modules" / "left").mkdir(parents=True)
    (project / "node_modules" / "left" / "pad.js").write_text("")
    (project / ".secret").write_text("x")
    text = survey(project)
    assert "without version control" in text
    assert "build.log" in text
    assert "pad.js" not in text
    assert ".secret" not in text


def test_huge_project_is_told_by_folders(project: Path) -> None:
    for folder in range(30):
        (project / f"part{folder:02}").mkdir()
        for number in range(20):
            (project / f"part{folder:02}" / f"m{number}.py").write_text("")
    text = survey(project)
    listed = text.split("<files>")[1].split("</files>")[0]
    assert "part07/ (20 files)" in listed
    assert len(listed.splitlines()) <= MOST_LISTED + 3


def test_long_texts_are_cut(project: Path) -> None:
    for name in ("README.md", "AGENTS.md", "Makefile", "package.json", "Cargo.toml", "go.mod", "setup.py"):
        (project / name).write_text("word " * 10_000)
    text = survey(project)
    assert len(text) < MOST_TEXTS_CHARS + 2_000
    assert "[...]" in text


def test_what_is_no_text_or_leads_out_is_left_out(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    (project / "README.md").unlink()
    (project / "README.md").symlink_to(tmp_path / "secret")
    (project / "Makefile").mkdir()
    (project / "package.json").write_bytes(b"\xff\xfe\x00")
    assert "hunter2" not in survey(project)


def test_program_named_in_a_repository_s_configuration_is_not_run(project: Path, tmp_path: Path) -> None:
    repository(project)
    hook = tmp_path / "hook.sh"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o700)
    command = ["git", "-C", str(project), "config", "core.fsmonitor", str(hook)]
    subprocess.run(command, check=True)
    assert "src/pay.py" in survey(project)
    assert not (tmp_path / "ran").exists()


def test_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    assert "with no files" in survey(tmp_path)
