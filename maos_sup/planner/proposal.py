"""Says what a model may propose: far less than a plan may hold, so that it cannot get much wrong or take
much.

One shape is both the form that the model fills in and the check of what it wrote. It cannot set environments,
sandboxes, tools, budgets or approvals: those are people's. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from maos_sup.planner.roles import Role
from state_layout.shapes.shape import Argv, Fault, Field, ListOf, Number, OneOf, Shape, Text
from state_layout.shapes.wording import shown
from state_layout.specs.tables import TASK, name

NAME = "propose_plan"
COMMAND = "command"
_NOT_FOR_MODELS = frozenset({"pattern", "exclusiveMinimum", "uniqueItems", "default", "minLength"})

Table = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A proposal may choose from this. `model` is written into agents that have one."""

    kinds: tuple[str, ...]  # the first is the default
    roles: Mapping[str, Role]
    model: str | None
    most_agents: int
    most_tasks: int


def proposal_shape(offer: Offer, *, is_addition: bool = False) -> Shape:
    """Describe what may be proposed; an addition to a team needs no new agents."""
    agent = Shape(
        fields={
            "name": Field(name, "short and telling: lower case, digits, - and _", required=True),
            "role": Field(OneOf(tuple(offer.roles)), "the template its instructions begin with"),
            "instructions": Field(
                Text(), "what is special about this one, beyond its template; may be empty"
            ),
            "kind": Field(OneOf(offer.kinds), f"leave it out for {offer.kinds[0]}"),
            "command": Field(Argv(), "only for kind command: the program and its arguments"),
        },
        wish="an object with name and role",
    )
    task = Shape(
        fields={
            "id": Field(name, "short and telling", required=True),
            "agent": Field(name, "the name of the agent that does it", required=True),
            "description": Field(
                Text(least=1, wish="text that says what to do"),
                "all that the agent has to know to do it well",
                required=True,
            ),
            "needs": Field(
                TASK.fields["needs"].rule, "ids of the tasks whose results it needs before it begins"
            ),
            "timeout_s": Field(
                Number(least=60, most=86_400), "seconds, only if it takes longer than limits.timeout_s"
            ),
        }
    )
    limits = Shape(
        fields={
            "max_agents": Field(Number(least=1, most=100, whole=True), "agents that work at the same time"),
            "timeout_s": Field(Number(least=60, most=86_400), "seconds that one task may take"),
        }
    )
    least = 0 if is_addition else 1
    return Shape(
        fields={
            "summary": Field(Text(least=1), "how the team goes about it, in two or three sentences"),
            "agents": Field(
                ListOf(item=agent, least=least, wish="a list of agents"),
                f"at most {offer.most_agents}",
                required=not is_addition,
            ),
            "tasks": Field(
                ListOf(item=task, least=1, wish="a list of tasks"),
                f"at most {offer.most_tasks}",
                required=True,
            ),
            **({} if is_addition else {"limits": Field(limits)}),
        }
    )


def simplified(schema: Any) -> Any:
    """Drop from `schema` what servers of small models choke on; the check afterwards still asks for it."""
    if isinstance(schema, dict):
        kept = {key: simplified(item) for key, item in schema.items() if key not in _NOT_FOR_MODELS}
        return {"type": "string", **kept} if "enum" in kept and "type" not in kept else kept
    return [simplified(item) for item in schema] if isinstance(schema, list) else schema


def proposal_faults(value: Mapping[str, Any], offer: Offer, *, is_addition: bool = False) -> list[Fault]:
    """List all that is wrong with a proposal by itself; the plan loader finds the rest."""
    faults = [*proposal_shape(offer, is_addition=is_addition).faults(value)]
    return faults or [*_more_faults(value, offer)]


def _more_faults(value: Mapping[str, Any], offer: Offer) -> Iterator[Fault]:
    agents, tasks = value.get("agents", []), value["tasks"]
    for what, found, most in (("agents", agents, offer.most_agents), ("tasks", tasks, offer.most_tasks)):
        if len(found) > most:
            yield Fault(at=(what,), text=f"'{what}' has {len(found)}, the most is {most}; join some of them")
    seen = set[str]()
    for index, agent in enumerate(agents):
        at = ("agents", index, "name")
        if agent["name"] in seen:
            yield Fault(at=at, text=f"'agents[{index}].name' repeats {shown(agent['name'])}; choose another")
        seen.add(agent["name"])
        is_command = agent.get("kind", offer.kinds[0]) == COMMAND
        if is_command != ("command" in agent):
            remedy = "add it" if is_command else "leave it out"
            text = f"'agents[{index}].command' belongs to kind command and to no other; {remedy}"
            yield Fault(at=("agents", index), text=text)


def plan_of(value: Mapping[str, Any], offer: Offer, *, request: str, project: str | None) -> Table:
    """Make the plan that a proposal without faults stands for, as the table of a plan file."""
    plan: Table = {"request": request}
    if project is not None:
        plan["project"] = project
        plan["workspace"] = "shared"  # as the planner's prompt tells the model
    if value.get("limits"):
        plan["limits"] = dict(value["limits"])
    if value.get("agents"):
        plan["agents"] = {agent["name"]: _agent(agent, offer) for agent in value["agents"]}
    plan["tasks"] = [_task(task) for task in value["tasks"]]
    return plan


def _agent(agent: Mapping[str, Any], offer: Offer) -> Table:
    kind = agent.get("kind", offer.kinds[0])
    if kind == COMMAND:
        return {"kind": kind, "command": agent["command"], "role": agent.get("instructions", "").strip()}
    template = offer.roles[agent["role"]].text if "role" in agent else ""
    role = "\n\n".join(part for part in (template, agent.get("instructions", "").strip()) if part)
    model = {} if offer.model is None else {"model": offer.model}
    return {"kind": kind, **model, "role": role}


def _task(task: Mapping[str, Any]) -> Table:
    entry: Table = {"id": task["id"], "agent": task["agent"]}
    if task.get("needs"):
        entry["needs"] = task["needs"]
    if task.get("timeout_s"):
        entry["timeout_s"] = task["timeout_s"]
    return {**entry, "description": task["description"].strip()}
