"""What a plan lacks on this host, said before a tree is made: programs, packages, keys, sandboxes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from maos_sup.agents.registry import lacks
from maos_sup.planner.document import read_document
from maos_sup.planner.plan import Plan
from state_layout.errors import BadInput
from state_layout.shapes.shape import Fault


def refuse_lacking(plan: Plan) -> None:
    """Raise BadInput with everything that the agents of `plan` lack, each with file and line."""
    faults = [fault for name, agent in plan.agents.items() for fault in _faults(plan, name, agent)]
    if faults:
        raise BadInput(*read_document(plan.path).problems(faults))


def _faults(plan: Plan, name: str, agent: Mapping[str, Any]) -> Iterator[Fault]:
    environment = dict(os.environ)
    for inner, outer in agent.get("env_from", {}).items():
        if outer not in os.environ:
            text = f"agent {name!r}: 'env_from' asks for the variable {outer}, which is not set; set it first"
            yield Fault(at=("agents", name, "env_from", inner), text=text)
        else:
            environment[inner] = os.environ[outer]
    environment |= agent.get("env", {})
    if _comes_along(plan, agent) or "PATH" in agent.get("env", {}):  # it may lead to what is made on the way
        return
    for lack in lacks(agent["kind"], agent, environment):
        at = ("agents", name, lack.key) if lack.key in agent else ("agents", name)
        if _may_appear(plan, name, lack.key):
            continue
        yield Fault(at=at, text=f"agent {name!r}: {lack.text}")


def _comes_along(plan: Plan, agent: Mapping[str, Any]) -> bool:
    """Whether its program is a file of the plan."""
    argv = agent.get("command")
    return isinstance(argv, list) and argv[0] in plan.files


def _may_appear(plan: Plan, name: str, key: str) -> bool:
    """Whether a program at an absolute path may be made by a task that all tasks of the agent wait for."""
    argv = plan.agents[name].get(key)
    if not isinstance(argv, list) or not str(argv[0]).startswith("/"):
        return False
    tasks = [task for task in plan.tasks.values() if task["agent"] == name]
    return bool(tasks) and all(task.get("needs") for task in tasks)
