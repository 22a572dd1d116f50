"""A home of its own for each test, trees in it, and commands called as the console script calls them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_trees import Answer, new_tree
from living import end_all
from words import Model

from maos_sup.cli import main
from maos_sup.loopback.server import LoopbackServer
from state_layout.paths import Tree


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of trees, alone for this test."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("MAOS_SUP_HOME", str(folder))
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MAOS_SUP_CLAUDE", "/nowhere/claude")  # no test asks a model by accident
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


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command is called in; no provider yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def server(model: Model, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    with LoopbackServer(model, api_key="sk-right", with_bodies=True) as made:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", made.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-right")
        yield made
        end_all(home)
