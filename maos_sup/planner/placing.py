"""On what the agents of a plan work: who gets a worktree of the project, and why that may not be possible.

A plan that says nothing of it: several agents that run models and can write in one git project get a worktree
each, in one without git a copy each; one alone works on the project itself. It is settled when a tree is
made, so that trees which are there keep to what they were made with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from maos_sup.planner.attempts import attempt_faults, expanded, with_one_base
from maos_sup.planner.document import read_document
from maos_sup.planner.plan import Plan
from maos_sup.workspaces.copying import TooLarge, measure
from maos_sup.workspaces.git_look import CannotLook, git_answer
from maos_sup.workspaces.own import OWN
from maos_sup.workspaces.repository import (
    HEX,
    NoWorktree,
    is_in_repository,
    refuse_without_git,
    repository_around,
)
from maos_sup.workspaces.worktree import base_commit
from state_layout.errors import BadInput
from state_layout.records import Workspace
from state_layout.shapes.shape import Fault
from state_layout.shapes.wording import listed
from state_layout.specs.kinds import traits_of

Table = Mapping[str, Any]


def placed(plan: Plan) -> tuple[Plan, list[str]]:
    """Give each agent of `plan` a place, and write sentences on what was settled.

    Raises BadInput with everything that cannot be as the plan says, each with file and line.
    """
    wrong = [*attempt_faults(plan)]
    before, plan = len(plan.agents), plan if wrong else expanded(plan)
    are_some_trying = len(plan.agents) > before  # each in a place of its own, which the plan need not say
    faults = [*wrong, *_faults(plan)]
    if faults:
        raise BadInput(*read_document(plan.path).problems(faults))
    plan = with_one_base(plan)
    writers = [name for name, agent in plan.agents.items() if _shares(plan, agent)]
    if len(writers) + are_some_trying < 2 or plan.project is None or "workspace" in plan.orchestration:
        return plan, _told(plan)
    sort = "worktree" if is_in_repository(plan.project) else OWN
    why = next((why for name in writers if (why := _cannot(plan, plan.agents[name], sort)) is not None), None)
    if why is not None:
        shared = f"{listed(writers, last='and')} share the project itself: {why}"
        return plan, [*_told(plan), shared]
    agents = {
        name: {**agent, "workspace": sort} if name in writers else agent
        for name, agent in plan.agents.items()
    }
    settled = replace(plan, agents=agents)
    return settled, _told(settled)


def wish_of(plan: Plan, agent: Table) -> Workspace:
    """Read what the plan says of where `agent` works."""
    return Workspace.of(agent, plan.orchestration)


def _shares(plan: Plan, agent: Table) -> bool:
    """The `agent` runs a model that can write in the project, and nothing is said of where."""
    tools, traits = agent.get("tools"), traits_of(agent["kind"])
    writing = traits.writing_tools
    reads_only = tools is not None and writing is not None and not writing & {*tools}
    is_told = "workspace" in agent or agent.get("cwd") == "workspace"
    return traits.has_model and not is_told and not reads_only


def _faults(plan: Plan) -> Iterator[Fault]:
    for name, agent in plan.agents.items():
        wish = wish_of(plan, agent)
        at: tuple[str, ...] = ("agents", name, "workspace") if "workspace" in agent else ("workspace",)
        if wish.workspace == "shared" or (agent.get("cwd") == "workspace" and "workspace" not in agent):
            continue
        if plan.project is None:
            text = f"'workspace' is {wish.workspace!r}, and there is no project; add project = '.'"
            yield Fault(at=at, text=f"agent {name!r}: {text}")
        elif agent.get("cwd") == "workspace":
            text = "'cwd' is 'workspace', a folder without the project; leave one of the two out"
            yield Fault(at=at, text=f"agent {name!r}: {text}")
        elif (why := _cannot(plan, agent, wish.workspace)) is not None:
            yield Fault(at=at, text=f"agent {name!r}: {why}")


def _cannot(plan: Plan, agent: Table, sort: str) -> str | None:
    """Say why `agent` cannot have a workspace of that sort, None if it can."""
    project, wish = plan.project or Path(), wish_of(plan, agent)
    try:
        if sort != OWN:
            base_commit(repository_around(project), wish.base)
        elif is_in_repository(project):
            return f"'own' copies a project without git, and {project} has git; use 'worktree' or 'clone'"
        elif wish.base != Workspace().base:
            return f"'base' is {wish.base!r}, and the project has no git; leave it out"
        else:
            refuse_without_git(project)
            measure(project, limit_mib=wish.copy_limit_mib)
    except (NoWorktree, TooLarge) as cause:
        return str(cause)
    return None


def _told(plan: Plan) -> list[str]:
    """List who works in a worktree, on what, and what of the project is not in it."""
    if plan.project is None:
        return []
    wishes = {name: wish_of(plan, agent) for name, agent in plan.agents.items()}
    lines = []
    copied = [name for name, wish in wishes.items() if _has(plan, name, wish, OWN)]
    if copied:
        each = "a copy" if len(copied) == 1 else "a copy each"
        text = "which has no git; put together by: maos-sup land ID"
        lines.append(f"{listed(copied, last='and')}: {each} of {plan.project.name}, {text}")
    for sort, base in dict.fromkeys((wish.workspace, wish.base) for wish in wishes.values()):
        names = [name for name, wish in wishes.items() if _has(plan, name, wish, sort) and wish.base == base]
        if names and sort in ("worktree", "clone"):
            each = f"a {sort}" if len(names) == 1 else f"a {sort} each"
            left = _left(plan.project, base)
            lines.append(
                f"{listed(names, last='and')}: {each} of {plan.project.name}, from {_short(base)}, on "
                f"branches maos/ID/AGENT{left}"
            )
    return lines


def _short(base: str) -> str:
    return base[:12] if HEX.fullmatch(base) else base


def _has(plan: Plan, name: str, wish: Workspace, sort: str) -> bool:
    return wish.workspace == sort and plan.agents[name].get("cwd") != "workspace"


def _left(project: Path, base: str) -> str:
    if base == "working-tree":
        return ", what is not committed taken along"
    try:
        told = git_answer(project, ["status", "--porcelain", "-z", "--ignore-submodules=all", "--no-renames"])
    except CannotLook:
        return ""
    count = len([entry for entry in told.split(b"\0") if entry])
    if not count:
        return ""
    files = "1 file that is not committed is" if count == 1 else f"{count} files that are not committed are"
    return f'; {files} not in it (base = "working-tree" takes them along)'
