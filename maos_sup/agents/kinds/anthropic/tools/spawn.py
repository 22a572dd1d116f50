"""Tool `spawn_task`: what `maos_sup.agents.bus.spawning` does, with this agent's own bound."""

from __future__ import annotations

from maos_sup.agents.bus.spawning import spawn_task
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import Result, VerbCall, definition_of


class SpawnTask:
    """Adds a task, and an agent if a role is given."""

    name = "spawn_task"

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
        told = definition_of(self.name)
        bound = f"At most {desk.settings.max_spawned} tasks."
        return {**told, "description": f"{told['description']} {bound}"}

    def may_repeat(self, call: VerbCall) -> bool:
        return True  # names follow from the call

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        return spawn_task(desk.scene, call)
