"""Makes records of agents as a view sees them: written by the real writers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from state_layout.files import atomic, codec
from state_layout.host.identity import own_handle
from state_layout.host.marks import tree_place
from state_layout.lives.attempts import Attempt, begin_attempt, recall, seal_exit
from state_layout.paths import Tree

MakeTree = Callable[..., Tree]


def live(tree: Tree, agent: str, lines: list[tuple[str, dict[str, Any]]]) -> Attempt:
    """Let an agent live for these journal lines."""
    attempt = begin_attempt(tree, agent, recall=recall(tree, agent), settings={})
    for type_, fields in lines:
        attempt.journal.commit(type_, fields)
    attempt.journal.close()
    return attempt


def end(tree: Tree, agent: str, attempt: int, reason: str = "parked") -> None:
    """Let an attempt end in order."""
    assert seal_exit(tree, agent, attempt, by="agent", reason=reason)


def put(path: Path, value: dict[str, Any]) -> None:
    """Write a snapshot."""
    atomic.make_folder(path.parent)
    atomic.refresh(path, codec.encode(value))


def pass_for(tree: Tree, handle_file: Path, *, attempt: int = 1) -> None:
    """Write the handle of this test's process, on this host, into `run/`."""
    put(tree.host, tree_place(tree))
    put(handle_file, own_handle(attempt).to_json())
