"""`status`: how it stands, with options. Without any, `maos_sup.cli.glance` is called at once."""

from __future__ import annotations

import click

from maos_sup.cli import options
from maos_sup.cli.glance import show
from maos_sup.cli.places import tree_or_default


@click.command("status")
@options.directory_or_default
@options.plain
@click.option("--watch", is_flag=True, help="Go on showing it; Ctrl+C ends that.")
@click.option("--agents", "only_agents", is_flag=True, help="Show the agents.")
@click.option("--tasks", "only_tasks", is_flag=True, help="Show the tasks.")
@click.option("--messages", "only_messages", is_flag=True, help="Show the newest messages.")
@click.option("--resources", is_flag=True, help="Show CPU, memory and more of each agent and all it started.")
@options.as_json
def command(
    directory: str | None,
    *,
    is_plain: bool,
    watch: bool,
    only_agents: bool,
    only_tasks: bool,
    only_messages: bool,
    resources: bool,
    as_json: bool,
) -> int:
    """Show how an orchestration, its agents and its tasks stand. Needs no supervisor; works on any copy."""
    tree = tree_or_default(directory)
    asked = {"agents": only_agents, "tasks": only_tasks, "messages": only_messages}
    if watch and not as_json:  # which measures always
        from maos_sup.cli.follow import Manner, follow

        page = "tasks" if only_tasks else "messages" if only_messages else "agents"
        return follow(tree, Manner(pauses=False, is_plain=is_plain, page=page))
    pages = {page for page, is_asked in asked.items() if is_asked}
    return show(tree, pages=pages, as_json=as_json, is_measured=resources)
