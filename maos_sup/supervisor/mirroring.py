"""Sees to it that mirrors of the tree, and its spans, have followers as long as a supervisor lives.

A follower is nobody's dependent: it lives on when the supervisor dies, and is found by its lock.
"""

from __future__ import annotations

import os
import time

from maos_sup.core.telemetry import wants_spans
from maos_sup.system.followers import start_followers, start_sending
from state_layout.paths import Tree
from state_layout.records import Telemetry

_EVERY_S = 5.0


class Mirroring:
    """Looks now and then whether somebody follows. Costs one question where nothing is to be followed."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._folder = tree, os.fspath(tree.mirrors)
        self._due_s = 0.0

    def look(self, otel: Telemetry | None) -> None:
        """Start the followers that are missing; `otel`: what the spec says of spans. Never raises."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        sends, mirrors = wants_spans(otel, os.environ), os.path.isdir(self._folder)  # noqa: PTH112 - at each turn
        if not (sends or mirrors):
            return
        self._due_s = now_s + _EVERY_S
        if mirrors:
            start_followers(self._tree)
        if sends:
            start_sending(self._tree)
