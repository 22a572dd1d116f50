"""Agents of kind `anthropic` on a stage, and the loopback server in this process that they ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic  # noqa: F401 - imported before lives are forked, as the zygote does
import genai_prices  # noqa: F401
from stage import Stage

from maos_sup.loopback.reply import Script
from maos_sup.loopback.rules import make_rules
from maos_sup.loopback.server import LoopbackServer
from state_layout.lives.attempts import all_lines

PRICE = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}  # a dollar a million tokens


class Talk:
    """One server and the stage whose agents ask it."""

    def __init__(self, make: Callable[..., Stage], server: LoopbackServer, agents: Any, more: Any) -> None:
        self.server = server
        specs = {name: self.spec(**settings) for name, settings in agents.items()}
        self.stage = make(specs, **more)

    def spec(self, **settings: Any) -> dict[str, Any]:
        own = {"kind": "anthropic", "model": "test-model", "base_url": self.server.url, "price": PRICE}
        told = {**own, "stall_s": 5, **settings}
        return {key: value for key, value in told.items() if value is not None}

    def bought(self) -> list[str]:
        """List what was asked, as digests, in order."""
        return [entry["digest"] for entry in self.server.log.requests()]

    def messages(self, agent: str = "ann") -> list[dict[str, Any]]:
        """The messages of the last request."""
        body: dict[str, Any] = self.server.log.requests()[-1]["body"]
        return list(body["messages"])

    def all_lines(self, agent: str, type_: str) -> list[dict[str, Any]]:
        """The journal lines of a type that count, of all lives."""
        lines = all_lines(self.stage.tree, agent)
        return [fields for line in lines if (fields := line.fields())["type"] == type_]


def steps(*replies: Any, **more: Any) -> Script:
    """A script of one rule: replies by the place in the conversation, the last one repeated."""
    return make_rules({"rule": [{"reply": list(replies), "repeat_last": True}], **more})


def use(name: str, **input_: Any) -> dict[str, Any]:
    """A reply that calls a tool."""
    return {"text": f"I call {name}.", "tools": [{"name": name, "input": input_}]}


def finish(result: Any = "all done") -> dict[str, Any]:
    return {"tools": [{"name": "finish", "input": {"result": result}}]}
