"""Trees that commands work on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from state_layout.paths import Tree
from state_layout.tree import create_tree


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


def new_tree(home: Path, name: str, **orchestration: Any) -> Tree:
    """Make a tree of agents alice and bob; bob's task needs alice's."""
    return create_tree(
        home / name,
        orchestration={"id": name, "request": "Audit this", **orchestration},
        agents={name: {"kind": "command", "command": ["true"]} for name in ("alice", "bob")},
        tasks={
            "count": {"agent": "alice", "description": "Count"},
            "report": {"agent": "bob", "description": "Report", "needs": ["count"]},
        },
    )
