"""`set DIR KEY VALUE`: change one key of `spec/`."""

from __future__ import annotations

import click

from maos_sup.agents.kind import kind_shapes
from maos_sup.cli import options
from maos_sup.cli.places import tree_at
from maos_sup.cli.says import say
from maos_sup.steering.setting import set_key
from state_layout.errors import BadInput


@click.command("set", context_settings=options.NUMBERS_MAY_BE_NEGATIVE)
@options.directory
@click.argument("key", metavar="KEY")
@click.argument("value", metavar="[VALUE]", required=False)
@click.option("--remove", is_flag=True, help="Remove the key: its default is in force again.")
def command(directory: str, key: str, value: str | None, *, remove: bool) -> None:
    """Set KEY to VALUE (JSON, or else text) in spec/.

    KEY is a key of the orchestration (limits.max_agents), of an agent (agents/bob.want) or of a task
    (tasks/report.timeout_s).
    """
    if remove == (value is not None):
        raise BadInput("give a VALUE, or --remove without one")
    say(str(set_key(tree_at(directory), key, value, kinds=kind_shapes())))
