"""The figures of one tree: its status and its money, with its unread mail and the room on its disk."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from maos_sup.metrics.families import TreeFigures
from maos_sup.projection.costs import Costs
from maos_sup.projection.reading import Reading

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status


def figures_of(reading: Reading, status: Status, costs: Costs, *, now_s: float) -> TreeFigures:
    """Gather the figures as of now."""
    try:
        free_bytes = shutil.disk_usage(reading.tree.root).free
    except OSError:
        free_bytes = None
    unread = {agent["name"]: reading.unread(agent["name"]) for agent in status["agents"]}
    return TreeFigures(
        folder=reading.tree.root,
        status=status,
        costs=costs,
        unread=unread,
        free_bytes=free_bytes,
        now_s=now_s,
    )
