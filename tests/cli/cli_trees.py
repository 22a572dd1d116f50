"""Trees that commands work on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from state_layout.paths import Tree
from state_layout.tree.making import create_tree


class Answer(NamedTuple):
    """Holds what a command answered."""

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


def finish(tree: Tree) -> None:
    """Let all tasks of `new_tree` be done, as the agents' snapshots tell."""
    for agent, task in (("alice", "count"), ("bob", "report")):
        settle(tree, agent, task, "done")


def settle(tree: Tree, agent: str, task: str, phase: str) -> None:
    """Let a task have ended, as its agent's snapshot tells."""
    folder = tree.agent(agent).attempt(1).root
    folder.mkdir(parents=True)
    (folder / "exit.json").write_text('{"attempt": 1, "by": "agent", "reason": "parked"}')
    tree.agent(agent).status.write_text(
        json.dumps({"attempt": 1, "tasks": {task: {"phase": phase, "run": 1}}})
    )
