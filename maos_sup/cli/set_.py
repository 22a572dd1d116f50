"""`set DIR KEY VALUE`: change one key of `spec/`."""

from __future__ import annotations

import click

from maos_sup.agents.registry import kind_shapes
from maos_sup.cli import options
from maos_sup.cli.places import tree_of_words
from maos_sup.cli.says import say
from maos_sup.steering.setting import set_key

_USAGE = "give a KEY and a VALUE, or a KEY and --remove: set [DIR|ID] KEY VALUE"


@click.command("set", context_settings=options.NUMBERS_MAY_BE_NEGATIVE)
@click.argument("words", metavar="[DIR|ID] KEY [VALUE]", nargs=-1)
@click.option("--remove", is_flag=True, help="Remove the key: its default is in force again.")
def command(words: tuple[str, ...], *, remove: bool) -> None:
    """Set KEY to VALUE (JSON, or else text) in spec/.

    KEY is a key of the orchestration (limits.max_agents), of an agent (agents/bob.want) or of a task
    (tasks/report.timeout_s).
    """
    options.refuse_unknown(words)
    tree, rest = tree_of_words(words, 1 if remove else 2, usage=_USAGE)
    if len(rest) != (1 if remove else 2):
        raise click.UsageError(_USAGE)
    say(str(set_key(tree, rest[0], None if remove else rest[1], kinds=kind_shapes())))
