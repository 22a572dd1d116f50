"""`status`: how it stands."""

from __future__ import annotations

import click

from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_or_default, word_of
from maos_sup.cli.says import say, say_json
from maos_sup.views.render import (
    agents_table,
    discovery_lines,
    head_lines,
    message_lines,
    tasks_table,
    terminal_width,
)
from maos_sup.views.status import status_of


@click.command("status")
@options.directory_or_default
@options.plain
@click.option("--watch", is_flag=True, help="Go on showing it; Ctrl+C ends that.")
@click.option("--agents", "only_agents", is_flag=True, help="Show the agents.")
@click.option("--tasks", "only_tasks", is_flag=True, help="Show the tasks.")
@click.option("--messages", "only_messages", is_flag=True, help="Show the newest messages.")
@options.as_json
def command(
    directory: str | None,
    *,
    is_plain: bool,
    watch: bool,
    only_agents: bool,
    only_tasks: bool,
    only_messages: bool,
    as_json: bool,
) -> int:
    """Show how an orchestration, its agents and its tasks stand. Needs no supervisor; works on any copy."""
    tree = tree_or_default(directory)
    if watch and not as_json:
        from maos_sup.cli.follow import Manner, follow

        page = "tasks" if only_tasks else "messages" if only_messages else "agents"
        return follow(tree, Manner(pauses=False, is_plain=is_plain, page=page))
    status = status_of(tree)
    if only_messages:
        from maos_sup.cli.messages import newest

        status["messages"] = newest(tree, limit=20)
    if as_json:
        say_json(status)
        return edge.OK
    everything = not (only_agents or only_tasks or only_messages)
    width = terminal_width()
    lines = head_lines(status, name=word_of(tree), width=width)
    if everything or only_agents:
        lines += ["", *agents_table(status, width=width)]
    if everything or only_tasks:
        lines += ["", *tasks_table(status, width=width)]
    if everything:
        lines += discovery_lines(status, width=width)
    if only_messages:
        lines += ["", *message_lines(status["messages"])]
    say("\n".join(lines))
    return edge.OK
