"""Measures following: a rebuild beside a naive one, a count beside DuckDB's own, a follower at rest."""

from __future__ import annotations

import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from bench.figures import QUICK, ROUNDS, Row, Section, scratch, spread
from bench.mirror_lag import JOURNAL, LASTS_S, LINES_A_S, lags_s
from bench.mirror_servers import postgres
from bench.orchestras import make, pss_mb, ran_s, until
from maos_sup.mirrors.duck.asking import FileQueries
from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor
from maos_sup.mirrors.registry import open_mirror
from state_layout.files.chain import ORIGIN, chained
from state_layout.host.mirrored import Mirrored, add_mirror, status_of_mirror
from state_layout.paths import Tree

if TYPE_CHECKING:
    from psycopg import Connection

LINES = 20_000 if QUICK else 1_000_000
ASKED_LINES = 20_000 if QUICK else 200_000
AGENTS = 100
IDLE_LOOKS = 50
LEAST_LINES_A_CPU_S = 150_000
MOST_LAG_S = 1.0
IDLE_S = 10.0 if QUICK else 60.0
_SETTLES_S = 10.0
_STAY = """
import sys
from pathlib import Path
from maos_sup.mirrors.following import follow
follow(Path(sys.argv[1]), sys.argv[2], stays=True)
"""
MOST_IDLE_PERCENT, MOST_IDLE_MB = 0.1, 20
_NEWEST = (
    "SELECT max(seq) FROM {schema}mirrored_line WHERE file = "
    f"(SELECT id FROM {{schema}}mirrored_file WHERE path = '{JOURNAL}')"
)
_AT = "2026-11-30T01:00:00.000000Z"


def measure() -> list[Section]:
    """The table of this file."""
    with scratch() as folder, postgres() as url:
        rows = [*_rebuilds(folder, url), *_counts(folder), *_idle_rows(folder), *_lags(folder, url)]
    note = (
        f"Rebuilds of {LINES:,} lines (100 journals, some 250 bytes a line), counts over {ASKED_LINES:,}. "
        "CPU time of the process, reading, hashing and checking included; not in it: the disk, "
        f"PostgreSQL's processes. Lag: {LINES_A_S:,} lines a second in one journal for {LASTS_S:g} s, "
        "a real follower, until a reader sees the line."
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


def _rebuilds(folder: Path, url: str | None) -> list[Row]:
    tree = filled(folder / "large", LINES)
    ours = [_per_cpu_s(partial(_rebuild, tree, folder / f"{number}.db")) for number in range(ROUNDS)]
    naive = [_per_cpu_s(partial(_naive, tree, folder / f"n{number}.db")) for number in range(ROUNDS)]
    far = [] if url is None else [_per_cpu_s(partial(_rebuild_at, tree, url)) for _ in range(ROUNDS)]
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
        *_far_rows(far, middle),
        Row(name="memory of both together, at most", value=f"{peak_mb:.0f} MB"),
    ]


def _far_rows(far: list[float], near: float) -> list[Row]:
    """PostgreSQL beside SQLite, where it is installed."""
    if not far:
        return []
    middle = statistics.median(far)
    return [
        Row(
            name="rebuild into PostgreSQL by COPY, lines a CPU second of ours",
            value=spread(far, "lines/s"),
            ratio=f"{middle / near:.2f}x SQLite",
            target=f">= {LEAST_LINES_A_CPU_S:,}",
            met=middle >= LEAST_LINES_A_CPU_S,
        )
    ]


def _rebuild_at(tree: Tree, url: str) -> None:
    mirror = open_mirror(url, "bench", may_make=True)
    mirror.rebuild(Looker(tree, Cursor()).batches())
    mirror.close()


def _lags(folder: Path, url: str | None) -> list[Row]:
    """Measure how late a line is in each sort of database."""
    path = folder / "lag.db"
    rows = [_lag_row("SQLite", lags_s(folder / "near", f"sqlite:{path}", partial(_newest_in_file, path)))]
    if url is not None:
        import psycopg

        with psycopg.connect(url, autocommit=True) as database:
            rows.append(_lag_row("PostgreSQL", lags_s(folder / "far", url, partial(_newest_at, database))))
    return rows


def _lag_row(name: str, lags: list[float]) -> Row:
    """The middle and the 95th of a hundred."""
    late_s = statistics.quantiles(lags, n=20)[-1]
    return Row(
        name=f"lag in {name} at {LINES_A_S:,} lines/s, p95",
        value=f"{late_s:.2f} s (median {statistics.median(lags):.2f}, at most {max(lags):.2f})",
        target=f"< {MOST_LAG_S:g} s",
        met=late_s < MOST_LAG_S,
    )


def _newest_in_file(path: Path) -> int:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            (seq,) = database.execute(_NEWEST.format(schema="")).fetchone()
    except sqlite3.OperationalError:  # not there yet
        return 0
    return seq or 0


def _newest_at(database: Connection[Any]) -> int:
    from psycopg.errors import UndefinedTable

    try:
        row = database.execute(_NEWEST.format(schema="maos.")).fetchone()
    except UndefinedTable:  # not there yet
        return 0
    return (row[0] if row else 0) or 0


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


def _idle_rows(folder: Path) -> list[Row]:
    """One look, and a real follower while nothing happens, from ten seconds after its start."""
    tree = Tree(folder / "asked")
    add_mirror(tree, Mirrored(name="idle", url=f"sqlite:{folder / 'idle.db'}"))
    process = subprocess.Popen([sys.executable, "-c", _STAY, str(tree.root), "idle"])
    try:
        until(lambda: status_of_mirror(tree, "idle")["state"] == "following")
        until(lambda: status_of_mirror(tree, "idle")["lag_bytes"] == 0)
        time.sleep(_SETTLES_S)
        before_s = ran_s(process.pid)
        time.sleep(IDLE_S)
        share = 100 * (ran_s(process.pid) - before_s) / IDLE_S
        used_mb = pss_mb(process.pid)
    finally:
        process.kill()
        process.wait()
    return [
        _idle_look(folder),
        Row(
            name=f"a follower of {AGENTS} agents at which nothing is new, CPU over {IDLE_S:g} s",
            value=f"{share:.3f} % of a core",
            target=f"<= {MOST_IDLE_PERCENT:g} %",
            met=share <= MOST_IDLE_PERCENT,
        ),
        Row(
            name="memory (PSS) of it",
            value=f"{used_mb:.1f} MB",
            target=f"<= {MOST_IDLE_MB} MB",
            met=used_mb <= MOST_IDLE_MB,
        ),
    ]


def _idle_look(folder: Path) -> Row:
    """Measure a look at which nothing is new, and so how often a follower may look."""
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
