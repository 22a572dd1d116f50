"""Looks now and then what an agent has changed in its worktree, for its snapshot: others see it early.

A thread of its own, since git may take its time; how often follows from what a look costs.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from maos_sup.agents.attempt.life import AgentLife
from maos_sup.workspaces.changes import Changes, changes_of
from maos_sup.workspaces.repository import Repository
from state_layout.errors import LayoutError

if TYPE_CHECKING:
    from state_layout.records.snapshots import ChangedFiles

_BETWEEN_S = 10.0
_SHARE = 50  # of the time between looks, one is spent looking
_MOST_PATHS = 500


class Survey:
    """Looks from `start` on, until the process ends."""

    def __init__(self, life: AgentLife, repository: Repository) -> None:
        self._life, self._repository = life, repository
        self._thread = threading.Thread(target=self._run, name="survey", daemon=True)
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to look, if it does not yet."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def look(self) -> None:
        """Look now, and show what there is to see; what cannot be looked at is shown as it was."""
        with suppress(LayoutError, OSError):
            found = changes_of(self._life.paths, self._repository)
            if found is not None and (told := _told(found)) != self._life.publisher.changed:
                self._life.publisher.changed = told
                self._life.publisher.publish()

    def _run(self) -> None:
        between_s = 0.0
        while not self._over.wait(between_s):
            began_s = time.monotonic()
            self.look()
            between_s = max(_BETWEEN_S, _SHARE * (time.monotonic() - began_s))


def _told(found: Changes) -> ChangedFiles:
    paths = found.paths
    return {
        "branch": found.record.branch,
        "files": len(found.files),
        "added": found.added,
        "removed": found.removed,
        "paths": paths[:_MOST_PATHS],
    }
