"""Sees to it that every mirror of the tree has its follower, as long as a supervisor lives.

A follower is nobody's dependent: it lives on when the supervisor dies, and is found by its lock.
"""

from __future__ import annotations

import os
import time

from maos_sup.system.followers import start_followers
from state_layout.paths import Tree

_EVERY_S = 5.0


class Mirroring:
    """Looks now and then whether somebody follows. Costs one question where there are no mirrors."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._folder = tree, os.fspath(tree.mirrors)
        self._due_s = 0.0

    def look(self) -> None:
        """Start the followers that are missing. Never raises."""
        now_s = time.monotonic()
        if now_s < self._due_s or not os.path.isdir(self._folder):  # noqa: PTH112 - at each turn
            return
        self._due_s = now_s + _EVERY_S
        start_followers(self._tree)
