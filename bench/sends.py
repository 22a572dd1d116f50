"""Durable message sends per second, 1 KB each, from 1 and 8 processes: ours, raw append, SQLite WAL FULL."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import Row, Section, interleaved, ratio, spread
from state_layout.files import atomic
from state_layout.files.journal import Journal
from state_layout.lives.history import History
from state_layout.mail.outbox import Outbox
from state_layout.paths import Tree

TEXT = "x" * 1000
SENDS = 3000
_Sender = Callable[[Path, int, int], None]  # folder, number of the process, how many sends


def raw(folder: Path, number: int, count: int) -> None:
    """An own file, append and fdatasync: the least a durable record can cost."""
    descriptor = os.open(folder / f"{number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    record = TEXT.encode() + b"\n"
    for _ in range(count):
        os.write(descriptor, record)
        os.fdatasync(descriptor)
    os.close(descriptor)


def ours(folder: Path, number: int, count: int) -> None:
    """What an agent does to send: plan, journal the send, sync, append to the recipient's mail file."""
    tree = Tree(folder)
    name = f"sender{number}"
    journal_path = tree.agent(name).attempt(1).journal
    atomic.make_folder(journal_path.parent)
    journal = Journal.create(journal_path)
    outbox = Outbox(tree, name, attempt=1)
    outbox.catch_up(History())
    for _ in range(count):
        message = {"text": TEXT}
        outbox.plan("reader", message)
        journal.commit("sent", {"sent": [message]})
        outbox.deliver([message])
    journal.close()
    outbox.close()


def sqlite(folder: Path, number: int, count: int) -> None:
    """One database of all senders, WAL, synchronous=FULL, a transaction per message."""
    base = sqlite3.connect(folder / "messages.db", timeout=60, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, sender, recipient, at, text)")
    for _ in range(count):
        base.execute(
            "INSERT INTO message (sender, recipient, at, text) VALUES (?, 'reader', ?, ?)",
            (number, time.time(), TEXT),
        )
    base.close()


def _prepare(folder: Path) -> None:
    agents = folder / "spec" / "agents"
    agents.mkdir(parents=True)
    for name in ["reader", *(f"sender{number}" for number in range(8))]:
        (agents / f"{name}.json").write_text('{"kind": "command", "command": ["true"]}\n')


def rate(sender: _Sender, processes: int) -> Callable[[Path], float]:
    """A contestant: sends per second of `processes` senders together."""

    def run(folder: Path) -> float:
        _prepare(folder)
        context = multiprocessing.get_context("fork")
        barrier = context.Barrier(processes + 1)
        each = SENDS // processes

        def work(number: int) -> None:
            barrier.wait()
            sender(folder, number, each)

        workers = [context.Process(target=work, args=(number,)) for number in range(processes)]
        for worker in workers:
            worker.start()
        barrier.wait()
        began_s = time.perf_counter()
        for worker in workers:
            worker.join()
        return each * processes / (time.perf_counter() - began_s)

    return run


def measure() -> list[Section]:
    """Both tables."""
    sections = []
    for processes, against_raw, against_sqlite in ((1, 0.8, 1.1), (8, 0.75, 2.2)):
        senders: dict[str, _Sender] = {"maos-sup": ours, "raw append": raw, "sqlite FULL": sqlite}
        figures = interleaved({name: rate(sender, processes) for name, sender in senders.items()})
        to_raw, to_sqlite = (
            ratio(figures, "maos-sup", "raw append"),
            ratio(figures, "maos-sup", "sqlite FULL"),
        )
        rows = [
            Row(
                name="maos-sup",
                value=spread(figures["maos-sup"], "sends/s"),
                ratio=f"{to_raw:.2f}x raw, {to_sqlite:.2f}x sqlite",
                target=f">= {against_raw}x raw, >= {against_sqlite}x sqlite",
                met=to_raw >= against_raw and to_sqlite >= against_sqlite,
            ),
            Row(name="raw append + fdatasync, own file", value=spread(figures["raw append"], "sends/s")),
            Row(name="sqlite3 WAL, synchronous=FULL", value=spread(figures["sqlite FULL"], "sends/s")),
        ]
        note = "1 KB messages, each acknowledged only when durable. Ours is written twice (journal and mail)."
        sections.append(Section(title=f"Durable sends, {processes} process(es)", note=note, rows=rows))
    return sections
