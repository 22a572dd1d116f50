"""Checkpoints that the supervisor takes by itself: at an interval, and after a task settled.

They cost what was written since the last one, and never hold anybody up: no agent is told. What goes wrong is
a note in the status, for a checkpoint is a convenience; records do not depend on it. The bytes of the specs,
half of what the first one costs, are kept before, while nobody waits for the end.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from maos_sup.core.board import Board
from maos_sup.cuts.store import keep_specs
from maos_sup.cuts.take import take_cut, team_reader
from maos_sup.cuts.thinning import thin
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import SETTLED, Specs

LEAST_GAP_S = 1.0  # tasks that settle one after the other are one checkpoint
MOST_SHARE = 0.01  # of the time that passes, for taking them
FIRST_AFTER_S = 2.0
_MOST_AT_ONCE = 64  # specs in one turn


class TeamCheckpoints:
    """Takes the checkpoints of one stay of a supervisor. `trouble` is what went wrong last, or None."""

    def __init__(self, tree: Tree, *, first_after_s: float = FIRST_AFTER_S) -> None:
        self._tree, self._reader = tree, team_reader(tree)
        self._settled = -1  # tasks, at the last look
        self._is_wanted = False  # a task settled since the last checkpoint
        self._taken_s, self._may_s = time.monotonic(), time.monotonic() + first_after_s
        self._unkept: list[bytes] | None = None  # specs to be kept ahead; None: they are not known yet
        self.trouble: str | None = None

    @property
    def due_s(self) -> float | None:
        """A checkpoint is to be taken at this time though nothing happens, of those that wait for it;
        None: none."""
        if self._unkept:
            return max(self._may_s, time.monotonic())
        return self._may_s if self._is_wanted else None

    def keep_ahead(self, specs: Iterable[bytes]) -> None:
        """Keep the bytes of `specs` in the looks that follow, a part in each. Once: few are edited later."""
        if self._unkept is None:
            self._unkept = list(specs)

    def look(self, board: Board, *, is_last: bool) -> None:
        """Take one if it is time, or if a task settled and the last one is old enough; at the end always."""
        specs, settled = board.specs, board.count(*SETTLED)
        self._is_wanted |= self._settled not in (-1, settled)
        is_first, self._settled = self._settled == -1, settled
        now_s = time.monotonic()
        is_time = now_s >= self._taken_s + specs.orchestration.intervals.checkpoint_s
        if is_last:
            self._take(specs, "the end") if self._is_wanted or not is_first else None
        elif now_s >= self._may_s and (is_time or self._is_wanted):
            self._take(specs, "a task settled" if self._is_wanted else "its time")
        elif now_s >= self._may_s and self._unkept:
            self._keep_some(self._unkept)

    def _keep_some(self, unkept: list[bytes]) -> None:
        try:
            keep_specs(self._tree, unkept[:_MOST_AT_ONCE])
            del unkept[:_MOST_AT_ONCE]
        except LayoutError as error:
            unkept.clear()  # the checkpoint will say so if it lasts
            self.trouble = f"no checkpoint of the team: {error}"

    def _take(self, specs: Specs, why: str) -> None:
        began_s = time.monotonic()
        try:
            cut = take_cut(self._tree, by="supervisor", why=why, reader=self._reader)
            self._unkept = []
            self._reader.forget_before(cut.places)
            thin(self._tree, specs.orchestration.keep)
            self.trouble = None
        except LayoutError as error:
            self.trouble = f"no checkpoint of the team: {error}"
        self._is_wanted, self._taken_s = False, time.monotonic()
        took_s = self._taken_s - began_s
        self._may_s = self._taken_s + max(LEAST_GAP_S, took_s / MOST_SHARE)
