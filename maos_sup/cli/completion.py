"""`completion SHELL`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from maos_sup.cli import options
from maos_sup.cli.group import commands
from maos_sup.cli.says import say
from state_layout.errors import BadInput

_VARIABLE = "_MAOS_SUP_COMPLETE"


@click.command("completion")
@click.argument("shell", type=options.Word(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    For bash, for one: maos-sup completion bash > ~/.local/share/bash-completion/completions/maos-sup
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise BadInput(f"no completion for {shell}")
    say(completion(commands, {}, "maos-sup", _VARIABLE).source())
