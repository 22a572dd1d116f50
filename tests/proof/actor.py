"""Lives of agents and of a supervisor in this process: what a start does, in its order, without processes.

The parts are the product's own, as `maos_sup.agents.runner` and `maos_sup.supervisor.loop` put them together.
What an acknowledgement means is told to the recorder only after the product gave it.
"""

from __future__ import annotations

import os
from typing import Any

from maos_sup.agents.attempt.publish import Publisher
from maos_sup.agents.attempt.recorder import Recorder
from maos_sup.agents.output.translate import Translator, translate_leftovers
from maos_sup.core.memory import is_remembered_only
from maos_sup.supervisor.adopt import settle_in
from maos_sup.supervisor.life import Life, begin_life
from maos_sup.supervisor.specs import SpecsInForce
from state_layout.files import disk
from state_layout.files.locks import take_life_lock
from state_layout.lives.attempts import begin_attempt, list_attempts, read_exit, recall, seal_exit
from state_layout.mail.inbox import Inbox
from state_layout.paths import Tree
from state_layout.records import ExitReason, Message

from .recorder import tell

KEYWORDS = ("discovery",)


class Actor:
    """One life of an agent, from its lock to its death. `notes` is what it said about what it found."""

    def __init__(self, tree: Tree, agent: str) -> None:
        self.tree, self.agent = tree, agent
        self.lock = take_life_lock(tree.agent(agent).lock, patience_s=0.0)
        for number in reversed(list_attempts(tree.agent(agent))):
            if read_exit(tree, agent, number) is not None:
                break
            seal_exit(tree, agent, number, by="successor", reason=ExitReason.LOST)
        known = recall(tree, agent)
        self.attempt = begin_attempt(tree, agent, recall=known, settings={})
        self.number = self.attempt.number
        tell("attempt", agent, self.number)
        known.history.take(self.attempt.start)
        self.recorder = Recorder(tree, agent, attempt=self.attempt, history=known.history)
        self.publisher = Publisher(tree, agent, kind="python", attempt=self.number, recorder=self.recorder)
        self.notes = [*known.notes, *self.recorder.catch_up()]
        files, flags = self.attempt.paths, os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._outputs = [disk.create(path, flags, 0o600) for path in (files.stdout, files.control)]
        translate_leftovers(tree, agent, before=self.number, recorder=self.recorder, keywords=KEYWORDS)
        self.translator = Translator(tree, agent, self.number, recorder=self.recorder, keywords=KEYWORDS)
        self.inbox = Inbox(tree, agent, marks=self.recorder.marks())

    # -- deeds, each told when it was acknowledged

    def begin_task(self, task: str) -> None:
        self.recorder.commit("task", {"task": task, "run": 1, "phase": "running"})

    def intend(self, task: str, key: str) -> None:
        """Begin what must not be done twice: its intent is durable before it is done outside."""
        seq = self.recorder.record_later(
            "call", {"task": task, "run": 1, "key": key, "token": f"{key}.{self.number}"}
        )
        self.recorder.sync(seq)
        tell("done outside", self.agent, task, key)

    def step(self, task: str, key: str, result: Any, *sends: tuple[str, str], **effects: Any) -> None:
        messages = [{"to": to, "text": text} for to, text in sends]
        fields = {"task": task, "run": 1, "key": key, "result": result, **effects}
        self.recorder.commit("step", fields, messages=messages)
        tell("step", self.agent, task, key, result)
        numbers = self.recorder.look(lambda history: dict(history.sent))
        for to, text in sends:
            tell("sent", self.agent, to, numbers[to], text)

    def light(self, value: float) -> None:
        self.recorder.record_later("progress", {"value": value})

    def take(self, task: str, key: str, limit: int | None = None) -> list[Message]:
        """Receive, and commit that with what came of it."""
        messages, marks = self.inbox.fetch(limit)
        for message in messages:
            tell("saw", self.agent, message.to, message.sender, message.seq, message.text)
        if marks:
            told = [[message.to, message.sender, message.seq, message.text] for message in messages]
            self.step(task, key, told, received={name: list(mark) for name, mark in marks.items()})
        return messages

    def say(self, data: bytes, *, control: bool = False) -> None:
        """Write raw output, as a program does."""
        disk.write(self._outputs[control], data)

    def understand(self, *, is_final: bool = False) -> None:
        if is_final:
            self.translator.finish(lambda: True)
        else:
            self.translator.run()

    def save_output(self) -> None:
        self.translator.sync()
        for path in (self.translator.stdout.path, self.translator.control.path):
            if path.exists():
                tell("output", str(path.relative_to(self.tree.root)), path.stat().st_size)

    def settle(self, task: str, phase: str) -> None:
        self.recorder.sync_mail()
        self.recorder.commit("task", {"task": task, "run": 1, "phase": phase, "result": f"{task} {phase}"})
        self.publisher.publish()
        tell("settled", self.agent, task, phase)

    def checkpoint(self) -> None:
        self.recorder.checkpoint()

    def park(self) -> None:
        """End calmly."""
        self.recorder.sync()
        self.recorder.checkpoint()
        synced = self.recorder.synced_seq
        seal_exit(self.tree, self.agent, self.number, by="agent", reason="parked", synced_seq=synced)
        tell("sealed", self.agent, self.number, "parked")
        self.die()

    def die(self) -> None:
        """Leave everything as a kill would."""
        self.recorder.close()
        self.inbox.close()
        for descriptor in self._outputs:
            os.close(descriptor)
        self.lock.release()


class Overseer:
    """One life of a supervisor."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.lock = take_life_lock(tree.supervisor_lock, patience_s=0.0)
        self.specs = SpecsInForce(tree)
        self.place = settle_in(tree, self.specs.now)
        self.life: Life = begin_life(tree)
        self._remembered: list[Any] = []
        tell("life", self.life.number)

    def act(self, *actions: Any) -> None:
        """Record `actions`; what is only remembered is acknowledged with what follows from it."""
        self.life.record(actions)
        self._remembered += actions
        if not all(is_remembered_only(action) for action in actions):
            for action in self._remembered:
                kind, agent, attempt = type(action).__name__, action.agent, action.attempt
                tell("action", kind, agent, attempt)
            self._remembered.clear()

    def accept(self) -> None:
        """Take what people edited into force."""
        self.specs.refresh(now_s=0.0)
        self.specs.record(self.life, now_s=0.0)
        tell("accepted", dict(self.specs.digests))

    def die(self) -> None:
        self.life._journal.close()
        self.lock.release()
