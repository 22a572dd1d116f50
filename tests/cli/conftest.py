"""A home of its own for each test, trees in it, and commands called as the console script calls them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_trees import Answer, new_tree

from maos_sup.cli import main
from state_layout.paths import Tree


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of trees, alone for this test."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("MAOS_SUP_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def tree(home: Path) -> Tree:
    """A tree of two agents, a task each, that nobody works on."""
    return new_tree(home, "20261121-0142-audit-7f3k")


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Call a command: its exit code and what it wrote."""

    def called(*words: str) -> Answer:
        capfd.readouterr()
        code = main(list(words))
        return Answer(code, *capfd.readouterr())

    return called
