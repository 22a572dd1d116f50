"""Says how an orchestration stands, printed. Imports nothing for options: `status DIR` is typed most."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from maos_sup.cli import edge
from maos_sup.cli.places import tree_or_default, word_of
from maos_sup.cli.says import say, say_json
from maos_sup.views.events import counted
from maos_sup.views.render import (
    agents_table,
    discovery_lines,
    head_lines,
    message_lines,
    tasks_table,
    terminal_width,
)
from maos_sup.views.status import status_of
from state_layout.files.looking import is_dir
from state_layout.paths import Tree

if TYPE_CHECKING:
    from maos_sup.views.shapes import SnapshotsShown


def show(tree: Tree, *, pages: Collection[str] = (), as_json: bool = False, is_measured: bool = False) -> int:
    """Print how `tree` stands and return OK. `pages`: "agents", "tasks", "messages"; none: agents and tasks.

    `is_measured`: processes are looked at twice, half a second apart, for what they use.
    Raises LayoutError for a tree that cannot be read.
    """
    status = status_of(tree)
    status["snapshots"] = _snapshots(tree)
    if is_measured:
        from maos_sup.cli.top import measure

        measure(status)
    if "messages" in pages:
        from maos_sup.cli.messages import newest

        status["messages"] = newest(tree, limit=20)
    if as_json:
        say_json(status)
        return edge.OK
    width = terminal_width()
    lines = head_lines(status, name=word_of(tree), width=width)
    if count := status["snapshots"]["count"]:
        size_mb = status["snapshots"]["bytes"] / 1e6
        lines.append(f"{counted(count, 'snapshot')} of files: {size_mb:.1f} MB")
    if not pages or "agents" in pages:
        lines += ["", *agents_table(status, width=width)]
    if not pages or "tasks" in pages:
        lines += ["", *tasks_table(status, width=width)]
    if not pages:
        lines += discovery_lines(status, width=width)
    if "messages" in pages:
        lines += ["", *message_lines(status["messages"])]
    say("\n".join(lines))
    return edge.OK


def _snapshots(tree: Tree) -> SnapshotsShown:
    if not is_dir(tree.workspaces):
        return {"count": 0, "bytes": 0}
    from maos_sup.workspaces.snapshots import stored  # most trees have none

    count, size = stored(tree)
    return {"count": count, "bytes": size}


def show_plainly(directory: str | None) -> int:
    """Print how the tree that `directory` names stands, or the default one. Raises LayoutError."""
    return show(tree_or_default(directory))
