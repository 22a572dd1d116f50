"""`plan`: check a plan, or print what a plan may hold."""

from __future__ import annotations

from pathlib import Path

import click

from maos_sup.agents.kind import kind_shapes
from maos_sup.cli import options
from maos_sup.cli.says import say, say_json
from maos_sup.planner.plan import Plan, load_plan
from state_layout.errors import BadInput


@click.command("plan")
@click.argument("plan", metavar="[PLAN]", required=False, type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of plans.")
@options.as_json
def command(plan: Path | None, *, schema: bool, as_json: bool) -> None:
    """Check the plan file PLAN and show what it would run; every mistake is named, nothing is started."""
    if schema:
        from maos_sup.planner.schema import plan_schema

        say_json(plan_schema(kind_shapes()))
        return
    if plan is None:
        raise BadInput("give a plan file, or --schema")
    loaded = load_plan(plan, kinds=kind_shapes())
    if as_json:
        files = sorted(loaded.files)
        say_json(
            {
                "orchestration": loaded.orchestration,
                "agents": loaded.agents,
                "tasks": loaded.tasks,
                "files": files,
            }
        )
    else:
        say("\n".join(plan_lines(loaded)))


def plan_lines(plan: Plan) -> list[str]:
    """What a plan would run, a line for each agent and task."""
    lines = [f"{plan.orchestration['request']}"]
    lines += [
        f"  agent {name} ({agent['kind']}) {agent.get('role', '')}".rstrip()
        for name, agent in plan.agents.items()
    ]
    for name, task in plan.tasks.items():
        needs = f" after {', '.join(task['needs'])}" if task.get("needs") else ""
        lines.append(f"  task {name} by {task['agent']}{needs}: {task.get('description', '')}")
    return lines + [f"  file {name}" for name in sorted(plan.files)]
