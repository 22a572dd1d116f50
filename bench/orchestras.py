"""Real trees under a real supervisor, for measurements of processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from state_layout.files import codec
from state_layout.host.identity import Handle, read_handle
from state_layout.paths import Tree
from state_layout.tree.making import create_tree

POLL_S = 0.0005


def make(
    root: Path, agents: dict[str, dict[str, Any]], files: dict[str, Path] | None = None, *, want: str = "run"
) -> Tree:
    """A tree in which each agent has one task of its name."""
    return create_tree(
        root,
        orchestration={
            "id": "20261121-0142-bench-0000",
            "request": "bench",
            "want": want,
            "limits": {"max_agents": len(agents), "timeout_s": 100_000},
        },
        agents=agents,
        tasks={name: {"agent": name} for name in agents},
        files=files or {},
    )


@contextmanager
def supervised(
    tree: Tree, *, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor of `tree` in the foreground; it and its agents are ended at the end."""
    tree.run.mkdir(exist_ok=True)
    with tree.supervisor_log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "maos_sup", "supervise", str(tree.root)],
            stdout=log,
            stderr=log,
            env=environment,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], deadline_s: float = 60.0) -> float:
    """Poll until `condition`; the moment it held (perf_counter, seconds)."""
    end_s = time.perf_counter() + deadline_s
    while not condition():
        if time.perf_counter() > end_s:
            raise TimeoutError("the measurement did not get there")
        time.sleep(POLL_S)
    return time.perf_counter()


def handle(tree: Tree, agent: str) -> Handle | None:
    """Find the process that runs as `agent` now."""
    return read_handle(tree.handle(agent))


def pid_of(tree: Tree, agent: str) -> int:
    """The process that runs as `agent` now. Raises LookupError if none has said so."""
    found = handle(tree, agent)
    if found is None:
        raise LookupError(f"{agent}: has no process")
    return found.pid


def pss_mb(pid: int) -> float:
    """Proportional memory of a process, MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def ran_s(pid: int) -> float:
    """CPU seconds of all its threads that live, to the nanosecond, by the scheduler's own account."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def children(pid: int) -> list[int]:
    """The processes that `pid` started."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def status(tree: Tree, agent: str) -> dict[str, Any]:
    """An agent's snapshot."""
    try:
        return codec.decode_object(tree.agent(agent).status.read_bytes())
    except (OSError, codec.NotJson):
        return {}


def result_of(tree: Tree, task: str) -> Any:
    """Give what the task of the agent of its name returned. Raises LookupError if it has no result."""
    try:
        return status(tree, task)["tasks"][task]["result"]
    except KeyError:
        raise LookupError(f"{task}: has no result") from None
