"""A tree and a supervisor's parts for these tests; processes are played by the shipped fake launcher."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maos_sup.core.decide import decide_ahead
from maos_sup.core.model import Action
from maos_sup.launchers.memory import MemoryLauncher
from maos_sup.supervisor.apply import apply
from maos_sup.supervisor.life import Life, begin_life
from maos_sup.supervisor.observe import Observer
from maos_sup.supervisor.specs import SpecsInForce
from state_layout.files import disk
from state_layout.lives.attempts import begin_attempt, recall, seal_exit
from state_layout.paths import Tree
from state_layout.tree.making import create_tree


def make_tree(root: Path, *agents: str, **orchestration: Any) -> Tree:
    """A tree in which each agent has one task of its name."""
    return create_tree(
        root,
        orchestration={"id": "20261121-0142-test-0000", "request": "test", **orchestration},
        agents={name: {"kind": "command", "command": ["true"]} for name in agents},
        tasks={name: {"agent": name} for name in agents},
        files={},
    )


def begin_agent(tree: Tree, agent: str) -> int:
    """Do what an agent does first: begin its next attempt, and give its number."""
    attempt = begin_attempt(tree, agent, recall=recall(tree, agent), settings={})
    attempt.journal.close()
    return attempt.number


class Supervised:
    """One life of a supervisor, turned by hand."""

    def __init__(self, tree: Tree, launcher: MemoryLauncher | None = None) -> None:
        self.tree, self.launcher = tree, launcher or MemoryLauncher()
        self.specs = SpecsInForce(tree)
        self.life: Life = begin_life(tree)
        self.lookout = Observer(tree, self.launcher)

    def turn(self) -> list[Action]:
        """Look, decide, journal, act, once."""
        self.specs.refresh(now_s=time.monotonic())
        seen = self.lookout.observe(self.specs.now, self.life.memory, leaving=False)
        actions = decide_ahead(seen, self.life.memory)
        if actions:
            self.life.record(actions)
            apply(self.tree, self.launcher, actions, seen.specs)
        return actions

    def die(self, agent: str, reason: str | None = None, *, attempt: int = 1) -> None:
        """Let the agent's process end, having said `reason` or nothing."""
        if reason is not None:
            seal_exit(self.tree, agent, attempt, by="agent", reason=reason)
        self.launcher.end(agent, exit_code=1)


def dies_at(operation: int, work: Callable[[], None]) -> bool:
    """Do `work` in a child that ends before its n-th change of the disk; whether it got that far."""
    child = os.fork()
    if child == 0:
        left = operation

        def count(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(77)

        disk.tap(count)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 77), code
    return code == 77
