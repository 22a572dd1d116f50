"""Adds work to the orchestration for an agent: a task for one that is there, or a new agent and its task.

The names follow from the call, so a repeated call adds nothing twice. `max_spawned` bounds it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from maos_sup.agents.bus.verbs import BadCall, Call, Result, Scene
from state_layout.errors import BadInput
from state_layout.host.triggers import pull
from state_layout.paths import Tree, checked_name
from state_layout.specs import add_spec, read_specs

MAX_SPAWNED = 10
SPAWNED_BY = "spawned_by"
_WITHOUT_MODEL = ("command", "python")
_INHERITED = ("kind", "model", "base_url", "price", "sandbox", "max_tokens", "max_turns", "limits", "cwd")


def spawn_task(scene: Scene, call: Call) -> Result:
    """Add a task, and an agent if a role is given. Raises BadCall, BadInput, StorageError."""
    tree = scene.tree
    description = scene.redactor.text(call.text("description"))
    if not description.strip():
        raise BadCall("'description' is empty")
    name = _name(scene, call)
    if not tree.task_spec(name).exists():
        _check_count(tree, scene.agent, scene.max_spawned)
        agent = call.text("agent", default="") or _made_agent(scene, call, name)
        task = {"agent": agent, "description": description, "needs": call.input.get("needs") or []}
        _add(tree, name, task | {SPAWNED_BY: scene.agent})
    pull(tree, "supervisor")
    return Result(text=f"task {name} added")


def _name(scene: Scene, call: Call) -> str:
    exact = f"{scene.agent}/{scene.task.id}/{scene.task.run}/{call.token}"
    return f"{scene.agent[:40]}-{sha256(exact.encode()).hexdigest()[:8]}"


def _check_count(tree: Tree, agent: str, most: int) -> None:
    tasks = read_specs(tree).specs.tasks.values()
    spawned = [task for task in tasks if task.settings.get(SPAWNED_BY) == agent]
    if len(spawned) >= most:
        raise BadCall(f"you have added {len(spawned)} tasks, the most that 'max_spawned' allows")


def _made_agent(scene: Scene, call: Call, name: str) -> str:
    """Add an agent with the given role, like this one in all else; its name."""
    role = scene.redactor.text(call.text("role", default=""))
    if not role.strip():
        raise BadCall("give 'agent', or 'role' for a new one")
    tree, own = scene.tree, scene.spec
    if own.kind in _WITHOUT_MODEL:
        raise BadCall(f"a role makes no agent of kind {own.kind!r}; give 'agent', one that is there")
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
