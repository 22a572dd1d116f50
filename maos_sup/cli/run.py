"""`run PLAN|REQUEST`: make a tree of a plan (or of what a model plans for a request), start it, watch it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import SystemRandom

import click

from maos_sup.agents.registry import kind_shapes
from maos_sup.cli import edge, options
from maos_sup.cli.approval import PlanRefused, approved
from maos_sup.cli.follow import Manner, follow
from maos_sup.cli.land import landed_when_done
from maos_sup.cli.places import home, name_of, open_made
from maos_sup.cli.planning import PlanWanted, is_request, load_any, planned, refuse_for_file, shelf_of, wanted
from maos_sup.cli.preflight import refuse_lacking
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.cli.secrecy import refuse_secrets
from maos_sup.planner.caps import capped
from maos_sup.planner.placing import placed
from maos_sup.planner.plan import Plan, build_tree, load_plan
from maos_sup.steering.starting import start_supervisor
from maos_sup.views.status import status_of
from state_layout.errors import BadInput, StorageError
from state_layout.files import atomic
from state_layout.files.looking import exists
from state_layout.paths import Tree
from state_layout.tree.elsewhere import remember
from state_layout.tree.names import new_id

_FOLDER = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Says where a tree is to be made, and words for its id; None: in the home, and those of the request."""

    directory: Path | None
    name: str | None


@click.command("run")
@click.argument("plan", metavar="PLAN|REQUEST", type=click.Path())
@click.option("--dir", "directory", metavar="D", type=_FOLDER, help="Make the tree here.")
@click.option("--name", metavar="NAME", help="Words for its id, in place of those of the request.")
@click.option("--project", metavar="P", type=_FOLDER, help="Work on this folder, not the plan's.")
@click.option("--detach", is_flag=True, help="Do not watch; print the id and the directory.")
@click.option("--no-start", "only_makes", is_flag=True, help="Start nothing: `supervise` or `resume` will.")
@options.plain
@options.planning
@options.caps
@options.approval
@options.as_json
def command(
    plan: str,
    *,
    directory: Path | None,
    name: str | None,
    project: Path | None,
    detach: bool,
    only_makes: bool,
    is_plain: bool,
    model: str | None,
    most_agents: int | None,
    max_cost: float | None,
    max_tokens: int | None,
    yes: bool,
    allows_commands: bool,
    as_json: bool,
) -> int:
    """Start what the file PLAN (TOML or JSON) describes, and watch it until it is done.

    A REQUEST in words is planned by a model first: you are shown the plan and say yes, edit it, or say no.
    Ctrl+C pauses: agents stop at a safe point and everything is saved; a second one stops them at once.
    Exit code 0, or 3 if some task failed.
    """
    caps = options.caps_of(max_cost, max_tokens)
    if is_request(plan):
        wish = wanted(plan, project=project, model=model, most_agents=most_agents, caps=caps)
        place = RunPlace(directory=directory, name=name)
        tree = _from_words(wish, place, yes=yes, allows_commands=allows_commands)
        if tree is None:
            return edge.INTERRUPTED
    else:
        refuse_for_file(model=model, most_agents=most_agents)
        loaded = load_plan(Path(plan).expanduser(), kinds=kind_shapes(), project=project)
        tree = _built(capped(loaded, caps), RunPlace(directory=directory, name=name))
    if detach or only_makes:
        if not only_makes:
            start_supervisor(tree).let_go()
        _tell_where(tree, as_json=as_json)
        return edge.OK
    manner = Manner(pauses=True, starts=True, is_plain=is_plain, aside=as_json)
    code = landed_when_done(tree, partial(follow, tree, manner), say_aside if as_json else say)
    if not as_json:
        return code
    say_json(status_of(tree))
    return code


def _from_words(wish: PlanWanted, place: RunPlace, *, yes: bool, allows_commands: bool) -> Tree | None:
    """Make the tree of what a model planned and somebody approved; None if it was refused."""
    if place.directory is not None and exists(place.directory / "FORMAT"):
        raise BadInput(f"{place.directory}: holds an orchestration already; use resume, or another folder")
    shelf = shelf_of(wish)
    plan = planned(wish, shelf)
    try:
        plan = approved(plan, load=load_any, yes=yes, allows_commands=allows_commands)
    except PlanRefused:
        shelf.forget()
        say_aside("refused; nothing was started")
        return None
    tree = _built(plan, place)
    shelf.used(status_of(tree)["id"])
    return tree


def _built(plan: Plan, place: RunPlace) -> Tree:
    """The tree of `plan`, just made. Raises BadInput with everything that is wrong."""
    refuse_secrets(plan)
    refuse_lacking(plan)
    plan, notes = placed(plan)
    for note in notes:
        say_aside(note)
    now = datetime.now(UTC)
    id_ = new_id(place.name or str(plan.orchestration["request"]), now, SystemRandom())
    if place.directory is None:
        atomic.make_folder(home())
        return open_made(build_tree(plan, home() / id_, id=id_))
    tree = build_tree(plan, place.directory, id=id_)
    with suppress(StorageError):  # lists do without it
        remember(home(), tree.root)
    return open_made(tree)


def _tell_where(tree: Tree, *, as_json: bool) -> None:
    if as_json:
        say_json({"id": status_of(tree)["id"], "directory": str(tree.root)})
        return
    say(name_of(tree))
    if name_of(tree) != str(tree.root):
        say(str(tree.root))
