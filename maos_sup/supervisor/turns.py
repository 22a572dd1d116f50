"""Says what a supervisor keeps from look to look, so that a turn costs what changed: the board of tasks, and
of whom something may have changed since nothing was left to do.

Both only save work. A general look concerns everybody, and in a small share of the time, and before an
orchestration is called finished, the board is found from nothing (`correct`): whatever is kept wrongly costs
latency, never a decision.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from maos_sup.core.board import SUPERVISOR, Board
from maos_sup.core.decide import board_of
from maos_sup.core.model import AgentObserved, Memory, Observation, Process

CORRECT_EVERY_S = 5.0
MOST_SHARE = 0.01  # of the time that passes, for finding the board from nothing


class Turns:
    """One stay keeps this from look to look. `concerned`: the agents to decide on, None for all."""

    def __init__(self) -> None:
        self._board: Board | None = None
        self._seen: Mapping[str, AgentObserved] = {}
        self._circumstances: tuple[bool, bool] = (True, False)
        self._waiting = set[str]()  # ready, and without a process: a moment or a slot decides
        self._correct_s = 0.0
        self.concerned: AbstractSet[str] | None = None
        self.changed: AbstractSet[str] = frozenset()  # the agents that were looked at last

    @property
    def board(self) -> Board:
        """The board says where the tasks stand. Only after the first `take`."""
        if self._board is None:
            raise RuntimeError("nothing was taken yet")
        return self._board

    def take(self, seen: Observation, memory: Memory, *, is_general: bool) -> None:
        """Take what was seen and is remembered."""
        self.changed = {name for name, each in seen.agents.items() if self._seen.get(name) is not each}
        circumstances = (seen.has_room, seen.leaving)
        is_general |= circumstances != self._circumstances
        self._seen, self._circumstances = seen.agents, circumstances
        if self._board is None or self._board.specs is not seen.specs:
            self._board, is_general = board_of(seen, memory), True
        concerned = {*self.changed, *self._waiting, *(self.concerned or ())}
        for name in self.changed:
            concerned |= self._owners(self._board.take(name, seen.agents[name].outcomes))
        concerned |= self._owners(self._board.take(SUPERVISOR, memory.outcomes))
        if is_general:
            self._correct_sometimes(self._board)
        self.concerned = None if is_general or self.concerned is None else concerned

    def settle(self) -> None:
        """Nothing is left to do: from now on only those are concerned of whom there is news, or who wait."""
        names = self._seen if self.concerned is None else self.concerned
        for name in names:
            observed = self._seen.get(name)
            is_ready = (
                observed is not None
                and observed.process is Process.GONE
                and self.board.first(name, answered=observed.answered) is not None
            )
            (self._waiting.add if is_ready else self._waiting.discard)(name)
        self.concerned = frozenset()

    def forget(self) -> None:
        """Memory is another one: everybody is concerned."""
        self.concerned = None

    def waits(self, agent: str) -> bool:
        """The `agent` is to be decided on though nothing is heard of it."""
        return agent in self._waiting

    def correct(self) -> bool:
        """Find the board from nothing; whether it was wrong. Then everybody is concerned."""
        if not self.board.correct():
            return False
        sys.stderr.write("supervisor: the phases of tasks were kept wrongly; they were found again\n")
        self.concerned = None
        return True

    def _correct_sometimes(self, board: Board) -> None:
        begun_s = time.monotonic()
        if begun_s >= self._correct_s:
            self.correct()
            now_s = time.monotonic()
            self._correct_s = now_s + max(CORRECT_EVERY_S, (now_s - begun_s) / MOST_SHARE)

    def _owners(self, tasks: AbstractSet[str]) -> set[str]:
        return {self.board.specs.tasks[task].agent for task in tasks}
