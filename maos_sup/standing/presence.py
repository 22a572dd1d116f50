"""Says whether a process lives, by files and by this host's processes; and whether a tree is at home here.

A process is judged by its handle. A handle of another host or an earlier boot, or none at all, is not alive
to who looks.
"""

from __future__ import annotations

from pathlib import Path

from state_layout.errors import StorageError
from state_layout.host.identity import is_alive, is_of_other_namespace, read_handle
from state_layout.host.marks import mark_prefix, read_mark, tree_place
from state_layout.lives.snapshots import read_snapshot
from state_layout.paths import Tree


def is_here(tree: Tree) -> bool:
    """The folder `run/` is of this tree: the handles of a copied one name processes of the original.

    Where `run/` was deleted while agents lived, they wrote their handles again: their marks tell.
    """
    host = read_snapshot(tree.host)
    try:
        if host is None:
            return _has_marked_process(tree)
        if all(host.get(key) == value for key, value in tree_place(tree).items()):
            return True
    except OSError:
        return False
    from state_layout.host.elsewhere import works_under_another_name  # few trees were moved

    return works_under_another_name(tree) is not None


def is_at_home(tree: Tree) -> bool:
    """The file `run/host.json` names this very place."""
    host = read_snapshot(tree.host) or {}
    try:
        return all(host.get(key) == value for key, value in tree_place(tree).items())
    except OSError:
        return False


def living_process(handle_file: Path, lock: Path, *, here: bool) -> tuple[int | None, str | None]:
    """Find the living process that a handle names, and where it is if that is not here.

    The pids of another namespace mean nothing here: there, and only there, the lock is asked.
    """
    handle = read_handle(handle_file) if here else None
    if handle is None:
        return None, None
    if is_alive(handle):
        return handle.pid, None
    if is_of_other_namespace(handle) and _is_held(lock):
        from maos_sup.system.locks import lock_holder  # few look from outside of a container
        from state_layout.host.elsewhere import place_of

        return lock_holder(lock) or handle.pid, place_of(handle)
    return None, None


def _has_marked_process(tree: Tree) -> bool:
    """A living process that `run/` names wears a mark of this very tree."""
    handles = filter(None, map(read_handle, tree.run_agents.glob("*.handle.json")))
    prefix = mark_prefix(tree)
    return any(is_alive(handle) and (read_mark(handle.pid) or "").startswith(prefix) for handle in handles)


def _is_held(lock: Path) -> bool:
    from state_layout.files.locks import is_free

    try:
        return not is_free(lock)
    except StorageError:
        return False
