"""`supervise DIR`: be the supervisor in the foreground, for systemd and containers.

`maos_sup.cli.main` takes the plain form before click is imported; this is for help and for ids.
"""

from __future__ import annotations

import click

from maos_sup import cli
from maos_sup.cli import options
from maos_sup.cli.places import tree_at


@click.command("supervise")
@options.directory
def command(directory: str) -> int:
    """Be the supervisor of a tree in the foreground, until nothing is left to do or a signal comes.

    Exit code 0, 3 if some task failed, 11 if another supervisor holds the tree.
    """
    return cli.be_supervisor(str(tree_at(directory).root))
