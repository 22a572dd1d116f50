"""Launchers in a tree of their own, each test in both ways to start an agent where that matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from lab import Lab

from maos_sup.launchers.local import LocalLauncher
from state_layout.paths import Tree


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A folder that stands for a tree; its agents are `agent_entry`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    root = tmp_path / "tree"
    (root / "run" / "agents").mkdir(parents=True)
    return Tree(root)


@pytest.fixture
def new_lab(tree: Tree) -> Iterator[Callable[..., Lab]]:
    """Make labs whose agents are all killed at the end."""
    with ExitStack() as stack:

        def made(*, forks: bool = True, entry: str = "agent_entry:main") -> Lab:
            launcher = LocalLauncher(tree, entry=entry, forks=forks)
            made_lab = Lab(tree, launcher)
            stack.callback(_end, made_lab)
            return made_lab

        yield made


@pytest.fixture
def lab(new_lab: Callable[..., Lab]) -> Lab:
    """A launcher that forks."""
    return new_lab()


@pytest.fixture(params=["forked", "executed"])
def any_lab(request: pytest.FixtureRequest, new_lab: Callable[..., Lab]) -> Lab:
    """A launcher of either kind."""
    return new_lab(forks=request.param == "forked")


def _end(lab: Lab) -> None:
    if not lab.is_closed:
        lab.launcher.cancel(set(lab.launcher.living()), grace_s=0)
        lab.wait(lambda: not lab.launcher.living())
        lab.close()
