"""The loop: look, decide, journal, act, publish, sleep until a hint or the tick.

After kopf: level-triggered, so losing every hint costs latency only. A full disk stops it from acting, not
from looking; a failed sync begins a new life with a new journal (the old file is never written again).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from maos_sup.core.decide import decide
from maos_sup.core.model import Action, Observation
from maos_sup.launchers.base import Launcher
from maos_sup.launchers.local import LocalLauncher
from maos_sup.supervisor.adopt import settle_in, stay, take_tree
from maos_sup.supervisor.apply import apply
from maos_sup.supervisor.life import Life, begin_life
from maos_sup.supervisor.observe import ROOM_BYTES, Lookout
from maos_sup.supervisor.publish import LEAST_INTERVAL_S, Publisher, snapshot
from maos_sup.supervisor.specs import JUDGE_AFTER_S, SpecsInForce
from maos_sup.supervisor.wake import Wake
from state_layout.errors import StorageError, StorageFull
from state_layout.files import disk
from state_layout.files.complaints import forgiving_stderr
from state_layout.host.triggers import TriggerReader
from state_layout.paths import Tree
from state_layout.records import Phase
from state_layout.tree import open_tree

AGENT_ENTRY = "maos_sup.agents.runner:main"
NO_ROOM = f"no space left: less than {ROOM_BYTES >> 10} KiB are free; nothing is started until there is more"


def supervise(root: Path) -> Phase:
    """Supervise the tree at `root` until nothing is left to do, or until told to end; the phase then.

    Raises NotATree, Locked (another supervisor lives), Damaged, StorageError (at the start only).
    """
    with forgiving_stderr():
        return _supervise(root)


def _supervise(root: Path) -> Phase:
    tree = open_tree(root)
    lock = take_tree(tree)
    try:
        specs = SpecsInForce(tree)
        place = settle_in(tree, sorted(specs.now.agents))
        life = begin_life(tree)
        if place.is_new and (place.notes or life.number > 1):
            life.note("restored", {"notes": list(place.notes)})
        launcher = LocalLauncher(tree, entry=AGENT_ENTRY)
        try:
            return _Supervisor(tree, life, launcher=launcher, specs=specs, notes=place.notes).run()
        finally:
            launcher.close()
    finally:
        disk.unlink(tree.supervisor_handle)
        lock.release()


class _Supervisor:
    def __init__(
        self, tree: Tree, life: Life, *, launcher: Launcher, specs: SpecsInForce, notes: Sequence[str]
    ) -> None:
        self._tree, self._life, self._launcher, self._specs = tree, life, launcher, specs
        self._lookout = Lookout(tree, launcher)
        self._publisher = Publisher(tree, life.number)
        self._notes = list(notes)
        self._trouble: str | None = None
        self._news: dict[str, Any] | None = None  # the last snapshot
        self._is_unsound = False  # the journal: its sync failed
        self._has_room = True
        self._wake = Wake(tree.spec)
        self._look_at_specs_s = 0.0

    def run(self) -> Phase:
        trigger = TriggerReader(self._tree, "supervisor")
        wake = self._wake
        wake.catch_signals()
        wake.listen(trigger.fileno())
        wake.listen(self._launcher.fileno())
        try:
            while True:
                trigger.drain()
                finished, pause_s = self._turn(leaving=wake.signalled)
                if finished is not None:
                    return finished
                wake.sleep(pause_s)
        finally:
            wake.close()
            trigger.close()

    def _turn(self, *, leaving: bool) -> tuple[Phase | None, float]:
        """One round; the final phase if there is one, and how long to sleep."""
        tick_s = self._specs.now.orchestration.intervals.tick_s
        try:
            if self._is_unsound:
                self._begin_again()
            seen, actions, finished = self._round(leaving=leaving)
        except StorageFull as error:
            disk.unlink(self._tree.ballast)
            self._complain(str(error))
            return None, tick_s
        except StorageError as error:
            self._is_unsound = True
            self._complain(str(error))
            return None, tick_s
        return finished, 0.0 if actions else self._sleep_s(seen, tick_s)

    def _round(self, *, leaving: bool) -> tuple[Observation, list[Action], Phase | None]:
        is_due = self._wake.hinted or time.monotonic() >= self._look_at_specs_s
        if is_due:
            self._look_at_specs()
        self._launcher.poll()
        seen = self._lookout.observe(self._specs.now, self._life.memory, leaving=leaving)
        self._has_room = seen.has_room
        for agent, attempt in self._lookout.adopted:
            self._life.write("adopted", {"agent": agent, "attempt": attempt})
        self._lookout.adopted.clear()
        actions = decide(seen, self._life.memory)
        finished = None
        if actions:
            self._life.record(actions)
            finished = apply(self._tree, self._launcher, actions)
        if is_due:
            self._specs.record(self._life, now_s=seen.now_s)
            if seen.has_room:
                stay(self._tree)
        self._publish(seen, finished)
        if self._trouble is not None and seen.has_room:
            self._trouble = None
        return seen, actions, finished

    def _look_at_specs(self) -> None:
        now_s = time.monotonic()
        self._specs.refresh(now_s=now_s)
        tick_s = self._specs.now.orchestration.intervals.tick_s
        self._look_at_specs_s = now_s + (min(JUDGE_AFTER_S, tick_s) if self._specs.is_unsure else tick_s)

    def _publish(self, seen: Observation, finished: Phase | None) -> None:
        if finished is not None:
            self._publisher.hurry()
        self._news = snapshot(seen, self._life.memory, final=finished)
        self._publish_news(self._news)

    def _publish_news(self, news: dict[str, Any]) -> None:
        trouble = self._trouble or (None if self._has_room else NO_ROOM)
        notes = [*self._notes, trouble] if trouble else self._notes
        self._publisher.publish(
            news,
            specs=self._specs.digests,
            spec_errors=self._specs.errors_json(),
            notes=notes,
            now_s=time.monotonic(),
        )

    def _sleep_s(self, seen: Observation, tick_s: float) -> float:
        """Until the tick, the end of a back-off, or the next chance to publish."""
        waits = [known.not_before_s - seen.now_s for known in self._life.memory.agents.values()]
        longest_s = LEAST_INTERVAL_S if self._publisher.is_behind else tick_s
        longest_s = min(longest_s, self._look_at_specs_s - seen.now_s)
        return min([longest_s, *(wait for wait in waits if wait > 0)])

    def _begin_again(self) -> None:
        """A journal whose sync failed is never written again: go on in a new life. Raises StorageError."""
        self._life = begin_life(self._tree)
        self._publisher.life = self._life.number
        self._is_unsound = False

    def _complain(self, text: str) -> None:
        """Say what is wrong, in the log and, if that can be written, in the snapshot that viewers read."""
        if text != self._trouble:
            sys.stderr.write(f"supervisor: {text}\n")
        self._trouble = text
        with suppress(StorageError):
            if self._news is not None:
                self._publish_news(self._news)
