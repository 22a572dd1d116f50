"""Tells agents that stay while nothing is ready: that there is a task now, or to give way.

Both are pulls of their triggers, journaled nowhere: an agent that hears neither ends by itself after
`[intervals] linger_s`. So each is told once for each time that it came to rest, and again where that was in
vain. Who came to rest last gives way first: in a chain that goes round, its turn comes last.
"""

from __future__ import annotations

from maos_sup.core.board import Board
from maos_sup.core.decide import lingerers
from maos_sup.core.model import Memory, Observation
from state_layout.host.triggers import GIVE_WAY, pull
from state_layout.paths import Tree

_AGAIN_S = 1.0  # told once more, if it still stays


class LingeringAgents:
    """These are the agents of `tree` that stay, and what they were told."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._since: dict[str, int] = {}  # who stays, and since when by its journal; the last one stands last
        self._told: dict[str, tuple[bool, float]] = {}  # whether to give way, and when it was told

    def look(self, seen: Observation, memory: Memory, board: Board) -> None:
        """Tell those who are to know of something. Never raises, never waits."""
        now = {name: observed.lingers for name, observed in seen.agents.items() if observed.lingers}
        for name, since in [*self._since.items()]:
            if now.get(name) != since:
                del self._since[name]
                self._told.pop(name, None)
        self._since |= now
        if not now:
            return
        called, leaving = lingerers(seen, memory, board, staying=[*reversed(self._since)])
        for name in (*called, *leaving):
            told = name in leaving
            before, at_s = self._told.get(name, (not told, 0.0))
            if before is not told or seen.now_s >= at_s + _AGAIN_S:
                pull(self._tree, name, about=GIVE_WAY if told else "")
                self._told[name] = told, seen.now_s
