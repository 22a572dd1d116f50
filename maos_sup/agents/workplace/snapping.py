"""Takes snapshots of an agent's workspace as it works: as tasks begin and end, after calls that may write.

What cannot be kept stops nobody: it is said once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from maos_sup.agents.attempt.life import AgentLife
from maos_sup.workspaces import restoring, snapshots
from maos_sup.workspaces.snapshots import Camera
from state_layout.errors import LayoutError
from state_layout.files import locks

_LONGEST_WAIT_S = 0.1  # of a call for its snapshot
_LONGEST_BEGIN_S = 2.0  # of a life for its first one, before which nothing is known of any file
_MANY = 60  # snapshots of one agent after which the rule of keeping is applied
_LOOKS_AT_SIZE = 20  # snapshots between two looks at the size of the store


class Snapper:
    """Takes them for one life. `head` tells the commit that is checked out."""

    def __init__(self, life: AgentLife, place: str, head: Callable[[], str | None]) -> None:
        """Brings a restore that was cut off to its end first. Raises Damaged, StorageError."""
        self._life, self._head = life, head
        if (told := restoring.finish(life.tree, life.agent)) is not None:
            life.warn(f"a restore of its files to snapshot {told['target']} was cut off; it is finished now")
        self._camera = Camera(life.tree, life.agent, place)
        self._count, self._is_full, self._took_s = 0, False, 0.0
        self._is_first = True
        self._thread: threading.Thread | None = None
        self._alone = threading.Lock()

    def __call__(self, why: str, call: str | None = None, *, settling: bool = False) -> None:
        """Take one: now, or, where a look takes long, after a call while the agent works on.

        `settling`: it works on in any case.
        """
        if not self._is_full:
            with self._alone:
                self._take_or_begin(why, call, settling=settling)

    def _take_or_begin(self, why: str, call: str | None, *, settling: bool) -> None:
        seq = self._life.recorder.look(lambda history: history.seq)
        is_busy = self._is_at_work()
        if call is not None and (is_busy or self._took_s > _LONGEST_WAIT_S):
            if not is_busy:
                self._begin(why, seq, call, wait_s=0.0)
            return  # who is busy has what it looks at now; the next one, or the end of the task, the rest
        self.settle()
        if call is None and self._is_first:
            self._begin(why, seq, call, wait_s=_LONGEST_BEGIN_S)
        else:
            self._take(why, seq, call, lambda: settling)
        self._is_first = False
        if call is None and not self._is_at_work():
            self.tidy()

    def _begin(self, why: str, seq: int, call: str | None, *, wait_s: float) -> None:
        """Take one in a thread, which is waited for so long; where the agent works on, it is settling."""
        works_on = threading.Event()
        work = partial(self._take, why, seq, call, works_on.is_set)
        self._thread = threading.Thread(target=work, name="snapshot", daemon=True)
        if not wait_s:
            works_on.set()
        self._thread.start()
        self._thread.join(wait_s)
        works_on.set()

    def _is_at_work(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _take(self, why: str, seq: int, call: str | None, settling: Callable[[], bool]) -> None:
        began_s, attempt = time.monotonic(), self._life.attempt
        try:
            head = self._head()
            self._camera.take(why=why, seq=seq, call=call, head=head, attempt=attempt, settling=settling)
            self._took_s = time.monotonic() - began_s
            self._look_at_size()
        except (LayoutError, OSError) as cause:
            with suppress(LayoutError):
                self._life.warn_once(f"its files could not be kept: {cause}")

    def settle(self) -> None:
        """Wait for a snapshot that is being taken while the agent works on."""
        if self._thread is not None:
            self._thread.join()

    def tidy(self) -> None:
        """Remove snapshots that the rule does not keep, if there are many."""
        paths, keep = self._life.paths, self._life.specs.now.orchestration.keep
        if len(snapshots.numbers(paths)) < _MANY:
            return
        with suppress(LayoutError, OSError), locks.held(self._life.tree.workspaces / "lock", patience_s=0.0):
            snapshots.collect(self._life.tree, keep)

    def _look_at_size(self) -> None:
        self._count += 1
        if self._count % _LOOKS_AT_SIZE != 1 or self._camera.store.size_bytes() < snapshots.MOST_STORE_BYTES:
            return
        with suppress(LayoutError), locks.held(self._life.tree.workspaces / "lock", patience_s=0.0):
            snapshots.collect(self._life.tree, self._life.specs.now.orchestration.keep)
        if self._camera.store.size_bytes() >= snapshots.MOST_STORE_BYTES:
            self._is_full = True
            most_mib = snapshots.MOST_STORE_BYTES >> 20
            self._life.warn_once(
                f"snapshots of files take more than {most_mib} MiB: no more are taken; "
                "maos-sup files --gc removes those that are not kept"
            )
