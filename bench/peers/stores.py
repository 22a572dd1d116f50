"""Durable stores of others, contestants of `bench.sends` and `bench.steps`; each runs in the peers' venv."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers import install

_PROGRAMS = Path(__file__).with_name("programs")
_PATIENCE_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A peer, its program, and how many messages are enough to know its speed."""

    name: str
    peer: str
    program: str
    sends: int


STORES = (
    Store(
        name="LangGraph SqliteSaver",
        peer="langgraph-checkpoint-sqlite",
        program="langgraph_store.py",
        sends=2000,
    ),
    Store(name="DBOS on SQLite", peer="dbos", program="dbos_store.py", sends=240),
    Store(name="MAOS", peer="maos-cli", program="maos_store.py", sends=400),
)


def why_absent(store: Store) -> str | None:
    """Say why the store cannot be measured; None if it can."""
    try:
        install.require(store.peer)
    except install.Absent as cause:
        return str(cause)
    return None


def send_rate(store: Store, processes: int, count: int) -> Callable[[Path], float]:
    """A contestant: sends a second of `processes` senders together, `count` in all."""

    def run(folder: Path) -> float:
        return float(_run(store, "sends", folder, [processes, max(1, count // processes)]))

    return run


def step_times_us(store: Store, folder: Path, *, turn: int, count: int) -> list[float]:
    """Microseconds of each of `count` saves from turn `turn` on."""
    times: list[float] = _run(store, "steps", folder, [turn, count])
    return times


def _run(store: Store, what: str, folder: Path, numbers: list[int]) -> Any:
    """Give what the program answers. Raises RuntimeError with its last words."""
    command = [str(install.PYTHON), str(_PROGRAMS / store.program), what, str(folder), *map(str, numbers)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False, cwd=folder
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        words = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{store.name}: {words[0]}")
    return json.loads(lines[-1])
