"""A path that this user may not look at is not said to be missing: the folder that is closed is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from state_layout.paths import Tree
from state_layout.tree.making import create_tree

NOT_ROOT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
COMMANDS = ["status", "check", "resume", "stop", "logs", "messages", "rm", "supervise"]
Says = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.skipif(os.getuid() == 0 and shutil.which("setpriv") is None, reason="root may look")


@pytest.fixture
def says(tmp_path: Path) -> Says:
    """Call a command as somebody who may not enter every folder; its exit code and what it said."""

    def call(*words: str, home: Path = tmp_path / "home") -> tuple[int, str]:
        argv = [*(NOT_ROOT if os.getuid() == 0 else []), sys.executable, "-m", "maos_sup", *words]
        environment = {**os.environ, "MAOS_SUP_HOME": str(home)}
        ended = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        return ended.returncode, ended.stdout + ended.stderr

    return call


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A tree below a folder that one may not enter."""
    closed = tmp_path / "closed"
    closed.mkdir()
    made = create_tree(closed / "tree", orchestration={"id": "x", "request": "r"}, agents={}, tasks={})
    closed.chmod(0)
    yield made
    closed.chmod(0o700)


@pytest.mark.parametrize("command", COMMANDS)
def test_tree_below_a_closed_folder_cannot_be_looked_at(says: Says, tree: Tree, command: str) -> None:
    code, said = says(command, str(tree.root))
    assert code == 1
    assert f"{tree.root}: cannot look at it: Permission denied; {tree.root.parent} may not be entered" in said


@pytest.mark.parametrize("command", ["status", "check", "stop"])
def test_tree_that_is_closed_itself_is_no_other_folder(says: Says, tree: Tree, command: str) -> None:
    tree.root.parent.chmod(0o700)
    tree.root.chmod(0)
    try:
        code, said = says(command, str(tree.root))
    finally:
        tree.root.chmod(0o700)
    assert code == 1
    assert f"{tree.format}: may not be read by this user" in said


def test_home_that_may_be_read_and_not_entered_is_not_empty(says: Says, tree: Tree) -> None:
    tree.root.parent.chmod(0o400)
    for words in (["list"], ["status"], ["status", "tree"]):
        code, said = says(*words, home=tree.root.parent)
        assert code == 1
        assert f"{tree.root.parent}: cannot list: Permission denied" in said


def test_what_is_written_to_or_read_from_there_is_no_bug(says: Says, tree: Tree, tmp_path: Path) -> None:
    other = create_tree(tmp_path / "other", orchestration={"id": "y", "request": "r"}, agents={}, tasks={})
    (tmp_path / "p.toml").write_text(
        'request = "r"\n[agents.a]\nkind = "command"\ncommand = "true"\ntask = "t"\n'
    )
    closed = tree.root.parent / "x"
    for words in (
        ["report", str(other.root), "-o", str(closed)],
        ["backup", str(other.root), "--to", str(closed)],
        ["run", str(tmp_path / "p.toml"), "--dir", str(tmp_path / "made"), "--project", str(closed)],
    ):
        code, said = says(*words)
        assert (code, "this is a bug" in said) == (1, False), said
        assert "cannot look at it: Permission denied" in said
