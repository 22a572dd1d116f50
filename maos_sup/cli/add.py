"""`add agent`, `add task`: new members and new work for a team that is there, without writing JSON."""

from __future__ import annotations

import shlex
from typing import Any

import click

from maos_sup.agents.registry import kind_shapes, lacks
from maos_sup.cli import options
from maos_sup.cli.places import tree_of_words
from maos_sup.cli.says import say
from maos_sup.cli.wants import supervised
from maos_sup.steering.adding import NewTask, add_agent, add_new_task
from maos_sup.steering.setting import as_value
from state_layout.errors import BadInput

_AGENT_USAGE = "give the agent a name: add agent [DIR|ID] NAME --kind KIND"
_TASK_USAGE = "say what to do: add task [DIR|ID] TEXT --agent A"


@click.group("add", no_args_is_help=True)
def commands() -> None:
    """Add an agent or a task to an orchestration, also while it runs."""


@commands.command("agent")
@click.argument("words", metavar="[DIR|ID] NAME", nargs=-1)
@click.option("--kind", metavar="KIND", help="How it works; command where a program is given.")
@click.option(
    "--command", "argv", metavar="LINE", help="Kind command: a program and its arguments, no shell."
)
@click.option("--shell", metavar="LINE", help="Kind command: a line for /bin/sh.")
@click.option("--role", metavar="TEXT", help="What it is for.")
@click.option("--model", metavar="M", help="Kinds with a model: which one.")
@click.option(
    "--set", "settings", metavar="KEY VALUE", nargs=2, multiple=True, help="Any other key of an agent."
)
@click.option("--task", "text", metavar="TEXT", help="A first task for it, named after the agent.")
def agent(
    words: tuple[str, ...],
    *,
    kind: str | None,
    argv: str | None,
    shell: str | None,
    role: str | None,
    model: str | None,
    settings: tuple[tuple[str, str], ...],
    text: str | None,
) -> None:
    """Add the agent NAME. `maos-sup explain agents` names the keys that --set takes."""
    tree, rest = tree_of_words(words, 1, usage=_AGENT_USAGE)
    if len(rest) != 1:
        raise click.UsageError(_AGENT_USAGE)
    given = {"shell": shell, "role": role, "model": model}
    if argv is not None:
        given["command"] = _argv(argv)  # type: ignore[assignment]  # a list
    if kind is None and argv is None and shell is None:
        raise BadInput("say how it works: --kind KIND, or --command LINE, or --shell LINE")
    spec: dict[str, object] = {"kind": kind or "command", "role": "", "want": "run"}
    spec |= {key: value for key, value in given.items() if value is not None}
    for key, value in settings:
        _put(spec, key, as_value(value))
    shapes = kind_shapes()
    lacking = [lack.text for lack in lacks(str(spec["kind"]), spec, options.environment_of(spec))]
    if lacking:
        raise BadInput(*(f"agent {rest[0]!r}: {text}" for text in lacking))
    say(str(add_agent(tree, rest[0], spec, kinds=shapes)))
    if text is not None:
        say(str(add_new_task(tree, NewTask(text=text, agent=rest[0], id=rest[0]))))
        supervised(tree)


@commands.command("task")
@click.argument("words", metavar="[DIR|ID] TEXT", nargs=-1)
@click.option("--agent", metavar="A", help="Who does it; may be left out where there is one agent.")
@click.option("--id", "id_", metavar="T", help="Its name; made of TEXT otherwise.")
@click.option("--needs", metavar="T", multiple=True, help="Begin when this task is done (may be repeated).")
@click.option(
    "--timeout", "timeout_s", metavar="S", type=options.AmountType(), help="Seconds for one attempt."
)
def task(
    words: tuple[str, ...],
    *,
    agent: str | None,
    id_: str | None,
    needs: tuple[str, ...],
    timeout_s: float | None,
) -> None:
    """Add a task that TEXT describes; what runs is not disturbed."""
    tree, rest = tree_of_words(words, 1, usage=_TASK_USAGE)
    if len(rest) != 1:
        raise click.UsageError(_TASK_USAGE)
    new = NewTask(text=rest[0], agent=agent, id=id_, needs=needs, timeout_s=timeout_s)
    say(str(add_new_task(tree, new)))
    supervised(tree)


def _argv(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as cause:
        raise BadInput(f"--command {line!r}: {cause}; close the quotes") from cause


def _put(spec: dict[str, object], key: str, value: Any) -> None:
    """Set a dotted key, making the tables that it is in."""
    *tables, last = key.split(".")
    for name in tables:
        inner = spec.setdefault(name, {})
        if not isinstance(inner, dict):
            raise BadInput(f"--set {key}: {name!r} is no table here")
        spec = inner
    spec[last] = value
