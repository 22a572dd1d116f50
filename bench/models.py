"""Agents with a language model: how soon they ask, what they weigh. The model is a server on loopback."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path
from typing import Any

from bench.figures import Row, Section, scratch, spread
from bench.orchestras import make, pid_of, supervised, until
from maos_sup.loopback.reply import ReplyPace, ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer

AGENTS = 8
MOST_USS_MB, MOST_START_S = 20.0, 0.3


def measure() -> list[Section]:
    """All tables of this file."""
    with scratch() as folder, LoopbackServer(_slow) as server:
        names = [f"a{number}" for number in range(AGENTS)]
        agent: dict[str, Any] = {"kind": "anthropic", "model": "claude-sonnet-4-6", "base_url": server.url}
        tree = make(folder / "tree", dict.fromkeys(names, agent))
        with supervised(tree):
            began_s = time.perf_counter()
            first_s = until(lambda: len(server.log.requests()) >= 1) - began_s
            until(lambda: len(server.log.requests()) >= AGENTS)
            time.sleep(1)
            weights = [_uss_mb(pid_of(tree, name)) for name in names]
            starts_ms = [_restart_ms(server, pid_of(tree, name)) for name in names]
    return [
        Section(
            title=f"{AGENTS} agents of kind anthropic, each in the middle of an answer",
            note="USS: memory that is the process's own. Importing the SDK alone takes 1.3 s and 77 MB.",
            rows=[
                Row(name="supervisor started until the first question", value=f"{first_s:.2f} s"),
                Row(
                    name="killed until the next life asks its question",
                    value=spread(starts_ms, "ms"),
                    target=f"<= {MOST_START_S * 1000:g} ms",
                    met=statistics.median(starts_ms) <= MOST_START_S * 1000,
                ),
                Row(
                    name="memory of one agent, USS",
                    value=spread(weights, "MB"),
                    target=f"<= {MOST_USS_MB:g} MB",
                    met=max(weights) <= MOST_USS_MB,
                ),
            ],
        )
    ]


def _slow(request: LoopbackRequest) -> ScriptedReply:
    return say("word " * 2000, pace=ReplyPace(chunk_chars=5, chunk_delay_s=0.1))


def _uss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _restart_ms(server: LoopbackServer, pid: int) -> float:
    """From SIGKILL to the next question at the server."""
    before, began_s = len(server.log.requests()), time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    return (until(lambda: len(server.log.requests()) > before) - began_s) * 1000
