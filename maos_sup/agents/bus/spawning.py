"""Adds work to the orchestration for an agent: a task for one that is there, or a new agent and its task.

The names follow from the call, so a repeated call adds nothing twice. Bounded by `max_spawned` of the agent
and, for all agents together, `limits.max_spawned_tasks` and `limits.max_spawned_agents`: counted under the
lock of `spec/`, so that no two processes take the last place.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from maos_sup.agents.bus.verbs import BadCall, CallScene, Result, VerbCall
from maos_sup.agents.registry import find_kind
from state_layout.files import codec
from state_layout.files.looking import exists
from state_layout.files.reading import read_record
from state_layout.host.triggers import pull
from state_layout.paths import checked_name
from state_layout.specs import add_specs, read_specs
from state_layout.specs.kinds import traits_of

MAX_SPAWNED = 10
SPAWNED_BY = "spawned_by"
_INHERITED = (
    *("model", "base_url", "price", "sandbox", "max_tokens", "max_turns"),
    *("tools", "allowed_tools", "approve", "team", "budget"),  # or it had the new one do what it may not
)


def spawn_task(scene: CallScene, call: VerbCall) -> Result:
    """Add a task, and an agent if a role is given. Raises BadCall, BadInput, StorageError."""
    tree, name = scene.tree, _name(scene, call)
    if not exists(tree.task_spec(name)):
        specs = _wanted(scene, call, name)
        add_specs(tree, specs, allow=lambda: _check_counts(scene, added=specs))
    pull(tree, "supervisor")
    return Result(text=f"task {name} added")


def _name(scene: CallScene, call: VerbCall) -> str:
    exact = f"{scene.agent}/{scene.task.id}/{scene.task.run}/{call.token}"
    return f"{scene.agent[:40]}-{sha256(exact.encode()).hexdigest()[:8]}"


def _wanted(scene: CallScene, call: VerbCall, name: str) -> dict[Path, dict[str, object]]:
    """Make the spec files to add: that of a new agent, unless one is named, and that of the task."""
    tree = scene.tree
    description = scene.redactor.text(call.text("description"))
    if not description.strip():
        raise BadCall("'description' is empty")
    needs = call.input.get("needs") or []
    known = {path.stem for path in tree.task_specs.glob("*.json")}
    if not isinstance(needs, list) or any(need not in known for need in needs):
        raise BadCall(f"'needs' must be a list of tasks that are there: {', '.join(sorted(known))}")
    agent = call.text("agent", default="")
    task: dict[str, object] = {
        "agent": agent or name,
        "description": description,
        "needs": needs,
        SPAWNED_BY: scene.agent,
    }
    if agent:
        checked_name(agent, "agent")
        return {tree.task_spec(name): task}
    made = {tree.agent_spec(name): _new_agent(scene, call)}
    missing = {path: value for path, value in made.items() if not exists(path)}
    return {**missing, tree.task_spec(name): task}


def _new_agent(scene: CallScene, call: VerbCall) -> dict[str, object]:
    """Make an agent with the given role, like the one that asks in all else."""
    role = scene.redactor.text(call.text("role", default=""))
    if not role.strip():
        raise BadCall("give 'agent', or 'role' for a new one")
    own = scene.spec
    if not traits_of(own.kind).has_model:
        raise BadCall(f"a role makes no agent of kind {own.kind!r}; give 'agent', one that is there")
    names = {*_INHERITED, *getattr(find_kind(own.kind), "inherited", ())}
    inherited = {key: value for key, value in own.settings.items() if key in names}
    spec: dict[str, object] = {"kind": own.kind, "role": role, **inherited, "max_spawned": 0}
    common = {**own.workspace, "cwd": own.cwd, "limits": own.limits, "env": own.env, "env_from": own.env_from}
    return spec | {SPAWNED_BY: own.name} | {key: value for key, value in common.items() if value}


def _check_counts(scene: CallScene, *, added: Mapping[Path, object]) -> None:
    """Raise BadCall if somebody may not add so much. Under the lock: nobody else adds meanwhile."""
    tree = scene.tree
    tasks, agents = _spawned(tree.task_specs), _spawned(tree.agent_specs)
    own = tasks.count(scene.agent)
    if own >= scene.max_spawned:
        raise BadCall(
            f"you have added {own} task{'' if own == 1 else 's'}, the most that 'max_spawned' allows"
        )
    limits = read_specs(tree).specs.orchestration.limits
    new_agents = sum(path.parent == tree.agent_specs for path in added)
    for what, there, new, most in (
        ("tasks", len(tasks), 1, limits.max_spawned_tasks),
        ("agents", len(agents), new_agents, limits.max_spawned_agents),
    ):
        if most is not None and new and there + new > most:
            raise BadCall(
                f"agents have added {there} {what}, and 'limits.max_spawned_{what}' is {most}; do it "
                "yourself, or have the user raise it"
            )


def _spawned(folder: Path) -> list[str]:
    """List who added the spec files in `folder` that agents added."""
    found = []
    for path in folder.glob("*.json"):
        try:
            told = codec.decode_object(read_record(path)).get(SPAWNED_BY)
        except (OSError, codec.NotJson):
            continue
        if isinstance(told, str):
            found.append(told)
    return found
