"""`check` misses a checkpoint that others rely on when a hand took it away, and none that was thinned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from living import end_all, run

from state_layout.paths import Tree
from state_layout.tree import list_trees

Call = Callable[..., Any]


@pytest.fixture
def gone_back(home: Path, tmp_path: Path) -> Tree:
    """A tree whose work was done, then more, which was taken back."""
    text = 'request = "x"\n[agents.a]\nkind = "command"\nshell = "echo hi"\ntask = "t"\n'
    (tmp_path / "plan.toml").write_text(text)
    assert run("run", "plan.toml", "--plain").returncode == 0
    assert run("checkpoint", "--name", "before").returncode == 0
    assert run("resume", "--task", "more", "--agent", "a", "--plain").returncode == 0
    assert run("rollback", "before", "--yes").returncode == 0
    (made,) = list_trees(home)
    end_all(home)
    return made


def lost(call: Call) -> list[str]:
    return [
        problem["path"]
        for problem in json.loads(call("check", "--json").out)["problems"]
        if problem["finding"] == "moment_lost"
    ]


def test_the_way_back_of_a_rollback_and_specs_of_checkpoints_are_missed(call: Call, gone_back: Tree) -> None:
    assert lost(call) == []
    newest = max(gone_back.checkpoints.glob("*.json"), key=lambda path: int(path.stem))
    assert json.loads(newest.read_text())["by"] == "rollback"
    kept = newest.read_bytes()
    newest.unlink()
    assert lost(call) == [f"checkpoints/{newest.name}"]
    assert call("check").code == 12
    newest.write_bytes(kept)
    first, second, *_ = sorted((gone_back.checkpoints / "specs").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes() + b" ")
    assert sorted(lost(call)) == sorted([gone_back.shown(first), gone_back.shown(second)])


def test_thinned_checkpoints_are_not_missed(call: Call, tree: Tree) -> None:
    for _ in range(3):
        assert call("checkpoint").code == 0
    for key in ("last", "hourly", "daily"):
        assert call("set", f"keep.{key}", "0" if key != "last" else "1").code == 0
    assert "removed" in call("checkpoints", "cleanup").out
    assert lost(call) == []
