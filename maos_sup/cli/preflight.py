"""Says what a plan lacks on this host, said before a tree is made: programs, packages, keys, sandboxes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from maos_sup.agents.lacking import lacks_of
from maos_sup.core.argv import plain_relative
from maos_sup.core.telemetry import EXAMPLE, is_address
from maos_sup.launchers.registry import find_launcher
from maos_sup.planner.document import read_document
from maos_sup.planner.plan import Plan
from state_layout.errors import BadInput
from state_layout.records import LOCAL
from state_layout.shapes.shape import At, Fault

_MOST_NAMED = 8


def refuse_lacking(plan: Plan) -> None:
    """Raise BadInput with everything that the agents of `plan` lack, each with file and line."""
    lacks = dict[str, list[tuple[str, At]]]()  # by text, the agents that lack it, and where
    for name, agent in plan.agents.items():
        for text, at in _lacks(plan, name, agent):
            lacks.setdefault(text, []).append((name, at))
    for name, text, key in _launcher_faults(plan):
        at = ("agents", name, key) if key in plan.agents[name] else (key,)
        lacks.setdefault(text, []).append((name, at))
    faults = [
        Fault(at=of[0][1], text=f"{_agents([name for name, _ in of])}: {text}") for text, of in lacks.items()
    ]
    faults += _otel_faults(plan, os.environ)
    if faults:
        raise BadInput(*read_document(plan.path).problems(faults))


def _agents(names: list[str]) -> str:
    """The agents that lack the same thing, which is said once."""
    names = list(dict.fromkeys(names))
    quoted = [repr(name) for name in names[:_MOST_NAMED]]
    if len(names) > _MOST_NAMED:
        return f"agents {', '.join(quoted)} and {len(names) - _MOST_NAMED} more"
    return f"agent {quoted[0]}" if len(quoted) == 1 else f"agents {', '.join(quoted[:-1])} and {quoted[-1]}"


def _lacks(plan: Plan, name: str, agent: Mapping[str, Any]) -> Iterator[tuple[str, At]]:
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
        yield lack.text, (*at, lack.item) if lack.item else at


def _otel_faults(plan: Plan, environment: Mapping[str, str]) -> list[Fault]:
    """Variables that `otel` asks for and that are not set, an address that is none: nothing would be sent."""
    otel = plan.orchestration.get("otel") or {}
    endpoint = otel.get("endpoint", EXAMPLE)
    if not endpoint.startswith("$") and not is_address(endpoint):
        text = f"'otel.endpoint' has a host or a port that is none; use a URL like {EXAMPLE}"
        return [Fault(at=("otel", "endpoint"), text=text)]
    asked: dict[At, str] = {("headers_from", key): name for key, name in otel.get("headers_from", {}).items()}
    if otel.get("endpoint", "").startswith("$"):
        asked["endpoint",] = otel["endpoint"][1:]
    return [
        Fault(
            at=("otel", *at),
            text=f"'{'.'.join(('otel', *map(str, at)))}' asks for the variable {name}, which is not set; "
            "set it first",
        )
        for at, name in asked.items()
        if name not in environment
    ]


def _launcher_faults(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Agents whose launcher is not here, or looks at no place: name, what is wrong, which key."""
    for name, agent in plan.agents.items():
        launcher = str(agent.get("launcher") or plan.orchestration.get("launcher") or LOCAL)
        try:
            find_launcher(launcher)
        except BadInput as error:
            yield name, str(error), "launcher"
        if launcher == LOCAL and (
            "place" in agent or ("place" in plan.orchestration and "launcher" not in agent)
        ):
            text = (
                "'place' says what a cluster is asked for, and its launcher is local; add launcher = 'slurm'"
            )
            yield name, text, "place"


def _comes_along(plan: Plan, agent: Mapping[str, Any]) -> bool:
    """The agent's program is a file of the plan, which was looked at when the plan was read."""
    argv = agent.get("command")
    return isinstance(argv, list) and plain_relative(argv[0]) in plan.files
