"""Bring a team to rest for what living processes must not see, and want of it again what was wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from maos_sup.steering.wanting import want_of_all
from state_layout.errors import Locked
from state_layout.files.locks import is_free
from state_layout.files.looking import is_dir
from state_layout.lives.leases import is_inhabited, supervisor_elsewhere
from state_layout.paths import Tree
from state_layout.records import Want
from state_layout.specs import read_specs

_POLL_S, _PATIENCE_S = 0.05, 30.0


@contextmanager
def brought_to_rest(tree: Tree) -> Iterator[None]:
    """End every process of `tree` in order; inside, nobody lives in it. Nothing is started afterwards.

    Raises Locked for who does not end within the grace of the agents and half a minute.
    """
    specs = read_specs(tree).specs
    if living(tree):
        want_of_all(tree, Want.STOP)
        grace_s = specs.orchestration.limits.stop_grace_s
        deadline_s = time.monotonic() + grace_s + _PATIENCE_S
        while names := living(tree):
            if time.monotonic() > deadline_s:
                want_of_all(tree, specs.orchestration.want)
                raise Locked(f"{', '.join(names)} did not end within {grace_s + _PATIENCE_S:g} s; try again")
            time.sleep(_POLL_S)
        want_of_all(tree, specs.orchestration.want)
    yield


def living(tree: Tree) -> list[str]:
    """List who lives in the tree: `supervisor` and names of agents."""
    is_supervised = not is_free(tree.supervisor_lock) or supervisor_elsewhere(tree) is not None
    names = ["supervisor"] if is_supervised else []
    folders = sorted(tree.agents.iterdir()) if is_dir(tree.agents) else []
    return names + [folder.name for folder in folders if is_inhabited(tree.agent(folder.name))]
