"""A path that no file can have is refused as such, wherever a command takes one, and is no bug."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from state_layout.paths import Tree

LONG = "x" * 300  # one name has 255 bytes at most


@pytest.fixture(params=[f"{LONG}.out", "loop/out"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A path that the system refuses to look at, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    return str(request.param)


@pytest.mark.parametrize(
    "words",
    ["report TREE -o PATH", "metrics TREE -o PATH", "backup TREE --to PATH", "backups list --to PATH"],
)
def test_a_path_that_no_file_can_have_is_no_bug(
    call: Callable[..., Any], tree: Tree, unusable: str, words: str
) -> None:
    answer = call(*[{"TREE": str(tree.root), "PATH": unusable}.get(word, word) for word in words.split()])
    assert "bug" not in answer.err, answer.err
    assert answer.err.count("\n") == 1
    assert unusable in answer.err
    assert answer.code in (1, 2)
