"""Two processes at once, and a death while a lock is held: what no cut of a single run shows.

Each round yields what was wrong, in words. Whether two hold a lock at once is told by a file that only one
can make, not by the lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from state_layout.errors import LayoutError, Locked, Lost
from state_layout.files import locks
from state_layout.ledger import Amount, Ledger, spent_by
from state_layout.paths import Tree
from state_layout.records import Budget
from state_layout.scopes import scope_lock
from state_layout.scopes.store import ScopeStore
from state_layout.specs import read_specs
from state_layout.specs.edit import edit_spec

from .script import make_tree

ROUNDS, RIVALS, CAP_USD, EDITS, CHANGES = 12, 3, 20.0, 8, 40
PATIENCE_S = 2.0


def run(root: Path) -> Iterator[tuple[str, str]]:
    """The promises that rivals break: name and what was seen."""
    tree = make_tree(root)
    yield from _one_holder(tree)
    yield from _removed_lock(tree)
    yield from _free_after_death(tree)
    yield from _cap_is_kept(tree)
    yield from _no_edit_is_lost(tree)
    yield from _no_change_is_lost(tree)
    yield from _late_writer_is_seen(tree)
    yield from _one_writer_at_once(tree)


def _one_holder(tree: Tree) -> Iterator[tuple[str, str]]:
    """At most one process holds a life lock."""
    told = tree.root.parent / "two-at-once"

    def rival() -> None:
        for _ in range(ROUNDS):
            with suppress(Locked):
                lock = locks.take_life_lock(tree.agent("ann").lock, patience_s=PATIENCE_S)
                _alone(tree.root.parent / "held", told)
                lock.release()

    _at_once(rival)
    if told.exists():
        yield "at most one process holds a lock", "two held the lock of an agent at once"


def _alone(path: Path, told: Path) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        told.touch()
        return
    time.sleep(0.002)  # somebody who is let in comes now
    os.close(descriptor)
    path.unlink(missing_ok=True)


def _removed_lock(tree: Tree) -> Iterator[tuple[str, str]]:
    """Who opened a lock that was removed before it was taken must not believe to hold it."""
    path = tree.agent("bob").lock
    first = locks.take_life_lock(path)
    real = locks.try_lock

    def late(descriptor: int) -> bool:
        path.unlink(missing_ok=True)
        locks.try_lock = real  # type: ignore[assignment]
        first.release()
        return real(descriptor)

    locks.try_lock = late  # type: ignore[assignment]
    try:
        mine = locks.take_life_lock(path, patience_s=PATIENCE_S)
    finally:
        locks.try_lock = real  # type: ignore[assignment]
    with suppress(Locked):
        locks.take_life_lock(path, patience_s=0.0)
        yield "at most one process holds a lock", "a lock was held on a file that had been removed"
    mine.release()


def _free_after_death(tree: Tree) -> Iterator[tuple[str, str]]:
    """A lock ends with its owner, whatever children live on."""
    reading, writing = os.pipe()
    owner = os.fork()
    if owner == 0:
        os.close(writing)
        locks.take_life_lock(tree.agent("cat").lock)
        if os.fork() == 0:
            os.read(reading, 1)  # outlives its parent, until the test is done with it
        os._exit(0)
    os.close(reading)
    os.waitpid(owner, 0)
    try:
        locks.take_life_lock(tree.agent("cat").lock, patience_s=PATIENCE_S).release()
    except Locked:
        yield "a lock ends with its owner", "its child still holds it"
    finally:
        os.close(writing)


def _cap_is_kept(tree: Tree) -> Iterator[tuple[str, str]]:
    """Agents that reserve at once never reserve more than there is."""
    caps = {"all": Budget(max_cost_usd=CAP_USD)}

    def rival(name: str) -> Callable[[], None]:
        def reserve() -> None:
            ledger = Ledger(tree, name)
            for number in range(ROUNDS):
                ledger.reserve(f"{name}-{number}", Amount(cost_usd=1.0), caps=caps)

        return reserve

    _at_once(rival("ann"), rival("bob"), rival("cat"))
    spent = sum(amount.cost_usd or 0.0 for amount in spent_by(tree).values())
    if spent > CAP_USD:
        yield "caps are kept", f"{spent} USD are reserved of {CAP_USD}"


def _no_edit_is_lost(tree: Tree) -> Iterator[tuple[str, str]]:
    """Edits that are made at once, and by hand in between, are all there."""
    path = tree.agent_spec("ann")

    def rival() -> None:
        for _ in range(EDITS):
            edit_spec(tree, path, lambda spec: {**spec, "role": str(int(spec.get("role", "0")) + 1)})

    _at_once(rival, rival)
    by_hand = 0

    def hand(spec: dict[str, object]) -> dict[str, object]:
        nonlocal by_hand
        if not by_hand:
            by_hand += 1
            path.write_bytes(path.read_bytes().replace(b'"shell": "true"', b'"shell": "false"'))
        return {**spec, "role": "100"}

    edit_spec(tree, path, hand)
    spec = read_specs(tree).specs.agents["ann"]
    if spec.settings.get("shell") != "false":
        yield "no edit is lost", "one by hand was overwritten"


def _no_change_is_lost(tree: Tree) -> Iterator[tuple[str, str]]:
    """Writers that change one value at once, each having looked at it, lose no change of another."""
    folder = tree.state_scope("orchestration")
    ScopeStore(folder, "operator").put("n", 0)

    def rival(name: str) -> Callable[[], None]:
        def count() -> None:
            store = ScopeStore(folder, name)
            for _ in range(CHANGES):
                while True:
                    found = store.get("n")
                    assert found is not None
                    with suppress(Lost):
                        store.put("n", found.value + 1, over=found.version)
                        break

        return count

    _at_once(rival("ann"), rival("bob"), rival("cat"))
    counted = ScopeStore(folder, "operator").get("n")
    if counted is None or counted.value != 3 * CHANGES:
        yield "no change is lost", f"{3 * CHANGES} were made, the value is {counted and counted.value}"


def _one_writer_at_once(tree: Tree) -> Iterator[tuple[str, str]]:
    """Nobody writes while another holds the lock of a scope."""
    folder, patience_s = tree.state_scope("custom", "lock"), scope_lock.PATIENCE_S
    scope_lock.PATIENCE_S = 0.02
    try:
        with ScopeStore(folder, "ann").locked(), suppress(Locked):
            ScopeStore(folder, "bob").put("n", 1)
            yield "at most one process holds a lock", "two held the lock of a scope at once"
    finally:
        scope_lock.PATIENCE_S = patience_s


def _late_writer_is_seen(tree: Tree) -> Iterator[tuple[str, str]]:
    """A writer who begins in the same tick of the folder's clock is seen by who has the lock."""
    folder, moment = tree.state_scope("custom", "plan"), (1, 1)
    ann = ScopeStore(folder, "ann")
    ann.put("n", 1)
    os.utime(folder, ns=moment)
    ann.get("n")
    ScopeStore(folder, "bob").put("m", 1)
    os.utime(folder, ns=moment)
    with suppress(Lost):
        ann.put("m", 2, over=None)
        yield "no change is lost", "who had just begun was overlooked"


def _at_once(*rivals: Callable[[], None]) -> None:
    """Do these in processes of their own, one alone several times; wait for all."""
    rivals = rivals if len(rivals) > 1 else rivals * RIVALS
    children = []
    for rival in rivals:
        child = os.fork()
        if child == 0:
            with suppress(LayoutError, OSError):
                rival()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
