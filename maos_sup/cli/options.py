"""Arguments and options that several commands share, so that they are named and explained alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

from maos_sup.cli.places import complete_tree

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
NUMBERS_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}  # or -1 would be taken for an option


class Amount(click.FloatRange):
    """A number from 0 up; what is no number (nan) or has no end (inf) is refused, for it compares oddly."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        amount = float(super().convert(value, param, ctx))
        if not math.isfinite(amount):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return amount


directory: Decorator = click.argument("directory", metavar="DIR|ID", shell_complete=complete_tree)
directory_or_default: Decorator = click.argument(
    "directory", metavar="[DIR|ID]", required=False, shell_complete=complete_tree
)
as_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
as_json_or_lines: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; with -f one for each line."
)
agent: Decorator = click.option("--agent", metavar="A", help="Only this agent.")
task: Decorator = click.option("--task", metavar="T", help="Only this task.")


def planning(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a request in words is planned."""
    for option in (
        click.option(
            "--agents",
            "most_agents",
            metavar="N",
            type=click.IntRange(1, 50),
            help="At most so many agents for a REQUEST.",
        ),
        click.option("--model", metavar="M", help="The model that plans a REQUEST and works on it."),
    ):
        command = option(command)
    return command


def caps(command: Callable[..., Any]) -> Callable[..., Any]:
    """Most that the agents may spend."""
    for option in (
        click.option(
            "--max-tokens", metavar="N", type=click.IntRange(0), help="All agents use at most N tokens."
        ),
        click.option(
            "--max-cost", metavar="USD", type=Amount(), help="All agents spend at most USD dollars."
        ),
    ):
        command = option(command)
    return command


def caps_of(max_cost: float | None, max_tokens: int | None) -> dict[str, float]:
    """What was given of `caps`, by the keys of [budget] in plans."""
    given = {"max_cost_usd": max_cost, "max_tokens": max_tokens}
    return {key: value for key, value in given.items() if value is not None}


def approval(command: Callable[..., Any]) -> Callable[..., Any]:
    """Who approves what a model planned."""
    for option in (
        click.option(
            "--allow-commands",
            "allows_commands",
            is_flag=True,
            help="With --yes: approve programs in the plan as well.",
        ),
        click.option("--yes", is_flag=True, help="Do not ask before running what a model planned."),
    ):
        command = option(command)
    return command
