"""What following costs: a rebuild beside a naive one, a count beside DuckDB's own, a follower at rest."""

from __future__ import annotations

import json
import resource
import sqlite3
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from bench.figures import QUICK, ROUNDS, Row, Section, scratch, spread
from bench.orchestras import make
from maos_sup.mirrors.duck.asking import FileQueries
from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor
from maos_sup.mirrors.registry import open_mirror
from state_layout.files.chain import ORIGIN, chained
from state_layout.paths import Tree

LINES = 20_000 if QUICK else 1_000_000
ASKED_LINES = 20_000 if QUICK else 200_000
AGENTS = 100
IDLE_LOOKS = 50
LEAST_LINES_A_CPU_S = 150_000
_AT = "2026-11-30T01:00:00.000000Z"


def measure() -> list[Section]:
    """The table of this file."""
    with scratch() as folder:
        rows = [*_rebuilds(folder), *_counts(folder), _idle_look(folder)]
    note = (
        f"Rebuilds of {LINES:,} lines (100 journals, some 250 bytes a line), counts over {ASKED_LINES:,}. "
        "CPU time of the process, reading, hashing and checking included; the disk's own time is not in it."
    )
    return [Section(title="Mirrors and SQL", note=note, rows=rows)]


def filled(root: Path, lines: int) -> Tree:
    """A tree with so many journal lines."""
    agents = {f"a{number:02}": {"kind": "command", "command": ["true"]} for number in range(AGENTS)}
    tree = make(root, agents)
    for agent in agents:
        position, parts = ORIGIN, list[bytes]()
        fields: dict[str, object] = {
            "type": "start",
            "agent": agent,
            "attempt": 1,
            "pin": None,
            "settings": {},
        }
        for seq in range(1, lines // AGENTS + 1):
            line = chained(position, {"seq": seq, "at": _AT, **fields})
            parts.append(line.raw + b"\n")
            position = line.end
            result = {"text": "x" * 100, "n": seq}
            fields = {"type": "step", "task": "t", "run": 1, "key": f"s{seq}", "result": result, "tokens": 12}
        journal = tree.agent(agent).attempt(1).journal
        journal.parent.mkdir(parents=True)
        journal.write_bytes(b"".join(parts))
    return tree


def _rebuilds(folder: Path) -> list[Row]:
    tree = filled(folder / "large", LINES)
    ours = [_per_cpu_s(partial(_rebuild, tree, folder / f"{number}.db")) for number in range(ROUNDS)]
    naive = [_per_cpu_s(partial(_naive, tree, folder / f"n{number}.db")) for number in range(ROUNDS)]
    middle = statistics.median(ours)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Row(
            name="rebuild into SQLite, lines a CPU second",
            value=spread(ours, "lines/s"),
            ratio=f"{middle / statistics.median(naive):.2f}x naive",
            target=f">= {LEAST_LINES_A_CPU_S:,}",
            met=middle >= LEAST_LINES_A_CPU_S,
        ),
        Row(name="naive: json.loads, executemany, no check", value=spread(naive, "lines/s")),
        Row(name="memory of both together, at most", value=f"{peak_mb:.0f} MB"),
    ]


def _per_cpu_s(rebuild: Callable[[], None]) -> float:
    began_s = time.process_time()
    rebuild()
    return LINES / (time.process_time() - began_s)


def _rebuild(tree: Tree, path: Path) -> None:
    mirror = open_mirror(f"sqlite:{path}", "bench", may_make=True)
    mirror.rebuild(Looker(tree, Cursor()).batches())
    mirror.close()
    path.unlink()


def _naive(tree: Tree, path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE line (agent, seq, at, type, raw, PRIMARY KEY (agent, seq))")
    for journal in sorted(tree.agents.glob("*/attempts/*/journal.jsonl")):
        agent = journal.parts[-4]
        told = ((json.loads(text), text) for text in journal.read_text().splitlines())
        rows = ((agent, line["seq"], line["at"], line["type"], text) for line, text in told)
        database.executemany("INSERT INTO line VALUES (?, ?, ?, ?, ?)", rows)
    database.commit()
    database.close()
    path.unlink()


def _counts(folder: Path) -> list[Row]:
    tree = filled(folder / "asked", ASKED_LINES)
    journals = f"{tree.agents}/*/attempts/*/journal.jsonl"
    ours, theirs = list[float](), list[float]()
    for _ in range(ROUNDS):
        began_s = time.process_time()
        with FileQueries([tree]) as queries:
            queries.ask("select count(*) from lines where type = 'step'")
        ours.append(time.process_time() - began_s)
        began_s = time.process_time()
        with duckdb.connect() as database:
            database.execute(f"select count(*) from read_json('{journals}') where type = 'step'").fetchall()
        theirs.append(time.process_time() - began_s)
    ratio = statistics.median(ours) / statistics.median(theirs)
    return [
        Row(
            name="sql: a count, everything included, CPU",
            value=spread(ours, "s", 2),
            ratio=f"{ratio:.2f}x read_json",
            target="<= 1x read_json",
            met=ratio <= 1,
        ),
        Row(name="DuckDB's read_json on the same files, CPU", value=spread(theirs, "s", 2)),
    ]


def _idle_look(folder: Path) -> Row:
    """What a look costs at which nothing is new, and so how often a follower may look."""
    looker = Looker(Tree(folder / "asked"), Cursor())
    for _ in looker.batches():
        pass
    times_us = []
    for _ in range(IDLE_LOOKS):
        began_s = time.process_time()
        for _ in looker.batches(is_whole=False):
            pass
        times_us.append(1e6 * (time.process_time() - began_s))
    return Row(name=f"a look at {AGENTS} agents at which nothing is new, CPU", value=spread(times_us, "us"))
