"""`run PLAN`: make a tree of a plan, start its supervisor, watch it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

import click

from maos_sup.agents.kind import kind_shapes
from maos_sup.cli import edge, options
from maos_sup.cli.follow import Manner, follow
from maos_sup.cli.launch import start_supervisor
from maos_sup.cli.places import home, name_of, open_made
from maos_sup.cli.says import say, say_json
from maos_sup.planner.plan import build_tree, load_plan
from maos_sup.views.status import status_of
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.paths import Tree
from state_layout.tree import new_id

_PLAN_ENDINGS = (".toml", ".json")
_FOLDER = click.Path(path_type=Path)


@click.command("run")
@click.argument("plan", metavar="PLAN|REQUEST", type=click.Path())
@click.option("--dir", "directory", metavar="D", type=_FOLDER, help="Make the tree here.")
@click.option("--project", metavar="P", type=_FOLDER, help="Work on this folder, not the plan's.")
@click.option("--detach", is_flag=True, help="Do not watch; print the id and the directory.")
@click.option("--yes", is_flag=True, help="Do not ask before running what a planner proposed.")
@options.as_json
def command(
    plan: str, *, directory: Path | None, project: Path | None, detach: bool, yes: bool, as_json: bool
) -> int:
    """Start what the file PLAN (TOML or JSON) describes, and watch it until it is done.

    Ctrl+C pauses: agents stop at a safe point and everything is saved; a second one stops them at once.
    Exit code 0, or 3 if some task failed.
    """
    tree = _made(plan, directory, project)
    if detach:
        start_supervisor(tree).let_go()
        _tell_where(tree, as_json=as_json)
        return edge.OK
    if not as_json:
        return follow(tree, Manner(pauses=True, starts=True))
    code = follow(tree, Manner(pauses=True, starts=True, aside=True))
    say_json(status_of(tree))
    return code


def _made(text: str, directory: Path | None, project: Path | None) -> Tree:
    """The tree of the plan at `text`, just made. Raises BadInput with everything that is wrong."""
    path = Path(text).expanduser()
    if not path.exists() and not text.endswith(_PLAN_ENDINGS):
        raise BadInput(
            f"{text[:60]!r} is no plan file, and a request in words needs a planner, which is not here yet; "
            "write a plan (maos-sup plan --schema) and name its file"
        )
    plan = load_plan(path, kinds=kind_shapes(), project=project)
    now = datetime.now(UTC)
    id_ = new_id(str(plan.orchestration["request"]), now, SystemRandom())
    if directory is None:
        atomic.make_folder(home())
        directory = home() / id_
    return open_made(build_tree(plan, directory, id=id_))


def _tell_where(tree: Tree, *, as_json: bool) -> None:
    if as_json:
        say_json({"id": status_of(tree)["id"], "directory": str(tree.root)})
        return
    say(f"{name_of(tree)}")
    say(f"{tree.root}")
