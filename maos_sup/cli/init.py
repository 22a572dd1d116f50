"""`init [TEMPLATE]`: a commented plan to begin with, made of a template and of what the project is."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from maos_sup.agents.registry import kind_names
from maos_sup.cli import options
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.planner.project_look import Project, look_at
from maos_sup.planner.templates import filled, first_line, template_names
from maos_sup.views.render import table, terminal_width
from state_layout.errors import BadInput
from state_layout.files.atomic import create_once
from state_layout.files.looking import is_dir
from state_layout.files.reading import real
from state_layout.shapes.wording import listed
from state_layout.specs.kinds import traits_of

_WITHOUT_MODEL = frozenset({"repo-audit"})
_MOST_COMMON = "anthropic"


@click.command("init")
@click.argument("template", metavar="[TEMPLATE]", required=False)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path("plan.toml"),
    help="Write it here; plan.toml otherwise.",
)
@click.option("--request", metavar="TEXT", help="What is wanted; a sentence to replace otherwise.")
@click.option("--project", metavar="P", type=click.Path(path_type=Path), help="The folder that it is about.")
@click.option("--kind", metavar="KIND", help="The kind of agents with a model.")
@click.option("--list", "lists", is_flag=True, help="List the templates.")
@options.as_json
def command(
    template: str | None,
    *,
    output: Path,
    request: str | None,
    project: Path | None,
    kind: str | None,
    lists: bool,
    as_json: bool,
) -> None:
    """Write a commented plan to begin with; nothing that is there is overwritten, nothing is started.

    Without TEMPLATE: claude-team where the project has agents in .claude/agents/, else review.
    """
    if lists:
        _list(as_json=as_json)
        return
    if kind is not None and traits_of(kind).shell_tool is None:
        known = [name for name in kind_names() if traits_of(name).shell_tool is not None]
        raise BadInput(f"--kind is {kind!r}; use {listed(known, last='or')}")
    folder = real(project or Path.cwd())
    if not is_dir(folder):
        raise BadInput(f"{folder}: is no folder; name that of the project with --project")
    found = look_at(folder)
    name = template or ("claude-team" if found.claude_agents else "review")
    target = real(output)
    if not is_dir(target.parent):
        raise BadInput(f"{output.parent}: is no folder; name a file in one that is there")
    text = filled(
        name,
        found,
        request=request,
        folder=os.path.relpath(folder, target.parent),
        file=shlex.quote(str(output)),
        kind=kind or _kind_here(),
    )
    if not create_once(target, text.encode()):
        raise BadInput(f"{output}: is there already; name another file with -o, or remove it")
    if as_json:
        say_json({"path": str(target), "template": name, "language": found.language, "test": found.test})
        return
    say(f"{output} written: {name}, {first_line(name)}")
    _tell(name, found, output, asks_for_request=request is None)


def _tell(name: str, found: Project, output: Path, *, asks_for_request: bool) -> None:
    """Say what was found and what comes next."""
    if name == "claude-team" and found.claude_agents:
        names = ", ".join(agent.name for agent in found.claude_agents)
        say_aside(f"agents of .claude/agents: {names}")
    elif found.test:
        say_aside(f"tests are run with: {found.test} ({found.because} says so)")
    else:
        say_aside("no way to run tests was found; the plan says so where it matters")
    word = shlex.quote(str(output))
    edit = "" if name in _WITHOUT_MODEL or not asks_for_request else f"write what you want into {word}; "
    say_aside(f"next: {edit}maos-sup plan {word}; maos-sup run {word}")


def _list(*, as_json: bool) -> None:
    told = {name: first_line(name) for name in template_names()}
    if as_json:
        say_json({"templates": told})
        return
    say("\n".join(table(("TEMPLATE", "WHAT IT DOES"), [*told.items()], width=terminal_width())))


def _kind_here() -> str:
    """The kind of agents with a model that this host has most for."""
    from maos_sup.cli.askers import NobodyToAsk, find_provider

    try:
        return find_provider(model=None, tell=lambda _: None).kind
    except NobodyToAsk:
        return _MOST_COMMON
