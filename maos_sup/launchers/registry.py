"""Finds launchers by name: among the built-in ones, then the entry points `maos_sup.launchers`.

Importing this module imports no launcher: what asks a cluster is paid for only by who uses one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

from maos_sup.launchers.base import Launcher
from state_layout.errors import BadInput
from state_layout.paths import Tree

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "maos_sup.launchers"
BUILT_IN = {
    "local": "maos_sup.launchers.local:launcher",
    "slurm": "maos_sup.launchers.slurm.launcher:launcher",
}

_PARTS = ("fileno", "submit", "poll", "living", "adopt", "says", "cancel", "sweep", "close")  # of a Launcher
_REMEDY = "install a version that fits this maos-sup"


class MakesLauncher(Protocol):
    """An entry point names this: a function that makes a launcher.

    `entry` is `module:function`, which lives the life of an agent on this machine; `placed_entry` the same on
    another one, with the attempt in `MAOS_SUP_ATTEMPT`. Both get the tree's root and the agent.
    """

    def __call__(self, tree: Tree, *, entry: str, placed_entry: str) -> Launcher: ...


def launcher_names() -> list[str]:
    """The names of all launchers that are installed."""
    return sorted({*BUILT_IN, *_installed()})


def find_launcher(name: str) -> MakesLauncher:
    """Find the function that makes the launcher called `name`. Raises BadInput if it is not there, or
    cannot be used."""
    target = BUILT_IN.get(name)
    where = target or ""
    if target is None:
        point = _installed().get(name)
        if point is None:
            known = ", ".join(launcher_names())
            raise BadInput(f"launcher {name!r} is not known here; use one of {known}, or install it")
        target, where = point.value, _shown(point)
    module, _, attribute = target.partition(":")
    try:
        made: MakesLauncher = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as cause:
        raise BadInput(
            f"launcher {name!r} cannot be imported from {where}: {cause}; install what it needs"
        ) from cause
    if not callable(made):
        raise BadInput(
            f"launcher {name!r}, {where}, is no function (tree, *, entry, placed_entry); {_REMEDY}"
        )
    return made


def make_launcher(name: str, tree: Tree, *, entry: str, placed_entry: str) -> Launcher:
    """Make the launcher called `name`, for `tree`. Raises BadInput, also for one that is broken."""
    makes = find_launcher(name)
    if name in BUILT_IN:
        return makes(tree, entry=entry, placed_entry=placed_entry)
    where = _shown(_installed()[name])
    try:
        made = makes(tree, entry=entry, placed_entry=placed_entry)
    except BadInput:
        raise
    except Exception as cause:
        text = f"launcher {name!r}, {where}, cannot be made ({type(cause).__name__}: {cause}); {_REMEDY}"
        raise BadInput(text) from cause
    lacking = [part for part in _PARTS if not callable(getattr(made, part, None))]
    if lacking:
        raise BadInput(f"launcher {name!r}, {where}, has no {' and no '.join(lacking)}; {_REMEDY}")
    return made


def _shown(point: EntryPoint) -> str:
    return f"{point.value} of package {point.dist.name!r}" if point.dist else point.value


def _installed() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # a few milliseconds, paid only where it is asked

    return {point.name: point for point in entry_points(group=GROUP)}
