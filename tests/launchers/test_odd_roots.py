"""Agents start in trees below folders whose names are no UTF-8."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import IDLE, Lab, runs

from state_layout.paths import Tree

pytestmark = pytest.mark.linux("file names are bytes")


@pytest.fixture
def tree(tree: Tree, tmp_path: Path) -> Tree:
    """The tree of other tests, below a folder that has a name in Latin-1."""
    root = tmp_path / os.fsdecode(b"caf\xe9") / "tree"
    root.parent.mkdir()
    return Tree(tree.root.rename(root))


def test_agent_starts_below_a_folder_whose_name_is_not_utf8(any_lab: Lab) -> None:
    pid = any_lab.start("bob")
    assert runs(pid)


def test_next_agent_starts_there_in_the_spare_process(new_lab: Callable[..., Lab]) -> None:
    lab = new_lab()
    first = lab.start("bob")
    assert lab.start("alice", IDLE) != first
    assert lab.launcher.living() == {"bob", "alice"}
