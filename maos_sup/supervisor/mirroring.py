"""Sees to it that mirrors of the tree, and its spans, have followers as long as a supervisor lives.

A follower is nobody's dependent: it lives on when the supervisor dies, and is found by its lock. One that
ends at once each time is started ever more seldom.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from maos_sup.core.telemetry import wants_spans
from maos_sup.system.followers import start_followers, start_sending
from state_layout.paths import Tree
from state_layout.records import Telemetry

_EVERY_S = 5.0
_LONGEST_S = 300.0  # between two starts
_STEADY_S = 30.0  # who is found alive so long after its start starts at once next time
_SPANS = ""  # no mirror has this name


class Mirroring:
    """Looks now and then whether somebody follows. Costs one question where nothing is to be followed.

    `clock`: seconds that only rise.
    """

    def __init__(self, tree: Tree, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tree, self._folder, self._clock = tree, os.fspath(tree.mirrors), clock
        self._due_s = 0.0
        self._tries: dict[str, tuple[float, float]] = {}  # by name: when it was started, pause until the next
        self._missing: set[str] = set()  # at this look

    def look(self, otel: Telemetry | None) -> None:
        """Start the followers that are missing; `otel`: what the spec says of spans. Never raises."""
        now_s = self._clock()
        if now_s < self._due_s:
            return
        sends, mirrors = wants_spans(otel, os.environ), os.path.isdir(self._folder)  # noqa: PTH112 - at each turn
        if not (sends or mirrors):
            return
        self._due_s = now_s + _EVERY_S
        self._missing.clear()
        if mirrors:
            start_followers(self._tree, may=self._may_start)
        if sends:
            start_sending(self._tree, may=lambda: self._may_start(_SPANS))
        self._tries = {
            name: tried
            for name, tried in self._tries.items()
            if name in self._missing or now_s < tried[0] + _STEADY_S
        }

    def _may_start(self, name: str) -> bool:
        """Say whether the follower that is missing is started now, which is noted."""
        now_s = self._clock()
        self._missing.add(name)
        started_s, pause_s = self._tries.get(name, (now_s, 0.0))
        if now_s < started_s + pause_s:
            return False
        self._tries[name] = now_s, min(_LONGEST_S, max(_EVERY_S, 2 * pause_s))
        return True
