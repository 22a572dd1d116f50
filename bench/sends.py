"""Durable message sends per second, 1 KB each, from 1 and 8 processes: ours, raw append, SQLite, peers.

Ours is what every agent does, through its ledger: redact, journal, sync, mail, wake. `twice` is what of it no
language could leave out.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import Bars, Contestant, Figures, Row, Section, interleaved, not_run, ratio, sized, spread
from bench.peers.stores import STORES, send_rate, why_absent
from bench.together import rate_of
from maos_sup.agents.attempt.recorder import Recorder
from state_layout.host.triggers import TriggerReader, remove_triggers
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree
from state_layout.records import Intervals

TEXT, READER = "x" * 1000, "reader"
DATABASE = "messages.db"
SENDS = sized(6000, 400)
OURS, RAW, MAOS = "maos-sup", "raw append + fdatasync, own file", "MAOS"
GROUP, LEAST_OF_GROUP = 'maos-sup, `sync = "group"`', 2.0
TWICE = "raw append + fdatasync, and a second append unsynced"
FULL, NORMAL = "sqlite3 WAL, synchronous=FULL", "sqlite3 WAL, synchronous=NORMAL"
_Sender = Callable[[Path, int, int], None]  # folder, number of the process, how many sends


def raw(folder: Path, number: int, count: int) -> None:
    """An own file, append and fdatasync: the least a durable record can cost."""
    descriptor = os.open(folder / f"{number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    record = TEXT.encode() + b"\n"
    for _ in range(count):
        os.write(descriptor, record)
        os.fdatasync(descriptor)
    os.close(descriptor)


def twice(folder: Path, number: int, count: int) -> None:
    """As `raw`, and the record once more into a second file: what ours cannot leave out."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    journal, mail = (os.open(folder / f"{number}.{name}", flags, 0o600) for name in ("log", "mail"))
    record = TEXT.encode() + b"\n"
    for _ in range(count):
        os.write(journal, record)
        os.fdatasync(journal)
        os.write(mail, record)
    os.close(journal)
    os.close(mail)


def ours(folder: Path, number: int, count: int) -> None:
    """Do what an agent does to send, from its first line on: all that `Recorder.commit` does."""
    _send(folder, number, count, Intervals())


def grouped(folder: Path, number: int, count: int) -> None:
    """The same with `[intervals] sync` as `group`: up to 5 ms of it may be lost in a power cut."""
    _send(folder, number, count, Intervals(sync="group"))


def _send(folder: Path, number: int, count: int, intervals: Intervals) -> None:
    tree, name = Tree(folder), f"sender{number}"
    known = recall(tree, name)
    attempt = begin_attempt(tree, name, recall=known, settings={})
    known.history.take(attempt.start)
    ledger = Recorder(tree, name, attempt=attempt, history=known.history)
    ledger.intervals = lambda: intervals
    ledger.catch_up()
    for _ in range(count):
        ledger.commit("sent", {}, messages=[{"to": READER, "text": TEXT}])
    ledger.sync()
    ledger.close()


def sqlite_full(folder: Path, number: int, count: int) -> None:
    """As `sqlite`, synced at every commit: durable when acknowledged."""
    sqlite(folder, number, count, synchronous="FULL")


def sqlite_normal(folder: Path, number: int, count: int) -> None:
    """As `sqlite`, synced at checkpoints only: a power cut takes acknowledged messages."""
    sqlite(folder, number, count, synchronous="NORMAL")


def sqlite(folder: Path, number: int, count: int, *, synchronous: str) -> None:
    """One database of all senders, WAL, a transaction per message."""
    base = sqlite3.connect(folder / DATABASE, timeout=60, isolation_level=None)
    base.execute(f"PRAGMA synchronous={synchronous}")
    for _ in range(count):
        base.execute(
            "INSERT INTO message (sender, recipient, at, text) VALUES (?, ?, ?, ?)",
            (number, READER, time.time(), TEXT),
        )
    base.close()


def _prepare(folder: Path) -> None:
    """Make what stands before anybody sends: our specs, SQLite's schema (made by many, it is locked)."""
    agents = folder / "spec" / "agents"
    agents.mkdir(parents=True)
    for name in [READER, *(f"sender{number}" for number in range(8))]:
        (agents / f"{name}.json").write_text('{"kind": "command", "command": ["true"]}\n')
    with sqlite3.connect(folder / DATABASE) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, sender, recipient, at, text)")
    base.close()


def rate(sender: _Sender, processes: int) -> Contestant:
    """A contestant: sends per second of `processes` senders together."""

    def run(folder: Path) -> float:
        _prepare(folder)
        tree = Tree(folder)
        trigger = TriggerReader(tree, READER)  # somebody listens, as a rule
        try:
            return rate_of(sender, processes, folder, total=SENDS)
        finally:
            trigger.close()
            remove_triggers(tree)

    return run


def measure() -> list[Section]:
    """Both tables."""
    return [
        _sends(1, {RAW: 0.75}),
        _sends(8, {RAW: 0.58, FULL: 2.2, MAOS: 12.0}),
    ]


def _sends(processes: int, least: dict[str, float]) -> Section:
    """One table; `least`: how many times the figure of another ours has to be."""
    senders: dict[str, _Sender] = {
        OURS: ours,
        GROUP: grouped,
        RAW: raw,
        TWICE: twice,
        FULL: sqlite_full,
        NORMAL: sqlite_normal,
    }
    contestants = {name: rate(sender, processes) for name, sender in senders.items()}
    failed: dict[str, str] = {}
    for store in STORES:
        if why := why_absent(store):
            failed[store.name] = why
        contestants[store.name] = send_rate(store, processes, sized(store.sends, 40))
    figures = interleaved(contestants, failed=failed)
    rows = [_row(figures, name, least.get(name)) for name in figures]
    rows += [not_run(name, why) for name, why in failed.items()]
    return Section(
        title=f"Durable sends, {processes} process(es)",
        note="1 KB messages, durable when acknowledged (NORMAL, `group`: a power cut may take some). Ours is "
        "written twice, to the journal of its sender and to the mail of its reader. Ratio: ours to this one.",
        rows=rows,
        lost=_lost(figures, f"sends from {processes} process(es)"),
        bars=[_bars(figures, processes)],
    )


def _row(figures: Figures, name: str, least: float | None) -> Row:
    value = spread(figures[name], "sends/s")
    if name == OURS:
        return Row(name=name, value=value)
    gain = ratio(figures, OURS, name)
    if name == GROUP:
        return Row(
            name=name,
            value=value,
            ratio=f"{gain:.2f}x",
            target=f"<= {1 / LEAST_OF_GROUP:.2g}x",
            met=gain <= 1 / LEAST_OF_GROUP,
        )
    return Row(
        name=name,
        value=value,
        ratio=f"{gain:.2f}x",
        target=f">= {least}x" if least else "",
        met=gain >= least if least else None,
    )


def _lost(figures: Figures, what: str) -> list[str]:
    others = {name: ratio(figures, name, OURS) for name in figures if name not in (OURS, GROUP)}
    return [f"{what}: {name} makes {gain:.2f}x ours" for name, gain in others.items() if gain > 1]


def _bars(figures: Figures, processes: int) -> Bars:
    values = {name: statistics.median(values) for name, values in figures.items()}
    return Bars(
        title=f"Durable sends, {processes} process(es)", unit="per second", better="more", values=values
    )
