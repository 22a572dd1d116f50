"""Checkpoints of 50 KB beside SQLite, from 1 and 8 processes, and the bytes that a record of 1 KB takes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from bench.figures import Row, Section, interleaved, ratio, scratch, sized, spread
from bench.together import rate_of
from state_layout.files import atomic
from state_layout.files.chain import utc_now
from state_layout.files.journal import Journal
from state_layout.lives.checkpoints import SLOTS, Slots, encoded
from state_layout.lives.history import History
from state_layout.paths import Tree

CHECKPOINT_BYTES = 50_000
SAVES = sized(1200, 160)
RECORDS, RECORD_BYTES = 1000, 1000
MOST_OVERHEAD = 1.1
DATABASE = "checkpoints.db"
_Saver = Callable[[Path, int, int], None]  # folder, number of the process, how many saves


def two_slots(folder: Path, number: int, count: int) -> None:
    """Ours: the folded history overwrites one of two slots in turn, encoded and hashed each time."""
    paths = Tree(folder).agent(f"agent{number}").attempt(1)
    atomic.make_folder(paths.checkpoint(0).parent)
    history, slots = _sized(), Slots(paths)
    for turn in range(count):
        history.state["turn"] = "x" * (turn % 100)  # no two are equally long
        slots.write(SLOTS[turn % 2], history=history, at=utc_now())
    slots.close()


def sqlite(folder: Path, number: int, count: int) -> None:
    """One database, WAL, synchronous=FULL, the blob of each agent replaced in a transaction."""
    base = sqlite3.connect(folder / DATABASE, timeout=60, isolation_level=None)
    base.execute("PRAGMA synchronous=FULL")
    data = b"x" * CHECKPOINT_BYTES
    for _ in range(count):
        base.execute("REPLACE INTO checkpoint VALUES (?, ?)", (number, data))
    base.close()


def _prepare(folder: Path) -> None:
    """The schema of SQLite: made by many at once, it is locked."""
    with sqlite3.connect(folder / DATABASE) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("CREATE TABLE checkpoint (agent INTEGER PRIMARY KEY, data BLOB)")
    base.close()


def measure() -> list[Section]:
    """All tables of this file."""
    return [_checkpoints(1, least=1.5), _checkpoints(8, least=3.0), _bytes()]


def _checkpoints(processes: int, *, least: float) -> Section:
    savers: dict[str, _Saver] = {"maos-sup": two_slots, "sqlite FULL": sqlite}
    figures = interleaved({name: _rate(saver, processes) for name, saver in savers.items()})
    gain = ratio(figures, "maos-sup", "sqlite FULL")
    rows = [
        Row(
            name="maos-sup, two slots in turn",
            value=spread(figures["maos-sup"], "saves/s"),
            ratio=f"{gain:.2f}x sqlite",
            target=f">= {least}x sqlite",
            met=gain >= least,
        ),
        Row(name="sqlite3 WAL, synchronous=FULL", value=spread(figures["sqlite FULL"], "saves/s")),
    ]
    size = len(encoded(_sized(), at=utc_now()))
    note = f"{size:,} bytes a checkpoint; ours is encoded and hashed each time."
    return Section(title=f"Checkpoints of 50 KB, {processes} process(es)", note=note, rows=rows)


def _sized() -> History:
    history = History()
    history.state = {"text": "x" * CHECKPOINT_BYTES}
    return history


def _rate(saver: _Saver, processes: int) -> Callable[[Path], float]:
    """A contestant: saves per second of `processes` savers together."""

    def run(folder: Path) -> float:
        _prepare(folder)
        return rate_of(saver, processes, folder, total=SAVES)

    return run


def _bytes() -> Section:
    with scratch() as folder:
        journal = Journal.create(folder / "journal.jsonl")
        for _ in range(RECORDS):
            journal.append("note", {"text": "x" * RECORD_BYTES})
        journal.close()
        each = (folder / "journal.jsonl").stat().st_size / RECORDS
    row = Row(
        name="a line of a journal",
        value=f"{each:,.0f} bytes",
        ratio=f"{each / RECORD_BYTES:.2f}x the payload",
        target=f"<= {MOST_OVERHEAD}x",
        met=each <= MOST_OVERHEAD * RECORD_BYTES,
    )
    note = f"{RECORDS:,} records; payload {RECORD_BYTES:,} bytes of text, the rest is number, time and chain."
    return Section(title="Bytes of a record of 1 KB", note=note, rows=[row])
