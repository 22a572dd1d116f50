"""The orchestration that the crash tests torture: two programs, two callables, a sprinter."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from orchestra import Orchestra

PROGRAMS = Path(__file__).parent / "programs"
WORKERS, THINKERS = ("will", "wanda"), ("theo", "thea")
TALKERS = (*WORKERS, *THINKERS)
SPRINTER = "sprinter"
RESTART = {"max": 100_000, "window_s": 60, "backoff_s": 0.01, "backoff_max_s": 0.1}


class Troupe(Orchestra):
    """An orchestration whose agents keep a ledger outside; `home` is where they keep it."""

    @property
    def home(self) -> Path:
        return self.outside / self.root.name

    def begin(self, *, sprints: int = 0, pace_s: float = 0.01) -> None:
        """Start all agents."""
        for path in PROGRAMS.glob("*.py"):
            shutil.copy(path, self.folder)
        self.home.mkdir(parents=True, exist_ok=True)
        tasks = [{"id": name, "agent": name} for name in TALKERS]
        tasks += [{"id": sprint_name(number), "agent": SPRINTER} for number in range(sprints)]
        agents = {name: _talker(name, pace_s) for name in TALKERS}
        if sprints:
            agents[SPRINTER] = {"kind": "python", "callable": "thinker:sprint", "restart": RESTART}
        limits = {"timeout_s": 100_000, "hang_s": 20, "stop_grace_s": 2}
        intervals = {"checkpoint_s": 0.5, "save_s": 0.2}
        self.start(agents, tasks, limits=limits, intervals=intervals, files=["outside.py"])

    def finish(self) -> None:
        """Let all agents come to their end."""
        (self.home / "finish").touch()

    def settle(self, sprint: str) -> None:
        """Let the sprinter end this task."""
        (self.home / f"settle-{sprint}").touch()

    def ledger_sizes(self) -> dict[str, int]:
        """How much each talker has left outside."""
        paths = {name: self.home / f"{name}.jsonl" for name in TALKERS}
        return {name: path.stat().st_size if path.exists() else 0 for name, path in paths.items()}

    def wait_progress(self, *, deadline_s: float = 40.0) -> None:
        """Wait until every talker has got on."""
        before = self.ledger_sizes()

        def got_on() -> bool:
            now = self.ledger_sizes()
            return all(now[name] > before[name] + 200 for name in TALKERS)

        self.wait(got_on, "every agent has got on", deadline_s=deadline_s)

    def violations(self) -> str:
        """What programs saw that must not be."""
        path = self.home / "violations"
        return path.read_text() if path.exists() else ""


def sprint_name(number: int) -> str:
    return f"sprint-{number:03d}"


def _talker(name: str, pace_s: float) -> dict[str, Any]:
    env = {"PEERS": " ".join(peer for peer in TALKERS if peer != name), "PACE_S": str(pace_s)}
    if name in WORKERS:
        env["TAKES"] = "verbs" if name == WORKERS[1] else "files"
        return {"kind": "command", "command": [sys.executable, "worker.py"], "env": env, "restart": RESTART}
    return {"kind": "python", "callable": "thinker:think", "env": env, "restart": RESTART}
