"""Adds work to a tree: a task by its description, or agents and tasks of a plan. Durable on return.

Agents are added before tasks, and each task after those that it needs, every file durable before the next: at
any moment what is there is whole, and adding the same again after a crash adds what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maos_sup.steering.change import Change
from maos_sup.steering.setting import Kinds
from maos_sup.steering.wanting import known_agent, known_task, prompt
from maos_sup.views.planned import in_order
from state_layout.errors import BadInput
from state_layout.files.looking import exists
from state_layout.paths import Tree, checked_name
from state_layout.shapes.wording import listed
from state_layout.specs import add_spec, read_specs, unknown_keys

_SLUG_CHARACTERS = 32
_RESERVED = frozenset({"all", "operator", "supervisor"})
Specs = Mapping[str, Mapping[str, Any]]


def add_task(tree: Tree, text: str, agent: str | None) -> Change:
    """Add a task described by `text` for `agent` or the only one. Raises BadInput."""
    specs = read_specs(tree).specs
    chosen = known_agent(tree, agent) if agent is not None else next(iter(specs.agents), None)
    if chosen is None:
        raise BadInput("there is no agent to give the task to; add one: spec/agents/NAME.json")
    task = _free_name(text, {*specs.tasks, *(path.stem for path in tree.task_specs.glob("*.json"))})
    value: dict[str, object] = {"agent": chosen, "description": text, "needs": [], "want": "run", "run": 1}
    add_spec(tree, tree.task_spec(task), value)
    return Change(subject=f"task {task}", text=f"task {task} added for {chosen}", after=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task is to be added. Without `agent` the only one does it, without `id` its name is made of the
    text."""

    text: str
    agent: str | None = None
    id: str | None = None
    needs: tuple[str, ...] = ()
    timeout_s: float | None = None


def add_agent(tree: Tree, name: str, spec: Mapping[str, Any], *, kinds: Kinds) -> Change:
    """Add an agent. Raises BadInput for a name or spec that will not do, or a key that nothing reads."""
    checked_name(name, "agent")
    for fault in unknown_keys(f"agents/{name}.json", dict(spec), kinds=kinds):
        raise BadInput(f"agent {name!r}: {fault.text} (nothing was added)")
    add_spec(tree, tree.agent_spec(name), dict(spec), kinds=kinds)
    prompt(tree)
    return Change(subject=f"agent {name}", text=f"agent {name} added", after=dict(spec))


def add_new_task(tree: Tree, new: NewTask) -> Change:
    """Add a task for an agent that is there, after tasks that are there. Raises BadInput."""
    agents = sorted(path.stem for path in tree.agent_specs.glob("*.json"))
    if new.agent is None and len(agents) != 1:
        raise BadInput(
            f"say who does it: --agent {listed(agents, last='or')}" if agents else "there is no agent yet"
        )
    agent = known_agent(tree, new.agent or agents[0])
    needs = [known_task(tree, need) for need in new.needs]
    if new.id is not None:
        checked_name(new.id, "task")
    specs = read_specs(tree).specs
    taken = {*specs.tasks, *(path.stem for path in tree.task_specs.glob("*.json"))}
    task = new.id or _free_name(new.text, taken)
    value: dict[str, object] = {
        "agent": agent,
        "description": new.text,
        "needs": needs,
        "want": "run",
        "run": 1,
    }
    if new.timeout_s is not None:
        value["timeout_s"] = new.timeout_s
    add_spec(tree, tree.task_spec(task), value)
    prompt(tree)
    after = f" after {listed(needs, last='and')}" if needs else ""
    return Change(subject=f"task {task}", text=f"task {task} added for {agent}{after}", after=value)


def add_team(tree: Tree, agents: Specs, tasks: Specs, *, kinds: Kinds) -> tuple[Change, ...]:
    """Add those of `agents` and `tasks`, as specs, that are not there yet. Raises BadInput."""
    new_agents = [name for name in agents if not exists(tree.agent_spec(name))]
    for name in new_agents:
        add_spec(tree, tree.agent_spec(name), dict(agents[name]), kinds=kinds)
    new_tasks = [name for name in in_order(tasks) if not exists(tree.task_spec(name))]
    last = max((task.order or 0 for task in read_specs(tree).specs.tasks.values()), default=0)
    for name in new_tasks:
        task = {**tasks[name], "order": last + tasks[name]["order"]}
        add_spec(tree, tree.task_spec(name), task, kinds=kinds)
    prompt(tree)
    return tuple(
        Change(subject=f"{what} {name}", text=f"{what} {name} added", after=spec[name])
        for what, names, spec in (("agent", new_agents, agents), ("task", new_tasks, tasks))
        for name in names
    )


def _free_name(text: str, taken: set[str]) -> str:
    words = re.findall(r"[a-z0-9]+", text.lower())
    slug = "-".join(words)[:_SLUG_CHARACTERS].strip("-") or "task"
    number = 1
    while (name := slug if number == 1 else f"{slug}-{number}") in taken | _RESERVED:
        number += 1
    return name
