"""New work for a team that is there: planned with what it knows, approved, then added to `spec/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from maos_sup.agents.registry import kind_shapes
from maos_sup.cli.approval import PlanRefused, approved
from maos_sup.cli.places import home
from maos_sup.cli.planning import MOST_AGENTS, PlanWanted, planned
from maos_sup.cli.says import say_aside
from maos_sup.cli.secrecy import refuse_secrets
from maos_sup.planner.caps import capped
from maos_sup.planner.plan import Plan, load_plan
from maos_sup.planner.saved import Shelf
from maos_sup.planner.team import Team, team_text
from maos_sup.steering.adding import add_team
from maos_sup.views.mailbox import Mailbox
from maos_sup.views.status import status_of
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.reading import read_record
from state_layout.paths import Tree
from state_layout.shapes.wording import listed
from state_layout.specs import read_specs


def plan_work(
    tree: Tree, text: str, *, model: str | None, most_agents: int | None, yes: bool, allows_commands: bool
) -> str | None:
    """Have the work `text` planned for the team of `tree` and add it; what was added, None if refused.

    Raises BadInput: nobody to ask, no good plan, nobody to approve it. Raises Locked, StorageError.
    """
    wish = PlanWanted(
        request=text.strip(),
        project=_project(tree),
        model=model,
        most_agents=most_agents or MOST_AGENTS,
        team=team_of(tree),
    )
    shelf = Shelf.of(home(), text, about=tree.root)

    def load(path: Path) -> Plan:
        found = load_plan(path, kinds=kind_shapes(), project=wish.project, team=team_of(tree))
        return capped(found, asdict(read_specs(tree).specs.orchestration.budget))

    planned(wish, shelf)
    plan = load(shelf.path)
    try:
        plan = approved(plan, load=load, yes=yes, allows_commands=allows_commands)
    except PlanRefused:
        shelf.forget()
        say_aside("refused; nothing was added")
        return None
    told = add_plan(tree, plan)
    shelf.used(f"{tree.root.name}-{shelf.path.stem}")
    return told


def add_plan(tree: Tree, plan: Plan) -> str:
    """Add the agents and tasks of `plan` that are not there yet; what was added, in words."""
    if plan.files:
        files = listed(sorted(plan.files), last="and")
        raise BadInput(f"{files} lies beside the plan and would have to come along; put it into the project")
    refuse_secrets(plan)
    changes = add_team(tree, plan.agents, plan.tasks, kinds=kind_shapes())
    told = [
        f"{noun if len(names) == 1 else noun + 's'} {listed(names, last='and')}"
        for noun in ("agent", "task")
        if (names := [change.subject.split()[1] for change in changes if change.subject.startswith(noun)])
    ]
    return "added: " + ("; ".join(told) or "nothing, all of it is there")


def team_of(tree: Tree) -> Team:
    """The team of `tree` and what it knows. Raises LayoutError."""
    specs = read_specs(tree).specs
    roles = {agent.name: agent.role for agent in specs.agents.values()}
    discoveries = [
        f"{message['from']}: {message.get('text') or message.get('body')}"
        for message in Mailbox(tree, to="all", type_="discovery").read()
    ]
    return Team(
        agents=_written(tree.agent_specs),
        tasks=_written(tree.task_specs),
        text=team_text(status_of(tree), roles, discoveries),
    )


def _written(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Read the spec objects in `folder` by name; one that is bad has its name all the same."""
    found = dict[str, Mapping[str, Any]]()
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = codec.decode_object(read_record(path))
        except (OSError, codec.NotJson):
            found[path.stem] = {}
    return found


def _project(tree: Tree) -> Path | None:
    project = read_specs(tree).specs.orchestration.project
    return None if project is None else (tree.root / project).resolve()
