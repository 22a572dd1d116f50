"""A tree that nobody works on, and servers that show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import answer, asked, lived, made_tree, task
from served import Server, serving

from state_layout.paths import Tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Two agents: one has worked, one failed; one question is open."""
    folder: Path = tmp_path_factory.mktemp("web")
    made = made_tree(folder)
    question = {"task": "count", "run": 1, "question": "alice-1", "text": "Which licence?"}
    lived(
        made,
        "alice",
        [task("count", "running"), asked("count", "k"), answer("count", "k"), ("asked", question)],
    )
    lived(made, "bob", [task("report", "failed", error="no")])
    return made


@pytest.fixture(scope="module")
def reader(tree: Tree) -> Iterator[Server]:
    """A server that only shows, entered."""
    with serving(str(tree.root)) as server:
        server.come_in()
        yield server


@pytest.fixture(scope="module")
def steerer(tree: Tree) -> Iterator[Server]:
    """A server that steers, entered."""
    with serving(str(tree.root), "--steer") as server:
        server.come_in()
        yield server
