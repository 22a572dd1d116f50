"""Shared state: durable puts beside a raw append and other stores; reads, hooks, migrations, many keys."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figures import (
    ROUNDS,
    Bars,
    Contestant,
    Figures,
    Row,
    Section,
    interleaved,
    not_run,
    percentile,
    ratio,
    scratch,
    sized,
    spread,
)
from bench.peers.install import PYTHON
from maos_sup.system.hooking import ask_before
from state_layout.files import codec
from state_layout.files.chain import Line, Position
from state_layout.files.journal import Journal
from state_layout.paths import Tree
from state_layout.scopes.hooks import Hook
from state_layout.scopes.lines import Fold
from state_layout.scopes.schemas import compiled
from state_layout.scopes.store import ScopeStore

PUTS, READS, ITEMS = sized(1_500, 40), sized(20_000, 500), sized(100_000, 2_000)
KEYS = (sized(100_000, 1_000), sized(1_000_000, 10_000))
OURS, RAW, SQLITE, LANGGRAPH = (
    "maos-sup put",
    "raw chained append",
    "SQLite FULL upsert",
    "LangGraph SqliteStore",
)
VALUE: dict[str, Any] = {"text": "x" * 200, "n": 1}
_PEER = """
import sqlite3, sys, time
from langgraph.store.sqlite import SqliteStore
path, count = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
db.execute("PRAGMA journal_mode=WAL"); db.execute("PRAGMA synchronous=FULL")
store = SqliteStore(db)
store.setup()
value = {"text": "x" * 200, "n": 1}
store.put(("a",), "k", value)
began = time.perf_counter()
for n in range(count):
    store.put(("a",), f"k{n % 50}", value | {"n": n})
print((time.perf_counter() - began) / count * 1e6)
"""
OPS: list[dict[str, Any]] = [
    {"op": "rename", "from": "a", "to": "b"},
    {"op": "default", "key": "new", "value": 0},
    {"op": "remove", "key": "c"},
    {"op": "copy", "from": "d", "to": "e"},
]


def measure() -> list[Section]:
    """The tables of this file."""
    failed: dict[str, str] = {}
    contestants: dict[str, Contestant] = {OURS: _ours, RAW: _raw, SQLITE: _sqlite, LANGGRAPH: _langgraph}
    figures = interleaved(contestants, failed=failed)
    rows = [_put_row(figures, name) for name in (OURS, RAW, SQLITE, LANGGRAPH) if name in figures] + [
        not_run(name, why) for name, why in failed.items()
    ]
    note = f"A value of 200 characters, durable when the call returns; the mean of {PUTS} in {ROUNDS} rounds."
    lost = [
        f"a durable put: {name} takes {1 / ratio(figures, OURS, name):.2f}x as long"
        for name in (SQLITE, LANGGRAPH)
        if name in figures and ratio(figures, OURS, name) > 1
    ]
    values = {name: statistics.median(times) for name, times in figures.items()}
    bars = Bars(title="A durable put of a shared value", unit="microseconds", better="less", values=values)
    others = Section(
        title="Shared state: reads, hooks, migrations, many keys",
        note="In one process, files in the page cache.",
        rows=[*_reads(), _hook(statistics.median(figures[OURS])), *_migrations(), *_lists()],
    )
    return [Section(title="Shared state: a put", note=note, rows=rows, lost=lost, bars=[bars]), others]


def _put_row(figures: Figures, name: str) -> Row:
    told = "" if name == OURS else f"ours {ratio(figures, OURS, name):.2f}x of it"
    most = {RAW: 1.3, SQLITE: 1.0, LANGGRAPH: 1.0}.get(name)
    return Row(
        name=name,
        value=spread(figures[name], "us"),
        ratio=told,
        target="" if most is None else f"ours <= {most}x",
        met=None if most is None else ratio(figures, OURS, name) <= most,
    )


def _mean_us(act: Callable[[int], object], count: int) -> float:
    act(0)
    began_s = time.perf_counter()
    for number in range(count):
        act(number)
    return (time.perf_counter() - began_s) / count * 1e6


def _ours(folder: Path) -> float:
    store = ScopeStore(folder / "orchestration", "bench")
    return _mean_us(lambda n: store.put(f"k{n % 50}", VALUE | {"n": n}), PUTS)


def _raw(folder: Path) -> float:
    journal = Journal.create(folder / "raw.jsonl")
    return _mean_us(
        lambda n: journal.commit("put", {"n": n, "key": f"k{n % 50}", "value": VALUE | {"n": n}}), PUTS
    )


def _sqlite(folder: Path) -> float:
    db = sqlite3.connect(folder / "db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE kept (key TEXT PRIMARY KEY, value TEXT)")
    sql = "INSERT INTO kept VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    try:
        return _mean_us(lambda n: db.execute(sql, (f"k{n % 50}", codec.encode(VALUE | {"n": n}))), PUTS)
    finally:
        db.close()


def _langgraph(folder: Path) -> float:
    done = subprocess.run(
        [str(PYTHON), "-c", _PEER, str(folder / "db"), str(PUTS)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no word"])[-1])
    return float(done.stdout)


def _reads() -> list[Row]:
    with scratch() as folder:
        store = ScopeStore(folder / "orchestration", "bench")
        for number in range(50):
            store.put(f"k{number}", VALUE)
        time.sleep(0.1)  # until the clock of the folder has gone on
        inside = [_once_us(lambda n=n: store.get(f"k{n % 50}").value) for n in range(READS)]  # type: ignore[misc, union-attr]
        path = folder / "snapshot.json"
        path.write_bytes(codec.encode_pretty({f"k{n}": VALUE for n in range(50)}))
        outside = [_once_us(lambda: codec.decode(path.read_bytes())["k7"]) for _ in range(READS // 20)]
    return [
        _most("a value, read in process (p50)", percentile(inside, 0.5), "us", 20.0),
        _most("a value, read from the readable file (p50)", percentile(outside, 0.5), "us", 100.0),
    ]


def _once_us(act: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    act()
    return (time.perf_counter() - began_s) * 1e6


def _hook(put_us: float) -> Row:
    """Measure what a callable adds to a put."""
    hook = Hook(on="before_save", run="bench.shared_state:nothing")
    told: dict[str, object] = {
        "on": "before_save",
        "scope": "custom:x",
        "key": "k",
        "value": VALUE,
        "before": None,
        "by": "bench",
    }
    with scratch() as folder:
        tree = Tree(folder)
        costs = [_mean_us(lambda n: ask_before(tree, [hook], told), READS) for _ in range(ROUNDS)]
    share = statistics.median(costs) / put_us
    return Row(
        name="a hook that is a callable",
        value=spread(costs, "us", 2),
        ratio=f"{100 * share:.2f} % of a put",
        target="<= 1 % of a put",
        met=share <= 0.01,
    )


def nothing(told: dict[str, Any]) -> None:
    """A hook that lets all pass."""


def _migrations() -> list[Row]:
    function = compiled(OPS, where="bench")
    items = [{"a": 1, "c": 2, "d": 3, **{f"k{n}": n for n in range(7)}} for _ in range(ITEMS)]
    texts = [codec.encode(item) for item in items]
    inside, with_json = list[float](), list[float]()
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        for item in items:
            function(item)
        inside.append((time.perf_counter() - began_s) / ITEMS * 1e6)
        began_s = time.perf_counter()
        for text in texts:
            codec.encode(function(codec.decode(text)))
        with_json.append((time.perf_counter() - began_s) / ITEMS * 1e6)
    return [
        _most("a migration of 4 operations, an item of 10 keys", statistics.median(inside), "us", 1.5),
        _most("the same with JSON read and written", statistics.median(with_json), "us", 3.0),
    ]


def _lists() -> list[Row]:
    rows, times = list[Row](), dict[int, float]()
    for count in KEYS:
        fold = Fold()
        raw = b'{"seq":1,"at":"","type":"put","n":1,"key":"k","value":1,"h":"000000000000"}'
        for n in range(count):
            line = Line(raw, Position(n + 1, 0, ""))
            fold.take("bench", line, {"type": "put", "n": n + 1, "key": f"group{n % 1000:03d}/{n}"})
        list(fold.sorted_keys("x"))  # sorted once
        took = [_once_us(lambda fold=fold: list(fold.sorted_keys("group07"))) / 1e3 for _ in range(ROUNDS)]  # type: ignore[misc]
        times[count] = statistics.median(took)
        rows.append(_most(f"a prefix of a hundredth of {count:,} keys", times[count], "ms", 50.0))
    growth = times[KEYS[1]] / times[KEYS[0]]
    most = 1.5 * KEYS[1] / KEYS[0]
    rows.append(_most(f"growth from {KEYS[0]:,} to {KEYS[1]:,} keys", growth, "x", most))
    return rows


def _most(name: str, value: float, unit: str, most: float) -> Row:
    return Row(name=name, value=f"{value:,.2f} {unit}", target=f"<= {most:g} {unit}", met=value <= most)
