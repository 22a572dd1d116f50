"""Tells people what wants attention: questions, used-up budgets, failures, the end; by programs that it runs.

An event is journaled before its command is started, so it is told at most once, whoever dies. Nothing waits
for the command but the end of the supervisor, for a moment; its failure is a note in the status, no more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from maos_sup.core.board import Board
from maos_sup.core.model import Memory, Notify
from maos_sup.supervisor.channels import Way, hint_of, ways_of
from maos_sup.supervisor.life import Life
from maos_sup.supervisor.programs import Programs
from state_layout.files import codec
from state_layout.lives.snapshot_reader import SnapshotReader
from state_layout.paths import Tree
from state_layout.records import Phase, TaskPhase

LAST_S = 10.0  # how long the end of the supervisor waits for it
LOOK_S = 0.1
_CAP = re.compile(r"^budget (of .*) used up: \S+ of (\S+ \w+)")  # whose, and how much: told once for each
_LONGEST_TEXT = 2000  # characters in the environment; standard input has all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice is something that wants attention. `key` tells it from all others of the tree."""

    key: str
    event: str  # question, budget, task_failed, done, failed
    text: str
    agent: str | None = None
    task: str | None = None
    question: str | None = None


class Notifier:
    """Tells the events of one tree. `troubles` is what went wrong with that, for the status.

    `snapshot` gives what an agent's snapshot said when it was looked at last.
    """

    def __init__(self, tree: Tree, snapshot: Callable[[str], SnapshotReader]) -> None:
        self._snapshot = snapshot
        self._programs = Programs(tree)

    @property
    def troubles(self) -> list[str]:
        """The troubles say for the status what went wrong."""
        return self._programs.troubles

    @property
    def is_busy(self) -> bool:
        """A command runs."""
        return self._programs.is_busy

    def look(self, board: Board, life: Life, agents: Iterable[str]) -> None:
        """Tell what is new of the tasks on `board`, and in the snapshots of `agents`.

        Raises StorageError if an event cannot be journaled; it is not told then.
        """
        self._programs.see_ends()
        orchestration = board.specs.orchestration
        ways = list(ways_of(orchestration.notify))
        if not ways:
            return
        for event in (*self._questions(agents), *self._failures(board, life.memory)):
            if event.key not in life.memory.notified:
                life.record([Notify(key=event.key, agent=event.agent or "")])
                self._start(ways, orchestration.id, event)

    def finish(self, board: Board, life: Life, phase: Phase) -> None:
        """Tell the end, and wait a moment for what still runs. Raises StorageError."""
        specs = board.specs
        self.look(board, life, specs.agents)
        ways = list(ways_of(specs.orchestration.notify))
        event = _end_event(board, phase)
        if ways and event is not None and event.key not in life.memory.notified:
            life.record([Notify(key=event.key, agent="")])
            self._start(ways, specs.orchestration.id, event)
        until_s = time.monotonic() + LAST_S
        while self._programs.is_busy and time.monotonic() < until_s:
            time.sleep(LOOK_S / 2)
            self._programs.see_ends()

    def _questions(self, agents: Iterable[str]) -> Iterator[Notice]:
        """Yield what agents ask, and whose budget is used up."""
        for agent in agents:
            status = self._snapshot(agent).status
            for asked in status.get("questions") or ():
                yield Notice(
                    key=f"question/{asked['id']}",
                    event="question",
                    text=str(asked.get("text")),
                    agent=agent,
                    task=asked.get("task"),
                    question=asked["id"],
                )
            reason = str(status.get("reason") or "")
            if status.get("phase") == "paused" and reason.startswith("budget "):
                key = f"budget/{agent}/{_digest(_CAP.findall(reason) or reason)}"
                yield Notice(key=key, event="budget", text=reason, agent=agent, task=status.get("task"))

    def _failures(self, board: Board, memory: Memory) -> Iterator[Notice]:
        for id_ in board.among(TaskPhase.FAILED):
            task = board.specs.tasks[id_]
            key = f"task_failed/{id_}#{task.run}"
            if key in memory.notified:
                continue
            outcome = self._snapshot(task.agent).outcomes.get(id_)
            reason = memory.outcomes[id_].error if id_ in memory.outcomes else None
            text = str(reason or (outcome and outcome.error) or "failed")
            yield Notice(key=key, event="task_failed", text=text, agent=task.agent, task=id_)

    def _start(self, ways: list[Way], id_: str, event: Notice) -> None:
        told = {"id": id_, **{key: item for key, item in asdict(event).items() if item is not None}}
        told["hint"] = hint_of(told)
        for way in ways:
            self._tell(way, event, told)

    def _tell(self, way: Way, event: Notice, told: Mapping[str, Any]) -> None:
        names = {f"MAOS_EVENT_{key.upper()}": str(item)[:_LONGEST_TEXT] for key, item in told.items()}
        what = f"notify: the {way.name} for {event.key}"
        self._programs.start(what, way.argv, told, variables={**names, "MAOS_EVENT": event.event})


def _end_event(board: Board, phase: Phase) -> Notice | None:
    """Make the event of the end of all work; None if it only paused or was stopped."""
    if phase not in (Phase.DONE, Phase.FAILED):
        return None
    specs, failed = board.specs, board.count(TaskPhase.FAILED)
    tasks = {id_: [task.run, board.phases[id_]] for id_, task in specs.tasks.items()}
    many = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    text = f"{many}, {failed} failed: {specs.orchestration.request}"
    return Notice(key=f"{phase}/{_digest(tasks)}", event=str(phase), text=text)


def _digest(value: Any) -> str:
    return sha256(codec.encode(value)).hexdigest()[:12]
