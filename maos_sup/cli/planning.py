"""From words on a command line to a plan that somebody approved: asks a model, shows, lets edit, takes a no.

A plan that was bought is kept in the home until it is run or refused, so nothing that ends this process in
between has it bought again.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from maos_sup.agents.registry import kind_shapes
from maos_sup.cli.askers import Provider, find_provider
from maos_sup.cli.moving import moving
from maos_sup.cli.places import home, user_roles
from maos_sup.cli.says import say_aside
from maos_sup.core.questions import ModelAnswer
from maos_sup.planner.caps import Caps, cap_file
from maos_sup.planner.plan import Plan, load_plan
from maos_sup.planner.proposal import COMMAND, Offer
from maos_sup.planner.roles import read_roles, role_folders
from maos_sup.planner.saved import Shelf
from maos_sup.planner.survey import survey
from maos_sup.planner.team import Team
from maos_sup.planner.words import Planned, PlanWish, plan_from_words
from maos_sup.views.cells import wrapped
from maos_sup.views.render import one_line
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.files.looking import exists, is_dir
from state_layout.files.reading import is_folder, real, refuse_unseen

MOST_AGENTS, TASKS_AN_AGENT = 8, 4
_PLAN_ENDINGS = (".toml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWanted:
    """A request in words and how it is to be planned."""

    request: str
    project: Path | None  # absolute; None for a team without one
    model: str | None = None
    most_agents: int = MOST_AGENTS
    caps: Caps = field(default_factory=dict)
    team: Team | None = None  # whom the work is for, if they are there already


def is_request(text: str) -> bool:
    """The `text` is a request in words rather than the path of a plan."""
    path = Path(text).expanduser()
    if len(text.split()) < 2 or exists(path):
        return False
    return not (text.endswith(_PLAN_ENDINGS) and "/" in text and is_dir(path.parent))


def wanted(
    request: str, *, project: Path | None, model: str | None, most_agents: int | None, caps: Caps
) -> PlanWanted:
    """Make the wish for `request` about `project`, by default the current folder. Raises BadInput."""
    folder = real(project or Path.cwd())
    if not is_folder(folder):
        refuse_unseen(folder)
        raise BadInput(f"--project is {str(project)!r}, which is no folder; name one that is there")
    if project is None and folder in (Path.home().resolve(), Path("/")):
        raise BadInput(f"{folder}: is no project; change to the folder of one, or name it with --project")
    most = most_agents or MOST_AGENTS
    return PlanWanted(request=request.strip(), project=folder, model=model, most_agents=most, caps=caps)


def refuse_for_file(*, model: str | None, most_agents: int | None) -> None:
    """Raise BadInput if something is given that only says how a request in words is planned."""
    for name, given in (("--model", model), ("--agents", most_agents)):
        if given is not None:
            raise BadInput(
                f"{name} is for a request in words; this is the name of a plan, which says so itself"
            )


def shelf_of(wish: PlanWanted) -> Shelf:
    """Find where the plan of `wish` lies until it is run or refused."""
    return Shelf.of(home(), wish.request, about=wish.project)


def load_any(path: Path) -> Plan:
    """Load the plan at `path`, of any kinds. Raises BadInput."""
    return load_plan(path, kinds=kind_shapes())


def planned(wish: PlanWanted, shelf: Shelf) -> Plan:
    """The plan that waits on the shelf, or a new one, which waits there then. Raises LayoutError."""
    if exists(shelf.path):
        say_aside(f"this was planned before; delete {shelf.path} to have it planned anew")
        project = wish.project if wish.team else None
        cap_file(shelf.path, wish.caps)
        return load_plan(shelf.path, kinds=kind_shapes(), project=project, team=wish.team)
    return bought(wish, shelf, shelf.path, project=None if wish.team else str(wish.project)).plan


def bought(wish: PlanWanted, shelf: Shelf, path: Path, *, project: str | None) -> Planned:
    """Buy a new plan, written to `path`, and say what it cost. Raises LayoutError."""
    provider = find_provider(model=wish.model, tell=say_aside)
    atomic.make_folder(shelf.path.parent)
    roles = read_roles(role_folders(project=wish.project, user=user_roles()))
    offer = Offer(
        kinds=(provider.kind, COMMAND),
        roles=roles,
        model=provider.model,
        most_agents=wish.most_agents,
        most_tasks=wish.most_agents * TASKS_AN_AGENT,
    )
    try:
        with closing(provider), moving(f"planning with {_named(provider)}"):
            asked = PlanWish(
                request=wish.request,
                project=project,
                survey=survey(wish.project) if wish.project else "",
                offer=offer,
                team=wish.team,
                about=wish.project if wish.team else None,
                caps=wish.caps,
            )
            found = plan_from_words(asked, path, ask=shelf.recorded(provider.ask), kinds=kind_shapes())
    except KeyboardInterrupt:
        say_aside("planning was interrupted; nothing was started")
        raise
    say_aside(f"planned by {_named(provider)}: {cost_text(found.answers)}")
    if found.summary:
        say_aside("\n".join(wrapped(one_line(found.summary), shutil.get_terminal_size((100, 24)).columns)))
    return found


def cost_text(answers: tuple[ModelAnswer, ...]) -> str:
    """Say in words what some answers cost."""
    tokens = sum(answer.tokens for answer in answers)
    costs = [answer.cost_usd for answer in answers]
    known = [cost for cost in costs if cost is not None]
    cost = f"{sum(known):.4f} USD" if len(known) == len(costs) else "cost unknown"
    return f"{tokens} tokens, {cost}"


def _named(provider: Provider) -> str:
    return provider.model or f"the {provider.kind} CLI"
