"""Large trees, written by the library's own writers as agents would leave them; only the syncs are left out.

Nothing here measures. Agents of a ring each send messages to the next one, many to a step.
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from bench.orchestras import make
from state_layout.files import atomic, codec
from state_layout.files.chain import utc_now
from state_layout.files.journal import Journal
from state_layout.lives.attempts import Attempt, begin_attempt, recall, seal_exit
from state_layout.lives.checkpoints import Checkpointer
from state_layout.lives.history import History
from state_layout.mail.outbox import Outbox
from state_layout.paths import Tree

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

MESSAGES_A_STEP = 10
PROCESSES = 2
_LINES_A_TURN = 5
IDLER = {"kind": "command", "command": ["sleep", "100000"]}


def tree_of_messages(root: Path, *, agents: int, messages: int) -> Tree:
    """`agents` agents that sent `messages` messages in all, each with a status and an end in order."""
    names = [f"a{number:04}" for number in range(agents)]
    tree = made(root, names)
    pairs = list(zip(names, [*names[1:], names[0]], strict=True))
    _in_processes([(_write_sender, (tree, name, to, messages // agents)) for name, to in pairs])
    return tree


def tree_of_steps(root: Path, *, agents: int, megabytes: int) -> Tree:
    """`agents` agents whose journals hold `megabytes` MB of steps of 1 KB, all in all."""
    names = [f"a{number:04}" for number in range(agents)]
    tree = made(root, names)
    steps = megabytes * 1000 // agents
    _in_processes([(_write_steps, (tree, name, steps)) for name in names])
    return tree


def tree_of_answers(root: Path, *, agents: int, lines: int) -> Tree:
    """`agents` agents that asked a model: `lines` lines of questions, answers with costs, and tools."""
    names = [f"a{number:04}" for number in range(agents)]
    tree = made(root, names)
    pairs = list(zip(names, [*names[1:], names[0]], strict=True))
    _in_processes([(_write_answers, (tree, name, to, lines // agents)) for name, to in pairs])
    return tree


def tree_of_talkers(root: Path, *, agents: int, lines: int) -> tuple[Tree, list[Talker]]:
    """A ring of agents that live on; each line sends a message and reads what the one before has sent."""
    names = [f"a{number:04}" for number in range(agents)]
    tree = made(root, names)
    talkers = [
        Talker(tree, name, before=names[number - 1], to=names[(number + 1) % agents])
        for number, name in enumerate(names)
    ]
    for _ in range(lines // agents):
        for talker in talkers:
            talker.step()
    return tree, talkers


def journal_bytes(tree: Tree) -> int:
    """Bytes of all journals and mail files."""
    return sum(path.stat().st_size for path in tree.root.rglob("*.jsonl"))


def made(root: Path, names: list[str]) -> Tree:
    """A tree whose supervisor has started each agent once, and is gone."""
    tree = make(root, dict.fromkeys(names, IDLER))
    path = tree.life_journal(1)
    atomic.make_folder(path.parent)
    journal = Journal.create(path)
    journal.append("start", {"life": 1, "pin": None, "memory": {}})
    for name in names:
        journal.append("submit", {"agent": name, "attempt": 1})
    journal.sync()
    journal.close()
    return tree


def _in_processes(acts: list[tuple[Any, tuple[Any, ...]]]) -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(PROCESSES) as pool:
        for waiting in [pool.apply_async(act, arguments) for act, arguments in acts]:
            waiting.get()


class _Life:
    """One life of an agent: journal, mail, status, end."""

    def __init__(self, tree: Tree, agent: str) -> None:
        recalled = recall(tree, agent)
        self._tree, self._agent = tree, agent
        self.history: History = recalled.history
        self.attempt: Attempt = begin_attempt(tree, agent, recall=recalled, settings={})
        self.history.take(self.attempt.start)
        self.outbox = Outbox(tree, agent, attempt=self.attempt.number)
        self.outbox.catch_up(self.history)
        self.write("task", {"phase": "running"})

    @property
    def journal(self) -> Journal:
        return self.attempt.journal

    def write(self, type_: str, fields: dict[str, Any]) -> None:
        """One line about the agent's task."""
        self.history.take(self.journal.record(type_, {"task": self._agent, "run": 1, **fields}))

    def end(self) -> None:
        """The task is done; everything is durable."""
        self.write("task", {"phase": "done", "result": "all sent"})
        self.journal.sync()
        Checkpointer(self.attempt.paths).save(self.history, self.journal, self.outbox)
        tasks = {task: asdict(outcome) for task, outcome in self.history.tasks.items()}
        status = {
            "agent": self._agent,
            "attempt": self.attempt.number,
            "seq": self.history.seq,
            "at": utc_now(),
        }
        status |= {"phase": "parked", "tasks": tasks, "sent": self.history.sent_count}
        status |= {"cost_usd": self.history.cost_usd, "tokens": self.history.tokens}
        atomic.refresh(self._tree.agent(self._agent).status, codec.encode(status) + b"\n")
        seq = self.journal.synced_seq
        seal_exit(self._tree, self._agent, self.attempt.number, by="agent", reason="parked", synced_seq=seq)
        self.journal.close()
        self.outbox.close()


class Talker:
    """An agent of `tree_of_talkers`, which has written its journal up to here; nothing is synced."""

    def __init__(self, tree: Tree, agent: str, *, before: str, to: str) -> None:
        self.agent = agent
        self._life, self._before, self._to = _Life(tree, agent), before, to
        self._steps = 0

    def step(self) -> None:
        """One line more, and its message."""
        message: SentMessage = {"type": "info", "text": f"message {self._steps} of {self.agent}"}
        self._life.outbox.plan(self._to, message)
        fields: dict[str, Any] = {"key": f"s{self._steps % 1000}", "result": 1, "sent": [message]}
        if self._steps:
            fields["received"] = {f"{self.agent}/{self._before}": [self._steps, 0, ""]}
        self._life.write("step", fields)
        self._life.outbox.deliver([message])
        self._life.history.unmailed.clear()
        self._steps += 1

    def sync(self) -> None:
        """Make what it wrote durable."""
        self._life.journal.sync()

    def save(self) -> None:
        """Write a compaction, as agents do every two minutes."""
        life = self._life
        Checkpointer(life.attempt.paths).save(life.history, life.journal, life.outbox)

    def end(self) -> None:
        """It dies; what it wrote is durable."""
        self._life.journal.sync()
        self._life.journal.close()
        self._life.outbox.close()


def _write_sender(tree: Tree, agent: str, to: str, count: int) -> None:
    life = _Life(tree, agent)
    for number in range(0, count, MESSAGES_A_STEP):
        messages: list[SentMessage] = []
        for _ in range(min(MESSAGES_A_STEP, count - number)):
            text = f"message {number} of {agent} to {to}: counted, nothing found"
            message: SentMessage = {"type": "info", "text": text}
            life.outbox.plan(to, message)
            messages.append(message)
        life.write("step", {"key": f"send {number}", "result": number, "sent": messages})
        life.outbox.deliver(messages)
    life.end()


def _write_steps(tree: Tree, agent: str, count: int) -> None:
    life = _Life(tree, agent)
    for number in range(count):
        life.write("step", {"key": f"step {number % 1000}", "result": "x" * 830})
    life.end()


def _write_answers(tree: Tree, agent: str, to: str, count: int) -> None:
    life = _Life(tree, agent)
    usage = {"input_tokens": 1800, "output_tokens": 300, "cache_read_input_tokens": 900}
    for number in range(count // _LINES_A_TURN):
        key, call = f"k{number}", {"id": f"u{number}", "name": "bash"}
        life.write("request", {"n": number, "key": key, "purpose": "turn"})
        block = {"type": "tool_use", **call, "input": {"command": "x" * 300}}
        life.write("block", {"key": key, "index": 0, "block": block})
        told = {"role": "assistant", "key": key, "blocks": 1, "model": "m-1", "text": "x" * 1500}
        life.write("turn", {"n": number, **told, "usage": usage, "tokens": 3000, "cost_usd": 0.0125})
        life.write("tool_call", {**call, "token": key})
        message: SentMessage = {"type": "info", "text": f"message {number} of {agent}"}
        life.outbox.plan(to, message)
        life.write("tool_result", {**call, "content": "x" * 1800, "elapsed_s": 0.1, "sent": [message]})
        life.outbox.deliver([message])
    life.end()
