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

    workers: tuple[str, ...] = WORKERS
    thinkers: tuple[str, ...] = THINKERS

    @property
    def talkers(self) -> tuple[str, ...]:
        return (*self.workers, *self.thinkers)

    def peers(self, name: str) -> tuple[str, ...]:
        """Whom a talker writes to."""
        return tuple(peer for peer in self.talkers if peer != name)

    def busy(self) -> tuple[str, ...]:
        """The talkers that are to get on now."""
        return self.talkers

    @property
    def home(self) -> Path:
        return self.outside / self.root.name

    def begin(self, *, sprints: int = 0, pace_s: float = 0.01, starts: bool = True) -> None:
        """Start all agents; or only make the tree."""
        for path in PROGRAMS.glob("*.py"):
            shutil.copy(path, self.folder)
        self.home.mkdir(parents=True, exist_ok=True)
        tasks = [{"id": name, "agent": name, "needs": self.needs(name)} for name in self.talkers]
        tasks += [{"id": sprint_name(number), "agent": SPRINTER} for number in range(sprints)]
        agents = {name: self._talker(name, pace_s) for name in self.talkers}
        if sprints:
            agents[SPRINTER] = {"kind": "python", "callable": "thinker:sprint", "restart": RESTART}
        limits = {"timeout_s": 100_000, "hang_s": 20, "stop_grace_s": 2}
        intervals = {"checkpoint_s": 0.5, "save_s": 0.2}
        more = {"limits": limits, "intervals": intervals, "files": ["outside.py"]}
        self.start(agents, tasks, starts=starts, **more)

    def finish(self) -> None:
        """Let all agents come to their end."""
        (self.home / "finish").touch()

    def settle(self, sprint: str) -> None:
        """Let the sprinter end this task."""
        (self.home / f"settle-{sprint}").touch()

    def ledger_sizes(self) -> dict[str, int]:
        """Tell how many bytes each talker has left outside."""
        paths = {name: self.home / f"{name}.jsonl" for name in self.talkers}
        return {name: path.stat().st_size if path.exists() else 0 for name, path in paths.items()}

    def wait_progress(self, *, deadline_s: float = 40.0) -> None:
        """Wait until every busy talker has got on."""
        before, late = self.ledger_sizes(), {*self.busy()}

        def got_on() -> bool:
            now = self.ledger_sizes()
            late.difference_update([name for name in late if now[name] > before[name] + 200])
            return not late

        try:
            self.wait(got_on, "every agent has got on", deadline_s=deadline_s)
        except AssertionError as error:
            raise AssertionError(f"late: {sorted(late)}\n{error}") from error

    def needs(self, name: str) -> list[str]:
        """The tasks that the one of a talker needs."""
        return []

    def violations(self) -> str:
        """Read what programs saw that must not be."""
        path = self.home / "violations"
        return path.read_text() if path.exists() else ""

    def _talker(self, name: str, pace_s: float) -> dict[str, Any]:
        env = {"PEERS": " ".join(self.peers(name)), "PACE_S": str(pace_s)}
        if name in self.workers:
            env["TAKES"] = "verbs" if self.workers.index(name) % 2 else "files"
            return {
                "kind": "command",
                "command": [sys.executable, "worker.py"],
                "env": env,
                "restart": RESTART,
            }
        return {"kind": "python", "callable": "thinker:think", "env": env, "restart": RESTART}


def sprint_name(number: int) -> str:
    return f"sprint-{number:03d}"
