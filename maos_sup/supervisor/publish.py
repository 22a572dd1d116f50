"""The supervisor's snapshot for viewers: refreshed when it changes, at most ten times a second and for a
twentieth of the time, for it holds all tasks."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from maos_sup.core.board import Board
from maos_sup.core.decide import missing_attempt
from maos_sup.core.model import AgentObserved, Memory, Observation, Process
from maos_sup.core.phases import agent_phase, orchestration_phase
from state_layout.errors import LayoutError
from state_layout.files import atomic, codec
from state_layout.files.chain import utc_now
from state_layout.paths import Tree
from state_layout.records import Phase
from state_layout.witness import Witness

if TYPE_CHECKING:
    from state_layout.records.snapshots import SpecFault, SupervisedAgent, SupervisorSnapshot

LEAST_INTERVAL_S, WITNESS_INTERVAL_S = 0.1, 1.0
MOST_SHARE = 0.05  # of the time that passes, for making and writing snapshots


def snapshot(seen: Observation, memory: Memory, board: Board, *, final: Phase | None) -> SupervisorSnapshot:
    """Make the changing part of `supervisor/status.json`."""
    is_anyone_alive = any(agent.process is not Process.GONE for agent in seen.agents.values())
    phase = final or orchestration_phase(
        seen.specs, board.phases, is_anyone_alive=is_anyone_alive, is_supervised=True
    )
    return {
        "phase": phase,
        "agents": {name: _agent(seen, memory, name, board) for name in seen.specs.agents},
        "tasks": {
            task: {
                "phase": board.phases[task],
                "run": spec.run,
                "reason": memory.outcomes[task].error if task in memory.outcomes else None,
            }
            for task, spec in seen.specs.tasks.items()
        },
    }


def _agent(seen: Observation, memory: Memory, name: str, board: Board) -> SupervisedAgent:
    observed = seen.agents.get(name) or AgentObserved(process=Process.GONE)
    known = memory.of(name)
    spec = seen.specs.agents[name]
    waits_s = known.not_before_s - seen.now_s
    mine = board.phases_of(name)
    placed: SupervisedAgent = (
        {"where": observed.where} if observed.where and observed.process is not Process.GONE else {}
    )
    return {
        **placed,
        "phase": agent_phase(seen.specs, spec, observed, known=known, mine=mine, now_s=seen.now_s),
        "attempt": observed.last_attempt,
        "restarts": len(known.restarted_s),
        "reason": known.reason,
        "next_start_in_s": round(waits_s, 1) if known.restarted_s and waits_s > 0 else None,
    }


def notes_on_missing(seen: Observation, memory: Memory) -> list[str]:
    """List what people have to be told of agents whose last attempts vanished: none of them is begun
    again."""
    return [
        f"agents/{name}: attempt {missing} was here and is gone; put its folder back and work goes on "
        "(or stop, remove run/ and resume: then it begins with what is there)"
        for name, observed in seen.agents.items()
        if (missing := missing_attempt(observed, memory.of(name)))
    ]


class SupervisorPublisher:
    """Writes `supervisor/status.json` when there is news."""

    def __init__(self, tree: Tree, life: int) -> None:
        self._tree, self.life = tree, life
        self._witness, self._witness_due_s = Witness.named(tree), 0.0
        self._witness_trouble = ""
        self._last: SupervisorSnapshot | None = None
        self.next_s = 0.0  # when the next may follow
        self.is_behind = False  # there may be news that was too early to publish

    def publish(
        self,
        news: SupervisorSnapshot,
        *,
        specs: dict[str, str],
        spec_errors: Sequence[SpecFault],
        notes: Sequence[str],
        now_s: float,
    ) -> None:
        """Refresh the snapshot if it changed and the last one is old enough. Raises StorageError."""
        content: SupervisorSnapshot = {
            **news,
            "specs": specs,
            "spec_errors": list(spec_errors),
            "notes": list(notes),
        }
        self.is_behind = content != self._last and now_s < self.next_s
        if content == self._last or self.is_behind:
            return
        whole: SupervisorSnapshot = {"phase": news["phase"], "life": self.life, "at": utc_now(), **content}
        atomic.refresh(self._tree.supervisor_status, codec.encode_pretty(whole))
        self._last, self.next_s = content, now_s + LEAST_INTERVAL_S
        if self._witness is not None and now_s >= self._witness_due_s:
            self._witness_due_s = now_s + WITNESS_INTERVAL_S
            self._tell(self._witness)

    def _tell(self, witness: Witness) -> None:
        """Let the witness see how far everything is. Its troubles are not the tree's."""
        try:
            witness.note()
        except LayoutError as error:
            if str(error) != self._witness_trouble:
                sys.stderr.write(f"supervisor: the witness was told nothing: {error}\n")
            self._witness_trouble = str(error)

    def took(self, cost_s: float) -> None:
        """So much was spent on the last one: the next follows when that is a small share of the time."""
        self.next_s = max(self.next_s, time.monotonic() + cost_s / MOST_SHARE)

    def hurry(self) -> None:
        """Let the next call publish at once."""
        self.next_s = self._witness_due_s = 0.0
