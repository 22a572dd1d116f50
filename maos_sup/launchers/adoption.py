"""Finds the living process of an agent that another launcher started: by its handle, else by its lock."""

from __future__ import annotations

from contextlib import suppress

from maos_sup.system.locks import lock_holder
from maos_sup.system.targets import Target
from state_layout.host.identity import Handle, handle_of, open_process, read_handle
from state_layout.host.marks import NO_ONES, mark_prefix, read_mark
from state_layout.paths import Tree


def find_process(tree: Tree, agent: str) -> Target | None:
    """Find the living process of `agent`; None if it cannot be found (which does not mean that it is
    dead).

    The finder closes it.
    """
    with suppress(OSError):
        handle = read_handle(tree.handle(agent))
        found = _opened(tree, agent, handle) if handle is not None else None
        if found is None and (pid := lock_holder(tree.agent(agent).lock)) is not None:
            handle = handle_of(pid, attempt=0)
            found = _opened(tree, agent, handle) if handle is not None else None
            if found is not None and lock_holder(tree.agent(agent).lock) != pid:
                found.close()
                return None
        return found
    return None


def _opened(tree: Tree, agent: str, handle: Handle) -> Target | None:
    """The process of `handle`, unless it is dead or works for another tree (whose copy this is)."""
    pidfd = open_process(handle)
    if pidfd is None:
        return None
    target = Target(pid=handle.pid, start_time=handle.start_time, pidfd=pidfd)
    mark = read_mark(handle.pid) or NO_ONES
    if mark != NO_ONES and not mark.startswith(f"{mark_prefix(tree)}{agent}:"):
        target.close()
        return None
    return target
