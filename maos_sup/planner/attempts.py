"""Several attempts at one task: an agent and a task for each, and the task itself takes the best of them.

`attempts = 3` at a task of agent `coder` makes the agents `coder-1` to `coder-3`, each with a worktree from
the same commit; a command's score or the agent that is the reviewer says whose work `coder` takes over. Pure,
but for the question where the base is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from maos_sup.core.overlaps import RESOLVER
from maos_sup.planner.plan import Plan, SpecTables
from maos_sup.workspaces.repository import repository_around
from maos_sup.workspaces.worktree import WORKING_TREE, base_commit
from state_layout.paths import is_name
from state_layout.records import Workspace
from state_layout.shapes.shape import At, Fault
from state_layout.shapes.wording import listed

_SORTS = ("worktree", "clone")
_OF_PLAN = ("attempts", "choose", "reviewer")
_REVIEW = """Several agents tried the same task, each in a worktree of its own, from the same commit.
Choose the attempt that does it best: {agents}. What each did is on a branch whose name ends in its
own (git branch --list 'maos/*'; git diff BASE..BRANCH shows it); change nothing there. What they say of it is
in the results that you were given. Judge what they did, not what they say. Answer with the line

chosen: AGENT

and your reasons. This was the task:

{task}"""


def attempt_faults(plan: Plan) -> Iterator[Fault]:
    """Yield what cannot be as the tasks of `plan` say, one for each task."""
    places = {id_: ("tasks", index) for index, id_ in enumerate(plan.listed)}
    for id_, task in plan.tasks.items():
        found = _fault(plan, id_, task)
        if found is not None:
            key, text = found
            at: At = (*places.get(id_, ("tasks", 0)), key)
            yield Fault(at=at, text=f"task {id_!r}: {text}")


def expanded(plan: Plan) -> Plan:
    """Expand `plan`, which has no such faults, by an agent and a task for each attempt."""
    agents, tasks = dict(plan.agents), SpecTables()
    for id_, task in plan.tasks.items():
        count = task.get("attempts")
        if count is None:
            tasks[id_] = task
            continue
        tasks |= _tasks(id_, task, count)
        agents |= _agents(plan, task["agent"], count)
    ordered: SpecTables = {
        id_: {**task, "order": order} for order, (id_, task) in enumerate(tasks.items(), start=1)
    }
    return replace(plan, agents=agents, tasks=ordered)


def with_one_base(plan: Plan) -> Plan:
    """Write into `plan` the commit that is the base now for all who try one task. Raises NoWorktree."""
    if plan.project is None:
        return plan
    trying = {task["agent"] for task in plan.tasks.values() if "attempt_of" in task or "choose" in task}
    fixed = SpecTables()
    for name in sorted(trying):
        wish = Workspace.of(plan.agents[name], plan.orchestration)
        commit = base_commit(repository_around(plan.project), wish.base)
        fixed[name] = {**plan.agents[name], "base": commit}
    return replace(plan, agents={**plan.agents, **fixed}) if fixed else plan


def _fault(plan: Plan, id_: str, task: Mapping[str, Any]) -> tuple[str, str] | None:
    """Find the key that is at fault, and say why."""
    if task.get("attempts") is None:
        key = next((key for key in ("choose", "reviewer") if key in task), None)
        return None if key is None else (key, f"{key!r} needs several attempts; add attempts = 3")
    agent, count, reviewer = task["agent"], task["attempts"], task.get("reviewer")
    if ("choose" in task) == (reviewer is not None):
        return (
            "attempts",
            "say by one of the two which attempt is taken: choose = 'CMD' or reviewer = 'AGENT'",
        )
    if agent == RESOLVER:
        return "attempts", f"the agent {RESOLVER!r} merges what others did; give the task to another one"
    if reviewer is not None and (reviewer not in plan.agents or reviewer == agent):
        others = [name for name in plan.agents if name != agent]
        wish = f"use {listed(others, last='or')}" if others else "add an agent for it"
        return "reviewer", f"'reviewer' is {reviewer!r}, which is no other agent of the plan; {wish}"
    if (why := _homeless(plan, plan.agents[agent])) is not None:
        return "attempts", why
    new = [*(f"{agent}-{number}" for number in range(1, count + 1))]
    if taken := next((name for name in new if name in plan.agents), None):
        return "attempts", f"an attempt would be made by agent {taken!r}, which is there; rename that one"
    ids = [*(f"{id_}-{number}" for number in range(1, count + 1)), f"{id_}-review"]
    if taken := next((name for name in ids if name in plan.tasks), None):
        return "attempts", f"an attempt would be task {taken!r}, which is there; rename that one"
    if bad := next((name for name in [*new, *ids] if not is_name(name)), None):
        return "attempts", f"{bad!r} would be too long a name; use a shorter one"
    if sum(each.get("attempts") is not None and each["agent"] == agent for each in plan.tasks.values()) > 1:
        return "attempts", f"agent {agent!r} has another task with attempts; give one to another agent"
    return None


def _homeless(plan: Plan, agent: Mapping[str, Any]) -> str | None:
    """Say why several cannot try the work of `agent` side by side, None if they can."""
    wish = Workspace.of(agent, plan.orchestration)
    is_told = "workspace" in agent or "workspace" in plan.orchestration
    if plan.project is None:
        return "attempts are made in worktrees of a project, and there is none; add project = '.'"
    if agent.get("cwd") == "workspace":
        return "attempts are made in worktrees of the project; leave cwd = 'workspace' out"
    if is_told and wish.workspace not in _SORTS:
        return f"attempts need a worktree (or clone) each, and 'workspace' is {wish.workspace!r}"
    if wish.base == WORKING_TREE:
        return "attempts begin with one commit, and 'base' is 'working-tree'; commit first, and use HEAD"
    return None


def _agents(plan: Plan, name: str, count: int) -> SpecTables:
    sort = Workspace.of(plan.agents[name], plan.orchestration).workspace
    own = {**plan.agents[name], "workspace": sort if sort in _SORTS else _SORTS[0]}
    names = [name, *(f"{name}-{number}" for number in range(1, count + 1))]
    made = {each: {**own, "budget_with": [other for other in names if other != each]} for each in names}
    holder = own.get("budget_of", name)
    return {each: spec if each == name else {**spec, "budget_of": holder} for each, spec in made.items()}


def _tasks(id_: str, task: Mapping[str, Any], count: int) -> SpecTables:
    agent = task["agent"]
    plain = {key: item for key, item in task.items() if key not in _OF_PLAN}
    tries = {
        f"{id_}-{number}": {**plain, "agent": f"{agent}-{number}", "attempt_of": id_}
        for number in range(1, count + 1)
    }
    needs, any_of = list(task["needs"]), list(tries)
    found: SpecTables = dict(tries)
    choose: Mapping[str, Any] = {"line": task.get("choose")}
    if "reviewer" in task:
        names = listed([each["agent"] for each in tries.values()], last="and")
        text = _REVIEW.format(agents=names, task=task["description"])
        judged = {"description": text, "needs": [*needs, *any_of], "any_of": any_of}
        found[f"{id_}-review"] = {**plain, "agent": task["reviewer"], **judged}
        choose = {"review": f"{id_}-review"}
        needs = [*needs, f"{id_}-review"]
    found[id_] = {**plain, "needs": [*needs, *any_of], "any_of": any_of, "choose": choose}
    return found
