"""Says what confines the programs of one piece of work: the paths that its kind and its settings give,
bounded.

The kinds that run models share it, so that none of them forgets one of the bounds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from maos_sup.agents.sandbox.bounds import Bounds, bounds_of, home_of
from maos_sup.agents.sandbox.confine import NONE, choose
from maos_sup.agents.work import Work


def bounds_for(work: Work, *, kind: str | None, own: Sequence[Path], asked: Sequence[str]) -> Bounds:
    """Bound what programs of `work` may write: where the work is done, the agent's folders `own`, and
    `asked`.

    Without confinement (`kind` as the settings have it) nothing is bounded. Raises BadInput for a path that
    confined programs must not write.
    """
    folder, life = work.folder().resolve(), work.life
    wanted = [folder, *map(Path, asked)]
    own = [*own, life.paths.worktree] if life.place is not None else own
    if choose(kind) == NONE:
        return Bounds(write=tuple(dict.fromkeys(Path(os.path.realpath(path)) for path in [*wanted, *own])))
    return bounds_of(
        life.tree, own=own, asked=wanted, home=home_of(os.environ), folder=folder, branch=life.branch
    )


def tell_bounds(work: Work, bounds: Bounds, *, confined: str) -> None:
    """Warn of what a person should know about the confinement of this attempt. Raises StorageError."""
    if confined == NONE:
        work.life.warn("it and its commands are not confined: sandbox is 'none'")
    for note in bounds.notes:
        work.life.warn(note)
