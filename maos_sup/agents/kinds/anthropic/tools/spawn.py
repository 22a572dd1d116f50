"""Tool `spawn_task`: adds work to the orchestration, for an agent that is there or for a new one.

The names follow from the call's id, so a repeated call adds nothing twice. `max_spawned` bounds it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from maos_sup.agents.kinds.anthropic.desk import Desk
from maos_sup.agents.kinds.anthropic.tools.base import BadCall, Call, Result, schema, text_property
from state_layout.errors import BadInput
from state_layout.host.triggers import pull
from state_layout.paths import Tree, checked_name
from state_layout.specs import add_spec, read_specs

_INHERITED = ("kind", "model", "base_url", "price", "sandbox", "max_tokens", "max_turns", "limits", "cwd")
SPAWNED_BY = "spawned_by"


class SpawnTask:
    """Adds a task, and an agent if a role is given."""

    name = "spawn_task"

    def definition(self, desk: Desk, *, plain: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": (
                "Add a task to the orchestration. Give 'agent' to have one that is there do it, or 'role' "
                "to have a new agent made for it. Its result is sent to you if you ask for that in the "
                f"description. At most {desk.settings.max_spawned} tasks."
            ),
            "input_schema": schema(
                "description",
                description=text_property("what to do, complete in itself"),
                agent=text_property("name of an agent that is there"),
                role=text_property("what a new agent for it is to be, in words"),
                needs={"type": "array", "items": {"type": "string"}, "description": "tasks to do before"},
            ),
        }

    def may_repeat(self, call: Call) -> bool:
        return True  # names follow from the call

    def run(self, desk: Desk, call: Call) -> Result:
        work, tree = desk.work, desk.work.life.tree
        description = desk.redactor.text(call.text("description"))
        if not description.strip():
            raise BadCall("'description' is empty")
        name = _name(work.life.agent, work.task.id, work.task.run, call)
        if not tree.task_spec(name).exists():
            _check_count(tree, work.life.agent, desk.settings.max_spawned)
            agent = call.text("agent", default="") or _made_agent(desk, call, name)
            task = {"agent": agent, "description": description, "needs": call.input.get("needs") or []}
            _add(tree, name, task | {SPAWNED_BY: work.life.agent})
        pull(tree, "supervisor")
        return Result(text=f"task {name} added")


def _name(agent: str, task: str, run: int, call: Call) -> str:
    exact = f"{agent}/{task}/{run}/{call.token}"
    return f"{agent[:40]}-{sha256(exact.encode()).hexdigest()[:8]}"


def _check_count(tree: Tree, agent: str, most: int) -> None:
    tasks = read_specs(tree).specs.tasks.values()
    spawned = [task for task in tasks if task.settings.get(SPAWNED_BY) == agent]
    if len(spawned) >= most:
        raise BadCall(f"you have added {len(spawned)} tasks, the most that 'max_spawned' allows")


def _made_agent(desk: Desk, call: Call, name: str) -> str:
    """Add an agent with the given role, like this one in all else; its name."""
    role = desk.redactor.text(call.text("role", default=""))
    if not role.strip():
        raise BadCall("give 'agent', or 'role' for a new one")
    tree, own = desk.work.life.tree, desk.work.spec
    inherited = {key: own.settings[key] for key in _INHERITED if key in own.settings}
    spec: dict[str, Any] = {"kind": own.kind, "role": role, **inherited, "max_spawned": 0}
    spec |= {SPAWNED_BY: own.name} | ({"cwd": own.cwd} if own.cwd else {})
    if not tree.agent_spec(name).exists():
        add_spec(tree, tree.agent_spec(name), spec)
    return name


def _add(tree: Tree, name: str, task: dict[str, Any]) -> None:
    checked_name(task["agent"], "agent")
    try:
        add_spec(tree, tree.task_spec(name), task)
    except BadInput as cause:
        raise BadCall(str(cause)) from cause
