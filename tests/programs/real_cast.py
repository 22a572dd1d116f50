"""A real program as an agent of a real orchestration, and the loopback server that it asks."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra, in_order, wait_for
from processes import can_bubblewrap, kill
from real_rows import USAGE, Row

from maos_sup.loopback.reply import ScriptedReply, call, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer
from state_layout.ledger import spent_by
from state_layout.lives.attempts import all_lines

Script = Callable[[LoopbackRequest], ScriptedReply]
DEADLINE_S = 600.0  # of one life: gemini takes seconds of processor time to start, opencode ten
HELD = "while [ ! -e go ]; do sleep 0.05; done"  # a line of shell that comes to no end


@contextmanager
def on_stage(row: Row, orchestra: Orchestra, program: Callable[[str], str]) -> Iterator[Cast]:
    """The cast of `row`, ended after it; skips what this machine cannot run."""
    path = sys.executable if row.program is None else program(row.program)
    if row.profile == "codex" and not can_bubblewrap():
        pytest.skip("codex confines its commands with bubblewrap, which does not work here")
    made = Cast(row, orchestra, path)
    try:
        yield made
    finally:
        made.close()


class Cast:
    """One agent, `ann`, of a row; the project is `project`, with a file `ran` that its commands append to."""

    def __init__(self, row: Row, orchestra: Orchestra, path: str) -> None:
        self.row, self.orchestra = row, orchestra
        self.project = orchestra.folder / "project"
        self.project.mkdir()
        self.script: Script = lambda request: say("There is no script.")
        self.titles: list[int] = []  # numbers of requests that no task asked: opencode's for a title
        self._lock, self._gate = threading.Lock(), threading.Event()
        self.server = LoopbackServer(self._answer, with_bodies=True)
        self.server.start()
        home = orchestra.folder / "user"
        home.mkdir()
        url = self.server.url
        orchestra.environment |= {
            **row.environment(url, orchestra.folder),
            "HOME": str(home),
            "PATH": f"{Path(path).parent}:{orchestra.environment['PATH']}",
        }

    def begin(self, script: Script, *, task: str = "Do the steps.", **more: Any) -> None:
        """Start the orchestration, detached; `more` are keys of the agent."""
        self.script = script
        named = {"profile": self.row.profile} if self.row.profile else {}
        agent = {"kind": self.row.kind, **named, **self.row.agent(self.server.url), **more}
        self.orchestra.start({"ann": {**agent, "task": task}}, project=str(self.project))

    def _answer(self, request: LoopbackRequest) -> ScriptedReply:
        if not request.tool_names and self.row.kind == "cli":
            with self._lock:
                self.titles.append(request.number)
            return say("A title", usage=USAGE)
        return self.script(request)

    def close(self) -> None:
        self._gate.set()
        self.server.stop()

    # -- doing

    def kill(self, pid: int) -> None:
        """SIGKILL for one process."""
        kill(pid)

    def kill_all(self) -> None:
        """SIGKILL for every process of the orchestration, until none is left."""

        def is_over() -> bool:
            left = self.orchestra.leftovers()
            kill(*left)
            return not left

        wait_for(is_over, "the end of all")

    def hold(self) -> None:
        """For scripts: think until the test lets go."""
        self._gate.wait(DEADLINE_S)

    def let_go(self) -> None:
        self._gate.set()

    # -- looking

    def ran(self) -> list[str]:
        """List what commands left in the project."""
        path = self.project / "ran"
        return path.read_text().split() if path.exists() else []

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for it; a task that fails before ends the waiting."""

        def is_so() -> Any:
            value = condition()
            assert value or self.orchestra.phase() != "failed", f"failed before {what}\n{self.told()}"
            return value

        return wait_for(is_so, what, deadline_s=DEADLINE_S, told=self.told)

    def wait_rest(self, phase: str, *, orchestra: Orchestra | None = None) -> None:
        one = orchestra or self.orchestra
        wait_for(
            lambda: one.phase() in (phase, "failed") and not one.supervisor(),
            f"at rest, {phase}",
            deadline_s=DEADLINE_S,
            told=self.told,
        )
        assert one.phase() == phase, self.told(orchestra)

    def asked(self) -> list[dict[str, Any]]:
        """The requests that the task made, in order; those for a title left out."""
        return [entry for entry in self.server.log.requests() if entry["number"] not in self.titles]

    def answers(self, outcome: str = "complete") -> list[dict[str, Any]]:
        """List the answers that ended so."""
        return [entry for entry in self.server.log.answers(outcome) if entry["number"] not in self.titles]

    def charged(self) -> int:
        """Tokens that the provider asks for what the task made it say."""
        answers = [entry for entry in self.server.log.answers() if entry["number"] not in self.titles]
        return sum(sum(entry.get("charged", {}).values()) for entry in answers)

    def spent(self, orchestra: Orchestra | None = None) -> int:
        """Tokens that the ledger has."""
        return spent_by((orchestra or self.orchestra).tree)["ann"].tokens

    def journal(self, *types: str, orchestra: Orchestra | None = None) -> list[dict[str, Any]]:
        lines = (line.fields() for line in all_lines((orchestra or self.orchestra).tree, "ann"))
        return [fields for fields in lines if fields["type"] in types]

    def last_text(self) -> str:
        """All that the last request says."""
        return json.dumps(self.asked()[-1]["body"])

    def told(self, orchestra: Orchestra | None = None) -> str:
        """Say how it stands, for who reads a failed test."""
        one = orchestra or self.orchestra
        attempts = one.tree.agent("ann").attempts
        files = [path for name in ("events.jsonl", "stderr.log") for path in in_order(attempts, name)[-2:]]
        texts = [f"== {path}\n{path.read_bytes()[-2500:].decode('utf-8', 'replace')}" for path in files]
        log = [{key: entry.get(key) for key in ("what", "number", "turn", "outcome", "why", "status")}
               for entry in self.server.log.entries[-12:]]  # fmt: skip
        return "\n".join([one.told(), *map(str, log), *texts])


def bus_call(request: LoopbackRequest, text: str, row: Row) -> ScriptedReply:
    """An answer that tells all agents `text`: by the tools of the team if it has them, else by shell."""
    named = [name for name in request.tool_names if name.endswith("report_discovery")]
    if named:
        return call(named[0], {"text": text}, text="I tell it.", usage=USAGE)
    return row.shell(f"maos-sup agent discover '{text}'")
