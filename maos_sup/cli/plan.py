"""`plan PLAN|REQUEST`: check a plan, have one made of words, or print what a plan may hold."""

from __future__ import annotations

from pathlib import Path

import click

from maos_sup.agents.registry import kind_shapes
from maos_sup.cli import options
from maos_sup.cli.approval import show
from maos_sup.cli.planning import PlanWanted, bought, is_request, planned, refuse_for_file, shelf_of, wanted
from maos_sup.cli.preflight import refuse_lacking
from maos_sup.cli.says import say, say_aside, say_exactly, say_json
from maos_sup.planner.caps import capped
from maos_sup.planner.placing import placed
from maos_sup.planner.plan import Plan, load_plan
from state_layout.errors import BadInput
from state_layout.files.looking import exists, is_dir
from state_layout.files.reading import read_foreign, real


@click.command("plan")
@click.argument("plan", metavar="[PLAN|REQUEST]", required=False)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the plan of a REQUEST here.",
)
@click.option(
    "--project", metavar="P", type=click.Path(path_type=Path), help="The folder that a REQUEST is about."
)
@options.planning
@options.caps
@click.option("--schema", is_flag=True, help="Print the JSON Schema of plans.")
@options.as_json
def command(
    plan: str | None,
    *,
    output: Path | None,
    project: Path | None,
    model: str | None,
    most_agents: int | None,
    max_cost: float | None,
    max_tokens: int | None,
    schema: bool,
    as_json: bool,
) -> None:
    """Check the plan file PLAN and show what it would run; every mistake is named, nothing is started.

    For a REQUEST in words a model makes the plan first; it is written to FILE, else printed.
    """
    if schema:
        from maos_sup.planner.schema import plan_schema

        say_json(plan_schema(kind_shapes(say_aside)))
        return
    if plan is None:
        raise BadInput("give a plan file, a request in words, or --schema")
    caps = options.caps_of(max_cost, max_tokens)
    if is_request(plan):
        wish = wanted(plan, project=project, model=model, most_agents=most_agents, caps=caps)
        loaded = planned(wish, shelf_of(wish)) if output is None else _written(wish, output)
        show(loaded)
        if not as_json:
            say_exactly(str(loaded.path) if output else read_foreign(loaded.path).decode().rstrip())
            return
    elif output is not None:
        raise BadInput("-o is for the plan of a request in words; this is the name of a plan")
    else:
        refuse_for_file(model=model, most_agents=most_agents)
        loaded = load_plan(Path(plan).expanduser(), kinds=kind_shapes(say_aside), project=project)
        loaded = capped(loaded, caps)
        refuse_lacking(loaded)
        loaded, notes = placed(loaded)
        for note in notes:
            say_aside(note)
    if as_json:
        say_json(_told(loaded))
    else:
        say("\n".join(plan_lines(loaded)))


def _written(wish: PlanWanted, output: Path) -> Plan:
    """Write the plan of `wish` to `output`. Raises BadInput, before it is bought, if that is there."""
    if exists(output):
        raise BadInput(f"{output}: is there already; name another file, or remove it")
    if not is_dir(output.parent):
        raise BadInput(f"{output.parent}: is no folder; name a file in one that is there")
    shelf, target = shelf_of(wish), real(output)
    project = "." if target.parent == wish.project else str(wish.project)
    plan = bought(wish, shelf, target, project=project).plan
    shelf.forget()
    return plan


def _told(plan: Plan) -> dict[str, object]:
    return {
        "orchestration": plan.orchestration,
        "agents": plan.agents,
        "tasks": plan.tasks,
        "files": sorted(plan.files),
    }


def plan_lines(plan: Plan) -> list[str]:
    """Say what a plan would run, a line for each agent and task."""
    lines = [f"{plan.orchestration['request']}"]
    lines += [
        f"  agent {name} ({agent['kind']}) {str(agent.get('role', '')).partition(chr(10))[0]}".rstrip()
        for name, agent in plan.agents.items()
    ]
    for name, task in plan.tasks.items():
        needs = f" after {', '.join(task['needs'])}" if task.get("needs") else ""
        lines.append(f"  task {name} by {task['agent']}{needs}: {task.get('description', '')}")
    return lines + [f"  file {name}" for name in sorted(plan.files)]
