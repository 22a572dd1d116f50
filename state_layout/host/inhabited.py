"""Says whether anybody lives in a tree, by the handles in `run/`: for viewers, who never try a lock."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from state_layout.host.identity import is_alive, read_handle
from state_layout.paths import Tree


def is_inhabited(tree: Tree) -> bool:
    """A supervisor or an agent lives, or may live."""
    if _may_live(tree.supervisor_handle):
        return True
    with suppress(OSError):
        return any(_may_live(path) for path in tree.run_agents.glob("*.handle.json"))
    return False


def _may_live(path: Path) -> bool:
    handle = read_handle(path)
    return handle is not None and is_alive(handle) is not False
