"""Agents of kind `claude` on a stage: the real Claude Code, and the loopback server here that it asks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from stage import Stage

from maos_sup.loopback.reply import ScriptedReply, call
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer
from state_layout.lives.attempts import all_lines

REPOSITORY = Path(__file__).resolve().parents[3]
PRICE = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}  # a dollar a million tokens
DEADLINE_S = 120.0  # for one life: Claude Code takes a second to start, many more on a loaded machine


@cache
def claude() -> str | None:
    """Find the real Claude Code, as `.ci/run` puts it or as people have it."""
    modules = REPOSITORY / ".venv" / "claude-code" / "node_modules"
    native = sorted(str(path) for path in modules.glob("@anthropic-ai/claude-code-*/claude"))
    places = [os.environ.get("MAOS_SUP_CLAUDE"), *native, str(modules / ".bin" / "claude"), "claude"]
    found = [shutil.which(place) for place in places if place]
    return next((path for path in found if path), None)


class Coding:
    """One server and the stage whose agents ask it."""

    def __init__(self, make: Callable[..., Stage], server: LoopbackServer, agents: Any, more: Any) -> None:
        self.server = server
        self.stage = make({name: self.spec(**settings) for name, settings in agents.items()}, **more)

    def spec(self, **settings: Any) -> dict[str, Any]:
        own = {"kind": "claude", "base_url": self.server.url, "price": PRICE, "sandbox": "none"}
        env = {"CLAUDE_CODE_DISABLE_TERMINAL_TITLE": "1", **settings.pop("env", {})}
        told = {**own, "model": "claude-sonnet-4-6", "env": env, **settings}
        return {key: value for key, value in told.items() if value is not None}

    def run(self, agent: str = "ann") -> int:
        """A whole life; its exit code."""
        try:
            return self.stage.run(agent, deadline_s=DEADLINE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told(agent)}") from error

    def told(self, agent: str = "ann") -> str:
        """The last words of all files of the last life, for who reads a failed test."""
        files = sorted(self.stage.tree.agent(agent).attempts.glob("*/*"))[-9:]
        files += sorted(self.stage.tree.agent(agent).session.glob("projects/*/*.jsonl"))
        texts = [f"== {path}\n{path.read_bytes()[-3000:].decode('utf-8', 'replace')}" for path in files]
        return "\n".join([*texts, self.stage.log()])

    def bodies(self) -> list[dict[str, Any]]:
        """List what was asked, in order."""
        return [entry["body"] for entry in self.server.log.requests()]

    def texts(self) -> str:
        """All that the last question says."""
        return str(self.bodies()[-1]["messages"])

    def all_lines(self, agent: str, *types: str) -> list[dict[str, Any]]:
        """The journal lines of these types that count, of all lives."""
        lines = (line.fields() for line in all_lines(self.stage.tree, agent))
        return [fields for fields in lines if fields["type"] in types]


def bash(command: str) -> ScriptedReply:
    """A reply that calls Bash."""
    return call("Bash", {"command": command, "description": "a step"}, text="I run it.")


def steps(*replies: ScriptedReply) -> Callable[[LoopbackRequest], ScriptedReply]:
    """Replies by the place in the conversation, the last one repeated."""
    return lambda request: replies[min(request.turn, len(replies) - 1)]
