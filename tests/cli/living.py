"""Real orchestrations for tests: programs that wait at a gate (a file), and waiting for conditions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maos_sup.views.status import status_of
from state_layout.paths import Tree
from state_layout.tree import list_trees, open_tree

PATIENCE_S = 150.0
MAOS_SUP = [sys.executable, "-m", "maos_sup"]
GATED = "echo begun; while [ ! -e {gate} ]; do sleep 0.02; done; echo through; {then}"
Status = dict[str, Any]


def plan(folder: Path, *, then: str = "true", gate: Path | None = None) -> Path:
    """A plan: alice waits at a gate and does `then`, bob needs her."""
    alice = GATED.format(gate=gate or folder / "gate", then=then)
    path = folder / "plan.toml"
    path.write_text(
        f"""request = "Count"
[limits]
stop_grace_s = 1
[agents.alice]
kind = "command"
shell = {json.dumps(alice)}
restart = {{ max = 1, backoff_s = 0.05 }}
task = "count"
[agents.bob]
kind = "command"
shell = "echo hi from bob; echo 'found: a thing'"
[[tasks]]
id = "report"
agent = "bob"
needs = ["alice"]
"""
    )
    return path


def started(*words: str, **more: Any) -> subprocess.Popen[str]:
    """A command as a process of its own, with its output piped."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen([*MAOS_SUP, *words], text=True, **(pipes | more))


def own_words(told: str) -> str:
    """Take what was said on stderr without the note that this system has less than Linux gives."""
    return "".join(
        line for line in told.splitlines(keepends=True) if not line.startswith("note: this system")
    )


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own, to its end."""
    return subprocess.run([*MAOS_SUP, *words], text=True, capture_output=True, timeout=60, check=False)


def the_tree(home: Path) -> Tree:
    """The only tree in the home, once it is there."""
    wait_for(lambda: list_trees(home))
    (tree,) = list_trees(home)
    return open_tree(tree.root)


def wait_for(condition: Callable[[], Any]) -> Any:
    """Give what `condition` gives once it is true. Fails after a while."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def task_phase(tree: Tree, task: str) -> str:
    """The phase of a task now."""
    return next(str(found["phase"]) for found in status_of(tree)["tasks"] if found["id"] == task)


def at_the_gate(tree: Tree) -> Status:
    """The status once alice's program waits at the gate."""

    def look() -> Status | None:
        status = status_of(tree)
        alice = status["agents"][0]
        return (
            status if alice["pid"] and alice["phase"] == "running" and alice["last_line"] == "begun" else None
        )

    found: Status = wait_for(look)
    return found


def end_all(home: Path) -> None:
    """End whoever still works on a tree in `home`."""
    for tree in list_trees(home):
        if not tree.spec.is_dir():
            continue
        for _ in range(100):
            status = status_of(tree)
            pids = [status["supervisor"]["pid"], *(agent["pid"] for agent in status["agents"])]
            if not any(pids):
                break
            subprocess.run([*MAOS_SUP, "stop", str(tree.root)], capture_output=True, timeout=30, check=False)
            time.sleep(0.1)
        else:
            for pid in filter(None, pids):
                os.kill(pid, signal.SIGKILL)
