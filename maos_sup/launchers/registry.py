"""Finds launchers by name: among the built-in ones, then the entry points `maos_sup.launchers`.

Importing this module imports no launcher: what asks a cluster is paid for only by who uses one.
"""

from __future__ import annotations

import importlib
from typing import Protocol

from maos_sup.launchers.base import Launcher
from state_layout.errors import BadInput
from state_layout.paths import Tree

GROUP = "maos_sup.launchers"
BUILT_IN = {
    "local": "maos_sup.launchers.local:launcher",
    "slurm": "maos_sup.launchers.slurm.launcher:launcher",
}


class MakesLauncher(Protocol):
    """What an entry point names: a function that makes a launcher.

    `entry` is `module:function`, which lives the life of an agent on this machine; `placed_entry` the same on
    another one, with the attempt in `MAOS_SUP_ATTEMPT`. Both get the tree's root and the agent.
    """

    def __call__(self, tree: Tree, *, entry: str, placed_entry: str) -> Launcher: ...


def launcher_names() -> list[str]:
    """The names of all launchers that are installed."""
    return sorted({*BUILT_IN, *_installed()})


def find_launcher(name: str) -> MakesLauncher:
    """What makes the launcher called `name`. Raises BadInput if it is not there or cannot be imported."""
    target = BUILT_IN.get(name) or _installed().get(name)
    if target is None:
        raise BadInput(
            f"launcher {name!r} is not known here; use one of {', '.join(launcher_names())}, or install it"
        )
    module, _, attribute = target.partition(":")
    try:
        made: MakesLauncher = getattr(importlib.import_module(module), attribute)
    except Exception as cause:
        raise BadInput(
            f"launcher {name!r} cannot be imported from {target}: {cause}; install what it needs"
        ) from cause
    return made


def _installed() -> dict[str, str]:
    from importlib.metadata import entry_points  # a few milliseconds, paid only where it is asked

    return {point.name: point.value for point in entry_points(group=GROUP)}
