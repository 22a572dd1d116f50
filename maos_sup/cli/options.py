"""Arguments and options that several commands share, so that they are named and explained alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from maos_sup.cli.places import complete_tree

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
NUMBERS_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}  # or -1 would be taken for an option

directory: Decorator = click.argument("directory", metavar="DIR|ID", shell_complete=complete_tree)
directory_or_default: Decorator = click.argument(
    "directory", metavar="[DIR|ID]", required=False, shell_complete=complete_tree
)
as_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
agent: Decorator = click.option("--agent", metavar="A", help="Only this agent.")
task: Decorator = click.option("--task", metavar="T", help="Only this task.")
