"""The bus, as an MCP client meets it: how soon it answers, what it weighs, how long a call takes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from bench.figures import Row, Section, scratch, spread
from bench.orchestras import make, supervised, until

STARTS, CALLS = 15, 30
MOST_START_S, MOST_RSS_MB = 0.06, 16.0
_HELLO: dict[str, Any] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "bench"},
}


def measure() -> list[Section]:
    """All tables of this file."""
    with scratch() as folder:
        agent = {"kind": "command", "command": ["sleep", "600"]}
        tree = make(folder / "tree", {"ann": agent, "bob": agent})
        with supervised(tree):
            until(lambda: tree.agent("ann").attempt(1).control.exists())
            starts_ms, weights_mb, calls_ms, busy_mb = _figures(tree.root)
    return [
        Section(
            title="The bus: an MCP server over stdio",
            note=f"{STARTS} starts, {CALLS} messages sent. The `mcp` package alone takes 0.76 s and 66 MB.",
            rows=[
                Row(
                    name="started until initialize and tools/list are answered",
                    value=spread(starts_ms, "ms"),
                    target=f"<= {MOST_START_S * 1000:g} ms",
                    met=statistics.median(starts_ms) <= MOST_START_S * 1000,
                ),
                Row(
                    name="memory then, RSS",
                    value=spread(weights_mb, "MB"),
                    target=f"<= {MOST_RSS_MB:g} MB",
                    met=statistics.median(weights_mb) <= MOST_RSS_MB,
                ),
                Row(name="memory after calls, RSS", value=spread(busy_mb, "MB")),
                Row(name="send_message until its durable answer", value=spread(calls_ms, "ms")),
            ],
        )
    ]


def _figures(root: Path) -> tuple[list[float], list[float], list[float], list[float]]:
    starts_ms, weights_mb = [], []
    for _ in range(STARTS):
        began_s = time.perf_counter()
        with _Client(root) as (process, to, out):
            _ask(to, out, "initialize", _HELLO)
            _ask(to, out, "tools/list", {})
            starts_ms.append((time.perf_counter() - began_s) * 1000)
            weights_mb.append(_rss_mb(process.pid))
    with _Client(root) as (process, to, out):
        call = {"name": "send_message", "arguments": {"to": "bob", "text": "x" * 200}}
        _ask(to, out, "tools/call", call)
        calls_ms = []
        for _ in range(CALLS):
            began_s = time.perf_counter()
            _ask(to, out, "tools/call", call)
            calls_ms.append((time.perf_counter() - began_s) * 1000)
        busy_mb = [_rss_mb(process.pid)]
    return starts_ms, weights_mb, calls_ms, busy_mb


class _Client:
    """One bus process and the client's ends of its pipes."""

    def __init__(self, root: Path) -> None:
        argv = [sys.executable, "-m", "maos_sup", "mcp", str(root), "--agent", "ann"]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process, self._process.stdin, self._process.stdout

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _ask(to: IO[bytes], out: IO[bytes], method: str, params: dict[str, Any]) -> dict[str, Any]:
    to.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
    to.flush()
    answer: dict[str, Any] = json.loads(out.readline())
    return answer


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
