"""Trees for views: made by the real writers, with no process behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from view_trees import MakeTree

from state_layout.paths import Tree
from state_layout.tree.making import create_tree


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """Make a tree of `count` agents a0, a1, ... with a task t0, t1, ... each that needs the one before."""

    def make(count: int = 2, *, name: str = "20261121-0142-audit-7f3k", **orchestration: Any) -> Tree:
        return create_tree(
            tmp_path / name,
            orchestration={"id": name, "request": "Audit this", **orchestration},
            agents={f"a{n}": {"kind": "command", "command": ["true"]} for n in range(count)},
            tasks={
                f"t{n}": {"agent": f"a{n}", "description": "do it", "needs": [f"t{n - 1}"] if n else []}
                for n in range(count)
            },
        )

    return make
