"""`resume DIR|ID`: go on, from whatever state the tree was left in, here or on another machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from maos_sup.agents.lacking import lacks_here
from maos_sup.cli import edge, options
from maos_sup.cli.follow import Manner, follow
from maos_sup.cli.heads import remembered
from maos_sup.cli.land import landed_when_done
from maos_sup.cli.places import tree_or_default, word_of
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.steering.adding import add_task
from maos_sup.steering.starting import start_supervisor
from maos_sup.steering.wanting import prompt, want_of_all
from maos_sup.views.resumption import Resumption, resumption_lines, resumption_of
from maos_sup.views.status import status_of
from state_layout.errors import BadInput
from state_layout.files.looking import is_dir
from state_layout.paths import Tree
from state_layout.records import Want
from state_layout.shapes.wording import listed
from state_layout.specs import edit_spec, read_specs
from state_layout.tree import relative_project


@click.command("resume")
@options.directory_or_default
@click.option(
    "--task", "text", metavar="TEXT", help="Add this work; planned by a model if several could do it."
)
@click.option("--agent", metavar="A", help="The agent that gets the new task; nothing is planned.")
@options.plain
@options.planning
@options.approval
@click.option("--project", metavar="P", type=click.Path(path_type=Path), help="Where the project lies now.")
@click.option("--detach", is_flag=True, help="Do not watch.")
@options.as_json
def command(
    directory: str | None,
    *,
    text: str | None,
    agent: str | None,
    project: Path | None,
    detach: bool,
    is_plain: bool,
    as_json: bool,
    **planning: Any,
) -> int:
    """Go on with an orchestration: shows what it resumes, starts a supervisor unless one lives, and watches.

    Works after any crash and on any copy of the tree. Exit code 0, or 3 if some task failed.
    """
    tree = tree_or_default(directory)
    if agent is not None and text is None:
        raise BadInput("--agent says who gets the new task; give --task TEXT as well")
    click.get_current_context().with_resource(remembered(tree))
    point_at_project(tree, project)
    tell = say_aside if as_json else say
    if text is not None:
        added = add_work(tree, text, agent, **planning)
        if added is None:
            return edge.INTERRUPTED
        tell(added)
    resumption = resumption_of(tree)
    resumption["lacks"] = lacks_of(tree, resumption)
    for line in [*resumption_lines(resumption), *(f"  lacks: {text}" for text in resumption["lacks"])]:
        tell(line)
    want_of_all(tree, Want.RUN)
    if detach:
        start_supervisor(tree).let_go()
        prompt(tree)
        tell(_detached(tree, resumption))
        if as_json:
            say_json(resumption)
        return edge.OK
    manner = Manner(pauses=True, starts=True, aside=as_json, is_plain=is_plain)
    code = landed_when_done(tree, partial(follow, tree, manner), tell)
    if as_json:
        say_json(status_of(tree))
    return code


def _detached(tree: Tree, resumption: Resumption) -> str:
    """Say what comes of it, and what to type."""
    if resumption["tasks_left"]:
        return f"runs without a view; watch with: maos-sup attach {word_of(tree)}"
    if failed := len(resumption["tasks_failed"]):
        many = "1 task" if failed == 1 else f"{failed} tasks"
        return f"nothing is left to do, {many} failed; try again: maos-sup retry {word_of(tree)}"
    return f"nothing is left to do; what it came to: maos-sup results {word_of(tree)}"


def lacks_of(tree: Tree, resumption: Resumption) -> list[str]:
    """List what agents with work left need and this host does not have: said, nothing is refused."""
    specs = read_specs(tree).specs
    names = [agent["name"] for agent in resumption["agents"] if agent["left"] and agent["pid"] is None]
    known = [name for name in names if name in specs.agents]
    return [f"{name}: {text}" for name in known for text in lacks_here(tree, specs, name)]


def point_at_project(tree: Tree, project: Path | None) -> None:
    """Record where the project lies, if it is given; else see that it lies where it is recorded.

    Raises BadInput: not there, or a folder of another name, which after a copy is somebody else's.
    """
    if project is not None:
        entries = relative_project(tree.root, project)
        edit_spec(tree, tree.orchestration_spec, lambda spec: {**spec, **entries})
        return
    orchestration = read_specs(tree).specs.orchestration
    if orchestration.project is None:
        return
    where = (tree.root / orchestration.project).resolve()
    name = orchestration.project_name
    remedy = f"say where it is with: maos-sup resume {word_of(tree)} --project PATH"
    if not is_dir(where):
        raise BadInput(f"{where}: the project {name!r} is not there; {remedy}")
    if name is not None and where.name != name:
        raise BadInput(f"{where}: the project was called {name!r}; if this is it, {remedy}")


def add_work(tree: Tree, text: str, agent: str | None, **planning: Any) -> str | None:
    """Add the work `text`: a task of `agent` or of the only one, else what a model plans for the team.

    What was added, in words; None if the plan was refused. Raises BadInput.
    """
    agents = sorted(read_specs(tree).specs.agents)
    if agent is not None or len(agents) < 2:
        return str(add_task(tree, text, agent))
    from maos_sup.cli.adding import plan_work
    from maos_sup.cli.askers import NobodyToAsk

    try:
        return plan_work(tree, text, **planning)
    except NobodyToAsk as nobody:
        remedy = f"Add --agent with {listed(agents, last='or')}, or have it planned: {nobody}"
        raise BadInput(f"which agent gets the task? {remedy}") from nobody
