"""A small tree with every kind of file, made by the library's own writers: whole and at rest.

alice had two lives (the first was lost): she counted, told bob and everybody; bob read that and reported.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state_layout.files import atomic, codec
from state_layout.files.chain import Line
from state_layout.files.journal import Journal
from state_layout.host.identity import own_handle, tree_place
from state_layout.lives.attempts import Attempt, begin_attempt, recall, seal_exit
from state_layout.lives.checkpoints import Checkpointer
from state_layout.lives.history import History
from state_layout.mail.inbox import Inbox
from state_layout.mail.operator_mail import append_operator_message
from state_layout.mail.outbox import Outbox
from state_layout.paths import Tree
from state_layout.specs import accept, read_specs
from state_layout.tree.making import create_tree

ORCHESTRATION = {"id": "20261121-0142-count-files-7f3k", "request": "Count the files", "want": "run"}
AGENTS = {
    "alice": {"kind": "command", "command": ["python3", "count.py"], "role": "counts"},
    "bob": {"kind": "python", "callable": "report:main", "role": "reports"},
}
TASKS = {
    "count": {"agent": "alice", "description": "Count the files"},
    "report": {"agent": "bob", "description": "Write report.md", "needs": ["count"]},
}


def clock() -> Callable[[], str]:
    """Times that grow by a second: what is written never depends on when."""
    seconds = itertools.count()
    return lambda: f"2026-11-21T01:{next(seconds) % 60:02d}:00.000000Z"


class Author:
    """One life of an agent, written as its process would write it."""

    def __init__(self, tree: Tree, agent: str, now: Callable[[], str]) -> None:
        recalled = recall(tree, agent)
        self.tree, self.agent = tree, agent
        self.history: History = recalled.history
        self.attempt: Attempt = begin_attempt(tree, agent, recall=recalled, settings={}, now=now)
        self.history.take(self.attempt.start)
        self.outbox = Outbox(tree, agent, attempt=self.attempt.number, now=now)
        self.outbox.catch_up(self.history)
        self.inbox = Inbox(tree, agent, marks=self.history.marks)
        self.checkpointer = Checkpointer(self.attempt.paths, now=now)

    def write(self, type_: str, fields: dict[str, Any]) -> Line:
        """Journal one line, durably."""
        line = self.attempt.journal.record(type_, fields)
        self.attempt.journal.sync()
        self.history.take(line)
        return line

    def step(self, key: str, *, send: list[tuple[str, str]] = (), type_: str = "info") -> None:  # type: ignore[assignment]
        """A step that uses what has come in and sends texts."""
        messages = []
        for to, text in send:
            message = {"type": type_, "text": text}
            self.outbox.plan(to, message)
            messages.append(message)
        _, marks = self.inbox.fetch()
        told: dict[str, Any] = {"task": self.history.run and self.history.run.partition("#")[0], "run": 1}
        told |= {"key": key, "result": 3, "state": {"set": {key: 1}}}
        told |= {"sent": messages} if messages else {}
        told |= {"received": {name: list(mark) for name, mark in marks.items()}} if marks else {}
        self.write("step", told)
        self.outbox.deliver(messages)

    def save(self) -> None:
        """Write a checkpoint."""
        self.checkpointer.save(self.history, self.attempt.journal, self.outbox)

    def end(self, reason: str | None = "parked", **more: Any) -> None:
        """Publish the status, seal the life (unless it dies without a word), close everything."""
        tasks = {task: dict(phase=item.phase, run=item.run) for task, item in self.history.tasks.items()}
        status = {"agent": self.agent, "attempt": self.attempt.number, "phase": "parked", "tasks": tasks}
        path = self.tree.agent(self.agent).status
        atomic.refresh(path, codec.encode_pretty(status))
        self.attempt.journal.close()
        self.outbox.close()
        self.inbox.close()
        if reason is not None:
            seq = self.attempt.journal.synced_seq
            told = {"by": "agent", "reason": reason, "synced_seq": seq} | more
            seal_exit(self.tree, self.agent, self.attempt.number, **told)


def make_specs(root: Path) -> Tree:
    """A tree in which nothing has happened yet."""
    source = root.parent / "count.py"
    source.write_text("print(3)\n")
    files = {"count.py": source}
    tree = create_tree(root, orchestration=ORCHESTRATION, agents=AGENTS, tasks=TASKS, files=files)
    for rel, data in read_specs(tree).raw.items():
        accept(tree, {rel: data})
    return tree


def make_tree(root: Path) -> Tree:
    """The whole tree."""
    tree, now = make_specs(root), clock()
    supervise(tree, now)
    alice = Author(tree, "alice", now)
    write_output(alice)
    alice.write("task", {"task": "count", "run": 1, "phase": "running"})
    alice.step("look", send=[("bob", "one"), ("all", "hello")])
    alice.save()
    alice.step("look again", send=[("bob", "two")])
    alice.end(None)
    seal_exit(tree, "alice", 1, by="agent", reason="lost")
    append_operator_message(tree, "alice", text="focus on auth", now=now)
    alice = Author(tree, "alice", now)
    write_output(alice)
    alice.step("count", send=[("bob", "three")])
    alice.save()
    alice.write("progress", {"value": 0.5, "note": "half way"})
    alice.save()
    alice.write("task", {"task": "count", "run": 1, "phase": "done", "result": 3})
    alice.end()
    bob = Author(tree, "bob", now)
    write_output(bob)
    bob.write("task", {"task": "report", "run": 1, "phase": "running"})
    bob.step("gather", send=[("alice", "thanks")], type_="reply")
    bob.save()
    bob.write("artifact", {"path": "report.md"})
    bob.write("task", {"task": "report", "run": 1, "phase": "done"})
    bob.end()
    spend(tree, now)
    settle(tree)
    return tree


def copy_in_place(template: Tree, root: Path) -> Tree:
    """A copy of `template` that stands where it was supervised last, so no copy to its readers."""
    shutil.copytree(template.root, root, symlinks=True)
    tree = Tree(root)
    atomic.refresh(tree.host, codec.encode(tree_place(tree)))
    return tree


def supervise(tree: Tree, now: Callable[[], str]) -> None:
    """Two lives of a supervisor."""
    pin = None
    for life in (1, 2):
        atomic.make_folder(tree.life_journal(life).parent)
        journal = Journal.create(tree.life_journal(life), now=now)
        journal.commit("start", {"life": life, "pin": pin, "memory": {}})
        end = journal.commit("submit", {"agent": "alice", "attempt": life})
        pin = {"life": life, "seq": end.seq, "h": end.h}
        journal.close()


def write_output(author: Author) -> None:
    """Write what a program leaves: raw output, and files of its own that no check looks into."""
    paths = author.attempt.paths
    for path in (paths.stdout, paths.stderr, paths.control):
        write(path, b'{"progress": 0.5}\n')
    agent = author.tree.agent(author.agent)
    for folder in (agent.session, agent.workspace, agent.artifacts):
        atomic.make_folder(folder)
        write(folder / "report.md", b"3 files\n")
        (folder / "link").unlink(missing_ok=True)
        (folder / "link").symlink_to("report.md")


def spend(tree: Tree, now: Callable[[], str]) -> None:
    """A budget."""
    journal = Journal.open(tree.budget / "alice.jsonl", now=now)
    journal.commit("reserve", {"key": "k1", "cost_usd": 0.5, "tokens": 100})
    journal.commit("settle", {"key": "k1", "cost_usd": 0.4, "tokens": 90})
    journal.commit("reserve", {"key": "k2", "cost_usd": 0.1, "tokens": 10})
    journal.close()


def settle(tree: Tree) -> None:
    """Write what a supervisor leaves around: snapshots, host-bound files, an answer of a person."""
    status = {"phase": "done", "agents": {"alice": {"phase": "done"}}, "tasks": {"count": {"phase": "done"}}}
    atomic.refresh(tree.supervisor_status, codec.encode_pretty(status))
    atomic.replace(tree.restored, codec.encode_pretty({"next_seq": {"alice": {"bob": 2}}, "notes": []}))
    atomic.make_folder(tree.run_agents)
    atomic.refresh(tree.host, codec.encode(tree_place(tree)))
    atomic.refresh(tree.handle("alice"), codec.encode(own_handle(2).to_json() | {"pid": 1 << 22}))
    write(tree.beat("alice"), b"")
    write(tree.supervisor_log, b"")
    write(tree.ballast, bytes(64))
    write(tree.spec_lock, b"")
    write(tree.supervisor_lock, b"")
    for agent in AGENTS:
        write(tree.agent(agent).lock, b"")
    write(tree.approvals / "alice-9c1be07f21aa.yes", b"")


def write(path: Path, data: bytes) -> None:
    """Write a file that only this user may read."""
    path.write_bytes(data)
    path.chmod(0o600)
