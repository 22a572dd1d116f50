"""Says what a supervisor does before its first look: whose place is this, and who lives here already.

`run/host.json` says where the tree was supervised last. If it does not name this place, the tree is a copy
(or `run/` was deleted): marks and sequence numbers are mended before any agent starts. Living agents are
found by their locks, so nothing depends on `run/` being there.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from maos_sup.cuts.copies import mend_copy
from state_layout.errors import Locked, StorageError
from state_layout.files import atomic, codec, disk
from state_layout.files.fence import refuse_links
from state_layout.files.locks import LifeLock, is_free, take_life_lock
from state_layout.files.looking import exists
from state_layout.files.reading import read_record
from state_layout.host.elsewhere import moves_under_another_name, place_of
from state_layout.host.identity import own_handle, read_handle, tree_place
from state_layout.lives.leases import placed_agents
from state_layout.paths import Tree
from state_layout.records import Specs
from state_layout.tree.restore import restore_copy

BALLAST_BYTES = 1 << 18
_STDOUT, _STDERR = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePlace:
    """The place tells where the tree was found."""

    is_new: bool
    notes: tuple[str, ...]


def take_tree(tree: Tree) -> LifeLock:
    """Take the supervisor's lock and say who we are. Raises Locked naming the holder."""
    _refuse_links(tree)
    try:
        lock = take_life_lock(tree.supervisor_lock)
    except Locked as error:
        handle = read_handle(tree.supervisor_handle)
        holder = place_of(handle) if handle is not None else "another process"
        raise Locked(f"{tree.root}: supervised by {holder} already; use 'maos-sup attach'") from error
    _refuse_other_name(tree, lock)
    say_who_we_are(tree)
    return lock


def give_back(tree: Tree, lock: LifeLock) -> None:
    """Say no more that we are here, and release the lock. Never raises."""
    with suppress(OSError):  # `run/` may be nobody's to enter
        if read_handle(tree.supervisor_handle) in (None, own_handle(0)):  # else another took over
            disk.unlink(tree.supervisor_handle)
    lock.release()


def _refuse_other_name(tree: Tree, lock: LifeLock) -> None:
    """Raise Locked where this is no copy, but another name of a tree that is worked on."""
    before = _place_before(tree)
    if before is None or before == tree_place(tree):
        return
    where = moves_under_another_name(tree, but=placed_agents(tree))
    if where is not None:
        lock.release()
        raise Locked(f"{tree.root}: is worked on already by {where}; use that name, or stop it there first")


def _refuse_links(tree: Tree) -> None:
    """Raise Damaged where something that we or our agents write to leads out of the tree."""
    refuse_links(tree.root, tree.lives, tree.accepted / "agents", tree.accepted / "tasks")
    refuse_links(tree.root, tree.run_agents, tree.run_holds, tree.agents, tree.mail, tree.budget)
    refuse_links(tree.root, tree.state / "orchestration", tree.state / "custom")


def say_who_we_are(tree: Tree) -> None:
    """Write our handle, unless it stands (people may delete `run/` at any time). Raises StorageError."""
    if read_handle(tree.supervisor_handle) == own_handle(0):
        return
    atomic.make_folder(tree.run_agents)
    atomic.refresh(tree.supervisor_handle, codec.encode(own_handle(0).to_json()) + b"\n")


def settle_in(tree: Tree, specs: Specs) -> HomePlace:
    """Mend a copy, remember the place, lay the ballast. Raises StorageError."""
    is_new = _place_before(tree) != tree_place(tree)
    notes: tuple[str, ...] = ()
    if is_new:
        agents = sorted(specs.agents)
        notes = (*restore_copy(tree, agents=agents), *mend_copy(tree, specs))
        for agent in agents:
            if is_free(tree.agent(agent).lock):  # else `run/` was deleted under a living agent: it is right
                disk.unlink(tree.agent(agent).status)  # may be ahead of the journal, which is asked instead
    stay(tree)
    return HomePlace(is_new=is_new, notes=notes)


def stay(tree: Tree) -> None:
    """See to it that `run/` says whose place this is and who supervises it. Raises StorageError."""
    renew_log(tree)
    say_who_we_are(tree)
    if _place_before(tree) != tree_place(tree):
        atomic.refresh(tree.host, codec.encode(tree_place(tree)) + b"\n")
    lay_ballast(tree)


def renew_log(tree: Tree) -> None:
    """Begin the log anew where `run/` was deleted under us: what we say would go into a file that has no
    name."""
    log = os.fstat(_STDERR)
    if not stat.S_ISREG(log.st_mode) or log.st_nlink:
        return
    with suppress(OSError, StorageError):
        atomic.make_folder(tree.run)
        with atomic.opened(tree.supervisor_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as descriptor:
            for ours in (_STDOUT, _STDERR):
                if os.path.samestat(os.fstat(ours), log):
                    os.dup2(descriptor, ours)


def lay_ballast(tree: Tree) -> None:
    """Keep a little room for the errors and exits of a full disk; without it we do without."""
    with suppress(OSError):
        if exists(tree.ballast):
            return
        try:
            with atomic.opened(tree.ballast, os.O_WRONLY | os.O_CREAT) as descriptor:
                atomic.write_all(descriptor, bytes(BALLAST_BYTES))
        except OSError:
            disk.unlink(tree.ballast)


def _place_before(tree: Tree) -> dict[str, object] | None:
    try:
        return codec.decode_object(read_record(tree.host))
    except (OSError, codec.NotJson):
        return None
