"""Find out whether a store honours conditions of writes, which keep two hosts from overwriting each other.

A store may accept the headers and do as if they were not there. So it is asked what it must refuse, one after
the other and several at once, and only who refuses each time is trusted to fence.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from threading import Barrier, Thread
from typing import Protocol

from state_layout.errors import LayoutError, Lost, StorageError

PROBES = "probes/"
RACERS, RACES = 6, 5


class ConditionalStore(Protocol):
    """A store whose objects can be swapped."""

    place: str

    def swap(self, name: str, data: bytes, version: str | None) -> str:
        """Put `data` in the place of `version`; its version. Raises Lost."""

    def remove(self, name: str) -> None:
        """Let go of `name`."""


def conditions_not_honoured(store: ConditionalStore) -> list[str]:
    """List what `store` accepted that it must refuse, a line each; nothing if two hosts can be fenced there.

    Raises StorageError if it cannot be reached.
    """
    found = []
    name = f"{PROBES}{os.urandom(8).hex()}"
    try:
        first = store.swap(name, b"first", None)
        if not _refuses(store, name, None):
            found.append("a write on the condition that nothing is there replaced what was there")
        second = store.swap(name, b"second", first) if not found else first
        if not found and not _refuses(store, name, first):
            found.append("a write on the condition of an old version replaced a newer one")
        if not found:
            wrong = sum(not _one_wins(store, name, second) for _ in range(RACES))
            if wrong:
                found.append(
                    f"of {RACERS} who wrote at once on the same condition not one won, {wrong} times"
                )
    except Lost:
        found.append("a write whose condition holds was refused")
    finally:
        with suppress(StorageError):
            store.remove(name)
    return found


def _refuses(store: ConditionalStore, name: str, version: str | None) -> bool:
    try:
        store.swap(name, os.urandom(8), version)
    except Lost:
        return True
    return False


def _one_wins(store: ConditionalStore, name: str, version: str) -> bool:
    """Exactly one has won of several who want to make an object anew at once."""
    barrier, outcomes = Barrier(RACERS), list[bool]()
    race = f"{name}-{os.urandom(4).hex()}"

    def act(work: Callable[[], str]) -> None:
        barrier.wait()
        try:
            work()
        except Lost:
            outcomes.append(False)
        except LayoutError:
            return
        else:
            outcomes.append(True)

    base = store.swap(race, b"base", None)
    threads = [
        Thread(target=act, args=(lambda number=number: store.swap(race, b"%d" % number, base),))
        for number in range(RACERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.remove(race)
    return sum(outcomes) == 1
