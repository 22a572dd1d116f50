"""`agent ...`: what an agent's program may call from a shell. Thin: `agents.program` does it."""

from __future__ import annotations

import click

from maos_sup.cli.group import LazyGroup

commands = LazyGroup("agent", sections={}, hidden={}, help="For the programs of agents.")
assert click
