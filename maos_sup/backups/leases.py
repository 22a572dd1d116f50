"""Hold a repository in a store that cannot be asked whether a process lives.

Who is at work leaves an object under `locks/` and renews it; one that was not renewed for half an hour, by
the clock of the server, is of somebody who was killed. Each puts its own down before it looks for others: of
two at least one sees the other. Who stood still for so long that it may pass for dead brings nothing more.
Who only reads may do so without a lock where it has no right to put one there.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

from state_layout.errors import Locked, StorageError
from state_layout.files import codec

LOCKS = "locks/"
STALE_S, RENEWED_S = 1800.0, 300.0
_PATIENCE_S = 10.0
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # it goes on while the machine sleeps


class NoLock(StorageError):
    """No lock can be put there, for want of rights or of room."""


class LeaseStore(Protocol):
    """Keeps locks. Every method raises StorageError."""

    place: str

    def put_lock(self, name: str, data: bytes) -> None:
        """Keep `data` as `name`, also in the place of what is there. Raises NoLock."""

    def lock_times(self) -> Mapping[str, datetime]:
        """Each lock, and when it was put there by the clock of the server."""

    def remove_lock(self, name: str) -> None:
        """Let go of `name`; no error if it is not there."""


class Leases:
    """The leases are the lock of one process in `store`."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store
        self._own: str | None = None  # the lock that is held, and when it was renewed
        self._renewed_s = 0.0
        self._note: Callable[[str], None] | None = None

    @contextmanager
    def held(self, *, alone: bool, note: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the repository, as `BackupStore` says."""
        self._note = note
        self._take(alone=alone)
        try:
            yield
        finally:
            own, self._own = self._own, None
            if own is not None:
                with suppress(StorageError):
                    self._store.remove_lock(own)

    def renew(self) -> None:
        """Keep the lock that is held; called before each act. Raises Locked if it may pass for a dead's."""
        if self._own is None:
            return
        age_s = time.clock_gettime(_CLOCK) - self._renewed_s
        if age_s > STALE_S - RENEWED_S:
            raise Locked(f"{self._store.place}: this process stood still for {age_s:.0f} s; begin again")
        if age_s > RENEWED_S:
            self._go_on(self._put())

    def _take(self, *, alone: bool) -> None:
        end_s = time.monotonic() + _PATIENCE_S
        while True:
            self._own = own = f"{LOCKS}{'alone' if alone else 'many'}-{os.urandom(8).hex()}"
            refusal = self._put()
            other = self._in_the_way(alone=alone, is_held=refusal is None)
            if other is None:
                self._go_on(refusal)
                return
            self._own = None
            if refusal is None:
                self._store.remove_lock(own)
            if time.monotonic() > end_s:
                what = "a prune" if "alone-" in other[0] else "a backup, restore or verify"
                raise Locked(
                    f"{self._store.place}: {what} is at work there since {other[1]:%H:%M:%S}; repeat when it "
                    f"has ended (if it was killed: half an hour later, or remove {other[0]})"
                )
            time.sleep(0.05 + 0.2 * int.from_bytes(os.urandom(1), "big") / 255)

    def _go_on(self, refusal: NoLock | None) -> None:
        """Go on without a lock after `refusal`, and say so: who only reads needs none."""
        if refusal is not None and self._note is not None:
            self._own = None
            self._note(f"{refusal}. This goes on without a lock; a prune there meanwhile could end it")

    def _in_the_way(self, *, alone: bool, is_held: bool) -> tuple[str, datetime] | None:
        """Another's lock that is not stale, by the clock of the server; its name and time.

        Who holds nothing does not know that clock, and has its own.
        """
        found = dict(self._store.lock_times())
        now = found.pop(self._own or "", None if is_held else datetime.now(UTC))
        if now is None:
            raise StorageError(
                f"{self._store.place}: does not list what was just put there; use another store"
            )
        for path, at in found.items():
            if (alone or "alone-" in path) and (now - at).total_seconds() < STALE_S:
                return path, at
        return None

    def _put(self) -> NoLock | None:
        """Put the lock there, anew; why not, for who only reads. Raises NoLock for others."""
        began_s = time.clock_gettime(_CLOCK)
        told = codec.encode({"host": socket.gethostname(), "pid": os.getpid()})
        try:
            self._store.put_lock(self._own or "", told)
        except NoLock as refusal:
            if self._note is None:
                raise
            return refusal
        self._renewed_s = began_s
        return None
