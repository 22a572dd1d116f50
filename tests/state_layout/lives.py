"""Lives of agents for tests: what a runner does with journal, mail and checkpoints, without processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from state_layout.files.chain import Line
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.lives.checkpoints import Checkpointer
from state_layout.lives.history import Mark
from state_layout.mail.inbox import Inbox
from state_layout.mail.outbox import Outbox
from state_layout.paths import Tree
from state_layout.records import Message


def make_tree(root: Path, *agents: str) -> Tree:
    """A tree in which `agents` are known."""
    tree = Tree(root)
    tree.agent_specs.mkdir(parents=True, exist_ok=True)
    for agent in agents:
        tree.agent_spec(agent).write_text("{}")
    return tree


class Life:
    """A life of `agent`, from its beginning on."""

    def __init__(self, tree: Tree, agent: str, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self.tree, self.agent = tree, agent
        recalled = recall(tree, agent)
        self.history, self.notes = recalled.history, recalled.notes
        self.attempt = begin_attempt(tree, agent, recall=recalled, settings={}, now=clock())
        self.history.take(self.attempt.start)
        self.journal = self.attempt.journal
        self.outbox = Outbox(tree, agent, attempt=self.attempt.number, now=clock(), clock=seconds)
        self.caught_up = self.outbox.catch_up(self.history)
        self.inbox = Inbox(tree, agent, marks=self.history.marks)
        self.checkpointer = Checkpointer(self.attempt.paths, now=clock())

    def commit(self, type_: str, *sends: tuple[str, str], **fields: Any) -> Line:
        """Record a line that sends (to, text)s, sync it, deliver."""
        messages: list[dict[str, Any]] = [{"text": text} for _, text in sends]
        for (to, _), message in zip(sends, messages, strict=True):
            self.outbox.plan(to, message)
        line = self.journal.record(type_, fields | ({"sent": messages} if messages else {}))
        self.history.take(line)
        self.journal.sync(line.seq)
        self.outbox.deliver(messages)
        return line

    def step(self, key: str, *sends: tuple[str, str], **fields: Any) -> Line:
        return self.commit("step", *sends, task="t", run=1, key=key, **fields)

    def receive(self, limit: int | None = None) -> list[Message]:
        """Fetch, and commit that with the texts as the step's result."""
        messages, marks = self.inbox.fetch(limit)
        if marks:
            texts = [message.text for message in messages]
            key = f"got-{self.history.seq}"
            self.step(key, received={name: list(mark) for name, mark in marks.items()}, result=texts)
        return messages

    def checkpoint(self) -> bool:
        return self.checkpointer.save(self.history, self.journal, self.outbox)

    def die(self) -> None:
        """Leave everything as a kill would."""
        self.journal.close()
        self.outbox.close()
        self.inbox.close()


def clock() -> Any:
    """Times that differ, the same in every run."""
    ticks = count()
    return lambda: f"2026-11-21T01:42:{next(ticks) // 1000 % 60:02d}.{next(ticks) % 1000:06d}Z"


def texts(messages: Sequence[Message]) -> list[str | None]:
    return [message.text for message in messages]


def all_mail(tree: Tree, reader: str, *, marks: Mapping[str, Mark] | None = None) -> list[Message]:
    """Everything that waits for `reader` beyond `marks`, without acknowledging it."""
    inbox = Inbox(tree, reader, marks=marks or {})
    try:
        return inbox.fetch()[0]
    finally:
        inbox.close()
