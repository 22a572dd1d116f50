"""Measures a line's way from its journal into a mirror: a real follower, a thousand lines a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import QUICK
from bench.orchestras import make
from maos_sup.system.followers import end_follower, start_followers
from state_layout.files.chain import ORIGIN, chained
from state_layout.host.mirrored import Mirrored, add_mirror

LINES_A_S = 1000
LASTS_S = 3.0 if QUICK else 20.0
JOURNAL = "agents/a/attempts/0001/journal.jsonl"  # that the lines are written to
_AT_ONCE = 10
_PATIENCE_S = 60.0
_AT = "2026-11-30T01:00:00.000000Z"


def lags_s(root: Path, url: str, newest: Callable[[], int]) -> list[float]:
    """The lag of every line, in seconds; `newest` asks the mirror for the last `seq` that it has.

    A line's clock begins when its write is done, and stops when somebody who asks again and again sees it.
    """
    tree = make(root, {"a": {"kind": "command", "command": ["true"]}})
    journal = tree.agent("a").attempt(1).journal
    journal.parent.mkdir(parents=True)
    position, written, lags = ORIGIN, list[float](), list[float]()
    fields: dict[str, object] = {"agent": "a", "attempt": 1, "pin": None, "settings": {}}
    line = chained(position, {"seq": 1, "at": _AT, "type": "start", **fields})
    journal.write_bytes(line.raw + b"\n")
    position, first = line.end, 1
    add_mirror(tree, Mirrored(name="bench", url=url))
    start_followers(tree)
    try:
        _await(lambda: newest() >= first)
        count, begin_s = int(LINES_A_S * LASTS_S), time.monotonic()
        with journal.open("ab", buffering=0) as file:
            while len(lags) < count:
                due = min(count, int((time.monotonic() - begin_s) * LINES_A_S)) - len(written)
                while due >= _AT_ONCE:
                    parts = []
                    for _ in range(_AT_ONCE):
                        step = {"type": "step", "task": "t", "run": 1, "key": "s", "result": "x" * 100}
                        line = chained(position, {"seq": position.seq + 1, "at": _AT, **step})
                        parts.append(line.raw + b"\n")
                        position = line.end
                    file.write(b"".join(parts))
                    written += [time.monotonic()] * _AT_ONCE
                    due -= _AT_ONCE
                seen_s, seen = time.monotonic(), newest() - first
                lags += [seen_s - each for each in written[len(lags) : seen]]
                if time.monotonic() - begin_s > LASTS_S + _PATIENCE_S:
                    raise RuntimeError("the follower does not come after")
                time.sleep(0.01)
    finally:
        end_follower(tree, "bench")
    return lags


def _await(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > end_s:
            raise RuntimeError("no follower began")
        time.sleep(0.02)
