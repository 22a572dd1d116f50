"""Where a program works: its folder by the kernel, and by `PWD`, which opencode believes instead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage import Stage

ARGV = [
    sys.executable,
    "-c",
    "import os; open(os.environ['OUT'] + '/where', 'w').write(os.getcwd() + '\\n' + os.environ['PWD'])",
]
KINDS = {"command": {"kind": "command", "command": ARGV}, "cli": {"kind": "cli", "start_argv": ARGV}}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("cwd", ["project", "workspace"])
def test_program_finds_its_folder_in_pwd_as_well(
    stage: Callable[..., Stage], tmp_path: Path, kind: str, cwd: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    more: dict[str, Any] = {"project": "../../project", "project_name": "project"}
    one = stage({"ann": {**KINDS[kind], "cwd": cwd}}, **more)
    assert one.run("ann") == 0, one.log()
    folder = project if cwd == "project" else one.tree.agent("ann").workspace
    assert [Path(word) for word in one.words("where")] == [folder, folder]
