"""A model on loopback that plans and works, for tests of requests in words."""

from __future__ import annotations

from typing import Any

from maos_sup.loopback.reply import ScriptedReply, call
from maos_sup.loopback.request import LoopbackRequest

REQUEST = "Refactor the payment module"
PROPOSAL: dict[str, Any] = {
    "summary": "One does it, one looks at it.",
    "agents": [{"name": "dev", "role": "developer"}, {"name": "rev", "role": "reviewer"}],
    "tasks": [
        {"id": "do", "agent": "dev", "description": "Do it"},
        {"id": "look", "agent": "rev", "description": "Look at it", "needs": ["do"]},
    ],
}
COMMANDS: dict[str, Any] = {
    "agents": [{"name": "lint", "kind": "command", "command": ["true"]}],
    "tasks": [{"id": "lint", "agent": "lint", "description": "Lint"}],
}


class Model:
    """Answers with `plans` one after the other, then the good one; agents are done at once."""

    def __init__(self) -> None:
        self.plans: list[ScriptedReply] = []
        self.asked = 0

    def __call__(self, request: LoopbackRequest) -> ScriptedReply:
        if "propose_plan" not in request.tool_names:
            return call("finish", {"result": "ok"})
        self.asked += 1
        return self.plans.pop(0) if self.plans else call("propose_plan", PROPOSAL)
