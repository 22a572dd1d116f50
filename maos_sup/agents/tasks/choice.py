"""Chooses the next task of an agent: the first that is ready, by its own records and those of others.

What it finds out it keeps: who waits for nobody asks nobody. Whether others have gone on is looked at for a
small share of the time, and always before it is said that nothing is ready.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping

from maos_sup.agents.attempt.outcomes import Others
from maos_sup.core.board import SUPERVISOR, Board
from maos_sup.standing.supervisors import settled_by_supervisor
from state_layout.paths import Tree
from state_layout.records import SETTLED, Specs, TaskOutcome, TaskPhase, TaskSpec

_MOST_SHARE = 0.05  # of the time that passes, for looks at what others did


class TaskChoice:
    """Chooses for one life of `agent`."""

    def __init__(self, tree: Tree, agent: str) -> None:
        self._tree, self._agent = tree, agent
        self._others = Others(tree, {})
        self._board: Board | None = None
        self._needed: dict[str, list[str]] = {}  # by agent, its tasks that are needed, until all are settled
        self._due_s = 0.0

    def next(
        self, specs: Specs, own: Mapping[str, TaskOutcome], *, answered: Collection[str]
    ) -> tuple[TaskSpec | None, bool]:
        """Choose the task to work on now, or None and whether one waits for an answer.

        `own`: how the tasks of this agent stand by its own records; tasks in `answered` have an answer.
        """
        board = self._up_to_date(specs, own)
        is_asked = time.monotonic() >= self._due_s
        if is_asked:
            self._ask(board)
        task = board.first(self._agent, answered=answered)
        if task is None and not is_asked:
            self._ask(board)
            task = board.first(self._agent, answered=answered)
        return task, task is None and TaskPhase.ASKING in board.phases_of(self._agent)

    def waits_for_others(self) -> bool:
        """A task of this agent waits for needs, of which one at least may be met by another agent yet."""
        board = self._board
        return board is not None and bool(self._needed) and TaskPhase.WAITING in board.phases_of(self._agent)

    def was_only_one(self) -> bool:
        """No other task was ready when `next` chose one."""
        return self._board is not None and self._board.count_of(self._agent, TaskPhase.READY) <= 1

    def _up_to_date(self, specs: Specs, own: Mapping[str, TaskOutcome]) -> Board:
        settled = settled_by_supervisor(self._tree)
        board = self._board
        if board is None or board.specs is not specs:
            board = self._board = Board(specs, {self._agent: own, SUPERVISOR: settled})
            self._needed = _needed_of_others(specs, self._agent)
            self._others, self._due_s = Others(self._tree, self._needed), 0.0
        else:
            board.take(self._agent, own)
            board.take(SUPERVISOR, settled)
        return board

    def _ask(self, board: Board) -> None:
        """Look whether those went on for whom tasks wait."""
        began_s = time.monotonic()
        for agent, tasks in [*self._needed.items()]:
            if all(board.phases[task] in SETTLED for task in tasks):
                del self._needed[agent]
            elif (news := self._others.news(agent)) is not None:
                board.take(agent, news)
        now_s = time.monotonic()
        self._due_s = now_s + (now_s - began_s) / _MOST_SHARE


def _needed_of_others(specs: Specs, agent: str) -> dict[str, list[str]]:
    """Find the tasks of other agents that those of `agent` need, by agent."""
    needed = defaultdict[str, dict[str, None]](dict)
    for task in specs.tasks.values():
        if task.agent == agent:
            for need in task.needs:
                if need in specs.tasks and specs.tasks[need].agent != agent:
                    needed[specs.tasks[need].agent][need] = None
    return {owner: [*tasks] for owner, tasks in needed.items()}
