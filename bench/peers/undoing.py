"""Peers that go back in time, contestants of `bench.undo`: seconds of one way back each."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import sized
from bench.peers import install

TURNS, FILES = sized(1000, 100), sized(2000, 200)
LANGGRAPH, STEPBACK = "LangGraph, one thread", "stepback, one folder"
_PROGRAM = Path(__file__).with_name("programs") / "langgraph_history.py"
_PATIENCE_S = 300
_EDITS = "sleep 3; echo 1 > file-0; sleep 3; echo 2 > file-1; sleep 3"  # two bursts, each settles


def absent() -> dict[str, str]:
    """The peers that are not here, and why."""
    found = dict[str, str]()
    for name, peers in {
        LANGGRAPH: ("langgraph", "langgraph-checkpoint-sqlite"),
        STEPBACK: ("stepback",),
    }.items():
        for peer in peers:
            try:
                install.require(peer)
            except install.Absent as cause:
                found[name] = str(cause)
    return found


def _langgraph(folder: Path) -> float:
    """Find the state in the middle of a thread's history, and go on from it."""
    done = _run([str(install.PYTHON), str(_PROGRAM), str(folder), str(TURNS)], folder)
    return float(json.loads(done.splitlines()[-1]))


def _stepback(folder: Path) -> float:
    """Take a folder back to its first checkpoint."""
    program = install.program("stepback")
    _run(["git", "init", "-q"], folder)
    for number in range(FILES):
        (folder / f"file-{number}").write_text(f"file {number}\n" * 500)
    _run([program, "run", "--", "sh", "-c", _EDITS], folder)
    began_s = time.monotonic()
    _run([program, "rewind", "1", "--yes"], folder)
    return time.monotonic() - began_s


def _run(words: list[str], folder: Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE_S, check=False, cwd=folder)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{Path(words[0]).name}: {last[0]}")
    return done.stdout


CONTESTANTS: dict[str, Callable[[Path], float]] = {LANGGRAPH: _langgraph, STEPBACK: _stepback}
