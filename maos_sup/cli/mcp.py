"""`mcp DIR --agent NAME`: the team's tools for a program that speaks the Model Context Protocol.

`maos_sup.cli.main` takes the plain form before click is imported; this is for help and for ids.
"""

from __future__ import annotations

import click

from maos_sup import cli
from maos_sup.cli import options
from maos_sup.cli.places import tree_at


@click.command("mcp")
@options.directory
@click.option("--agent", metavar="NAME", required=True, help="The agent whose program calls.")
def command(directory: str, *, agent: str) -> int:
    """Serve the tools of an agent over MCP on stdin and stdout, until stdin is closed.

    For clients that the agent's program starts, such as Claude Code. A call is carried out once for each
    tool-use id, whoever is killed.
    """
    return cli.be_bus(str(tree_at(directory).root), agent)
