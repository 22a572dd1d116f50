"""A run in one process in which steps and messages may be durable later: `[intervals] sync` is `group`.

The sync that follows in a moment is a deed of its own here, so that any other may come between; what a step
did counts as acknowledged only then. Beside it what `script` does.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from maos_sup.agents.attempt.latecomers import Latecomers
from state_layout.paths import Tree
from state_layout.records import Intervals

from ..actor import Actor
from ..recorder import tell
from .script import _DEEDS, _Script


def run(root: Path, seed: int, *, deeds: int = 60) -> None:
    """Make a tree at `root` and do `deeds` in it."""
    _Group(root, Random(seed)).run(deeds, DEEDS)


class _AtADeed(Latecomers):
    """Makes nothing durable by itself."""

    def expect(self) -> None:
        pass


class _Late(Actor):
    def __init__(self, tree: Tree, agent: str) -> None:
        super().__init__(tree, agent)
        self.recorder.intervals = lambda: Intervals(sync="group")
        self.recorder.latecomers = _AtADeed(self.recorder.sync)
        self._late = list[tuple[int, tuple[Any, ...]]]()  # what was done, and by which line

    def step(self, task: str, key: str, result: Any, *sends: tuple[str, str], **effects: Any) -> None:
        messages: Any = [{"to": to, "text": text} for to, text in sends]
        fields = {"task": task, "run": 1, "key": key, "result": result, **effects}
        seq = self.recorder.commit("step", fields, messages=messages)
        numbers = self.recorder.look(lambda history: dict(history.sent))
        self._late.append((seq, ("step", self.agent, task, key, result)))
        self._late += [(seq, ("sent", self.agent, to, numbers[to], text)) for to, text in sends]

    def tell_durable(self) -> None:
        """Tell what is durable by now of what was done."""
        for seq, told in self._late:
            if seq <= self.recorder.synced_seq:
                tell(*told)
        self._late = [late for late in self._late if late[0] > self.recorder.synced_seq]

    def intend(self, task: str, key: str) -> None:
        super().intend(task, key)
        self.tell_durable()

    def settle(self, task: str, phase: str) -> None:
        super().settle(task, phase)
        self.tell_durable()


class _Group(_Script):
    actor = _Late

    def _moment(self, actor: Actor) -> None:
        """The moment is over."""
        assert isinstance(actor, _Late)
        actor.recorder.sync()
        actor.tell_durable()


DEEDS = {**_DEEDS, "moment": 10}
