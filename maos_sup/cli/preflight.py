"""What a plan lacks on this host, said before a tree is made: programs, packages, keys, sandboxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from maos_sup.agents.lacking import lacks_of
from maos_sup.core.argv import plain_relative
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
    found = lacks_of(
        agent["kind"],
        agent,
        env=agent.get("env", {}),
        env_from=agent.get("env_from", {}),
        needs=[task.get("needs") or () for task in plan.tasks.values() if task["agent"] == name],
        comes_along=_comes_along(plan, agent),
    )
    for lack in found:
        at = ("agents", name, lack.key) if lack.key in agent else ("agents", name)
        yield Fault(at=(*at, lack.item) if lack.item else at, text=f"agent {name!r}: {lack.text}")


def _comes_along(plan: Plan, agent: Mapping[str, Any]) -> bool:
    """Whether its program is a file of the plan, which was looked at when the plan was read."""
    argv = agent.get("command")
    return isinstance(argv, list) and plain_relative(argv[0]) in plan.files
