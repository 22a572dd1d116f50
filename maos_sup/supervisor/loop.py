"""The loop: look, decide, journal, act, publish, sleep until a hint or the tick.

After kopf: level-triggered, so losing every hint costs latency only. A full disk stops it from acting, not
from looking; a failed sync begins a new life with a new journal (the old file is never written again).
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from maos_sup.core.decide import decide_ahead
from maos_sup.core.memory import agent_of, forget_what_was_asked, is_remembered_only
from maos_sup.core.model import Action, Finish, Observation, Process
from maos_sup.launchers.base import Launcher
from maos_sup.launchers.fleet import Fleet
from maos_sup.supervisor.adopt import give_back, settle_in, stay, take_tree
from maos_sup.supervisor.apply import apply
from maos_sup.supervisor.checkpoints import TeamCheckpoints
from maos_sup.supervisor.entries import AGENT_ENTRY, PLACED_ENTRY
from maos_sup.supervisor.hold import DiskHold
from maos_sup.supervisor.lease import SupervisorLease
from maos_sup.supervisor.life import Life, begin_life, is_starting, last_attempts, refuse_successor
from maos_sup.supervisor.lingering import LingeringAgents
from maos_sup.supervisor.mirroring import Mirroring
from maos_sup.supervisor.notify import LOOK_S, Notifier
from maos_sup.supervisor.observe import Observer
from maos_sup.supervisor.publish import SupervisorPublisher, notes_on_missing, snapshot
from maos_sup.supervisor.rewinding import finish_rewinding
from maos_sup.supervisor.shared import SharedState
from maos_sup.supervisor.specs import JUDGE_AFTER_S, SpecsInForce
from maos_sup.supervisor.turns import Turns
from maos_sup.supervisor.wake import Wake
from state_layout.errors import LayoutError, Locked, StorageError, StorageFull
from state_layout.files import disk
from state_layout.files.complaints import forgiving_stderr
from state_layout.files.fence import gone, is_home, leave, settle
from state_layout.host.room import want_of_room
from state_layout.host.triggers import pull, remove_stale_triggers, remove_triggers
from state_layout.paths import Tree
from state_layout.records import Phase
from state_layout.tree import open_tree

if TYPE_CHECKING:
    from state_layout.records.snapshots import SupervisorSnapshot

KEEP_WITHIN_S = 10.0  # specs are recorded, even if agents go on starting
TICKS_UNTIL_ALL = 5  # a lost trigger is noticed after so many ticks
DEAF = (
    "no trigger can be made in the runtime folder (XDG_RUNTIME_DIR, else TMPDIR, else /tmp): "
    "edits and ends are noticed at the next tick"
)
MOST_ROUNDS = 20  # in one turn, before it looks up again


def supervise(root: Path) -> Phase:
    """Supervise the tree at `root` until nothing is left to do, or until told to end; the phase then.

    Raises NotATree, Locked (another supervisor lives), Damaged, StorageError (at the start only).
    """
    with forgiving_stderr():
        tree = open_tree(root)
        phase, specs = _supervise(tree)
        while phase is not Phase.INTERRUPTED and specs.were_edited():  # by somebody who saw us alive
            try:
                phase, specs = _supervise(tree)
            except Locked:
                break  # and somebody else who did not
        return phase


def _supervise(tree: Tree) -> tuple[Phase, SpecsInForce]:
    """Stay once: give the phase that the stay ended in, and the specs that it went by."""
    settle(tree.root)
    finished = finish_rewinding(tree)
    lock = take_tree(tree)
    try:
        launcher = Fleet(tree, entry=AGENT_ENTRY, placed_entry=PLACED_ENTRY)  # first: its zygote imports
        try:
            specs = SpecsInForce(tree)
            place = settle_in(tree, specs.now)
            life = begin_life(tree, at_most=last_attempts(tree, specs.now.agents) if place.is_new else None)
            if place.is_new and (place.notes or life.number > 1):
                life.commit("restored", {"notes": list(place.notes)})
            notes = [*place.notes, *([finished] if finished else [])]
            phase = _Supervisor(tree, life, launcher=launcher, specs=specs, notes=notes).run()
            remove_triggers(tree)  # who still lives makes his own again
            remove_stale_triggers()
            return phase, specs
        finally:
            launcher.close()
    finally:
        give_back(tree, lock)
        leave(tree.root)


class _Supervisor:
    def __init__(
        self, tree: Tree, life: Life, *, launcher: Launcher, specs: SpecsInForce, notes: Sequence[str]
    ) -> None:
        self._tree, self._life, self._launcher, self._specs = tree, life, launcher, specs
        self._observer = Observer(tree, launcher)
        self._publisher = SupervisorPublisher(tree, life.number)
        self._turns = Turns()
        self._notifier = Notifier(tree, self._observer.snapshot)
        self._checkpoints = TeamCheckpoints(tree)
        self._shared = SharedState(tree)
        self._mirroring = Mirroring(tree)
        self._lingering = LingeringAgents(tree)
        self._lease = SupervisorLease(tree)
        self._notes = list(notes)
        self._trouble: str | None = None
        self._missing = list[str]()  # attempts that vanished
        self._news: SupervisorSnapshot | None = None  # the last snapshot
        self._is_unsound = False  # the journal: its sync failed
        self._lacking: str | None = None  # what the disk has too little of
        self._hold = DiskHold()
        self._home_trouble: str | None = None  # with `run/`, on which nothing depends
        self._wake = Wake(tree)
        self._specs_due_s = self._due_s = 0.0  # when to look at them, and at everything, at the latest
        self._soon_s = 0.0  # when there is something to do without a look at everything
        self._specs_tick_s = 0.0  # when to see whether they changed
        self._keep_by_s: float | None = None  # there are specs whose accepted copies are not written yet

    def run(self) -> Phase:
        wake = self._wake
        wake.catch_signals()
        wake.listen(self._launcher.fileno())
        was_woken = True
        try:
            while is_home(self._tree.root):
                heard = wake.heard()
                is_general = heard.is_general or wake.signalled or self._is_due()
                if is_general:
                    wake.mend()
                    refuse_successor(self._tree, self._life.number)
                moved = set[str]() if was_woken or is_general else self._observer.moved()
                if was_woken or is_general or moved or time.monotonic() >= self._soon_s:
                    only = None if is_general else heard.names | moved
                    finished = self._turn(leaving=wake.signalled, only=only)
                    if finished is not None:
                        return finished
                self._lease.look(self._specs.now, self._life.number)
                due_s = min(self._due_s, self._soon_s)
                was_woken = wake.sleep(min(self._tick_s, due_s - time.monotonic()))
        except (LayoutError, OSError):
            if is_home(self._tree.root):
                raise
        finally:
            wake.close()
            self._shared.close()
            self._lease.end()
        sys.stderr.write(f"supervisor: {gone(self._tree.root)}\n")
        return Phase.INTERRUPTED

    @property
    def _tick_s(self) -> float:
        return self._specs.now.orchestration.intervals.tick_s

    def _is_due(self) -> bool:
        """A tick at which nothing was heard has something to do.

        Events may get lost, so everything is looked at every few ticks; on each tick where no trigger could
        be made, and the specs where the system does not tell of changes. A disk that fills up tells nobody,
        and soon has no room to say so.
        """
        if self._must_look_at_specs() or time.monotonic() >= self._due_s or not self._run_folder_is_ours():
            return True
        if self._shared.is_due():
            return True
        return self._wake.is_deaf or want_of_room(self._tree.root) != self._lacking

    def _turn(self, *, leaving: bool, only: AbstractSet[str] | None) -> Phase | None:
        """Look and act until there is nothing to do; the final phase if there is one.

        With `only`, no others are looked at but those of whom the launcher has news.
        """
        try:
            if self._is_unsound:
                self._begin_again()
            return self._rounds(leaving=leaving, only=only)
        except StorageFull as error:
            self._hold.begin(time.monotonic())
            with suppress(OSError):
                disk.unlink(self._tree.ballast)
            self._complain(str(error))
        except StorageError as error:
            self._is_unsound = True
            self._complain(str(error))
            if leaving:
                raise  # it cannot work and is told to go: agents live on, as after a kill
        self._turns.forget()
        self._due_s, self._soon_s = time.monotonic() + self._tick_s, math.inf
        return None

    def _rounds(self, *, leaving: bool, only: AbstractSet[str] | None) -> Phase | None:
        if self._must_look_at_specs() or self._may_agents_know_more():
            self._look_at_specs()
            only = None
        looked_at = set[str]()
        for _ in range(MOST_ROUNDS):
            seen = self._look(leaving=leaving, only=only)
            looked_at |= self._turns.changed
            actions, finished = self._act(seen)
            if finished is not None or not actions:
                break
            only = {agent_of(action) for action in actions}
        self._keep_specs(seen)
        self._shared.look(self._life, self._specs.now.orchestration.hooks, is_last=finished is not None)
        self._life.sync()  # what is told is durable
        self._lingering.look(seen, self._life.memory, self._turns.board)
        self._mirroring.look(self._specs.now.orchestration.otel)
        self._publish(seen, finished, looked_at)
        if self._trouble is not None and seen.has_room:
            self._trouble = None
        if not actions:
            self._turns.settle()
        self._due_s = seen.now_s if actions else self._due_after(seen)
        self._soon_s = self._soon_after(seen)
        return finished

    def _look(self, *, leaving: bool, only: AbstractSet[str] | None) -> Observation:
        seen = self._observer.observe(self._specs.now, self._life.memory, leaving=leaving, only=only)
        lacked, self._lacking = self._lacking, want_of_room(self._tree.root)
        if lacked and not self._lacking:
            self._hold.end()
        if self._hold.is_on(seen.now_s):
            seen = replace(seen, has_room=False)
        for agent, attempt in self._observer.adopted:
            self._life.record_later("adopted", {"agent": agent, "attempt": attempt})
        self._observer.adopted.clear()
        self._turns.take(seen, self._life.memory, is_general=only is None)
        return seen

    def _act(self, seen: Observation) -> tuple[list[Action], Phase | None]:
        """Decide, journal and do; what was done, and the final phase if there is one.

        What could not be done for want of room is forgotten, or nobody would do it again.
        """
        actions = self._decided(replace(seen, now_s=time.monotonic()))
        if any(isinstance(action, Finish) for action in actions) and self._turns.correct():
            actions = self._decided(replace(seen, now_s=time.monotonic()))
        if self._specs.is_unsure and not seen.leaving:  # a task may just be written: it is not over yet
            actions = [action for action in actions if not isinstance(action, Finish)]
        self._life.record(actions)
        if all(is_remembered_only(action) for action in actions):
            return [], None
        try:
            phase = apply(self._tree, self._launcher, actions, seen.specs)
            self._hold.end()
            return actions, phase
        except StorageFull:
            self._life.memory = forget_what_was_asked(self._life.memory)
            raise

    def _decided(self, seen: Observation) -> list[Action]:
        turns = self._turns
        return decide_ahead(seen, self._life.memory, board=turns.board, concerned=turns.concerned)

    def _must_look_at_specs(self) -> bool:
        now_s = time.monotonic()
        if self._wake.hinted or now_s >= self._specs_due_s:
            return True
        if self._wake.is_watching or now_s < self._specs_tick_s:
            return False
        self._specs_tick_s = now_s + self._tick_s
        return self._specs.has_changed()

    def _may_agents_know_more(self) -> bool:
        """An agent may have ended for an edit that we were not told of: to start it again is vain."""
        return not self._wake.is_watching and self._specs.has_changed()

    def _run_folder_is_ours(self) -> bool:
        """The folder `run/` still says who supervises; else it was deleted, and is made anew."""
        if os.path.exists(self._tree.supervisor_handle):  # noqa: PTH110 - False where `run/` is unreadable
            return True
        self._specs_due_s = 0.0
        return False

    def _look_at_specs(self) -> None:
        was_hinted, self._wake.hinted = self._wake.hinted, False
        now_s = time.monotonic()
        if was_hinted or self._specs.is_unsure or self._specs.has_changed():
            self._specs.refresh(now_s=now_s)
            for agent in self._specs.take_concerned():
                pull(self._tree, agent)  # at rest it looks every other second only
        tick_s = self._tick_s
        after_s = min(JUDGE_AFTER_S, tick_s) if self._specs.is_unsure else TICKS_UNTIL_ALL * tick_s
        self._specs_due_s, self._specs_tick_s = now_s + after_s, now_s + tick_s
        self._keep_by_s = self._keep_by_s or now_s + KEEP_WITHIN_S

    def _keep_specs(self, seen: Observation) -> None:
        """Record what was seen of the specs; much of it not while agents start and need the disk."""
        if self._keep_by_s is None:
            return
        if self._specs.is_long_to_keep and is_starting(seen, self._life) and seen.now_s < self._keep_by_s:
            return
        self._specs.record(self._life, now_s=seen.now_s)
        if seen.has_room:
            self._stay()
        self._keep_by_s = time.monotonic() if self._specs.is_unrecorded else None
        if self._keep_by_s is None:
            self._checkpoints.keep_ahead(self._specs.contents)

    def _stay(self) -> None:
        """Say in `run/` who supervises; if that cannot be said there, then in a note."""
        try:
            stay(self._tree)
            self._home_trouble = None
        except StorageFull:
            raise
        except StorageError as error:
            self._home_trouble = f"{error}; until then nobody is seen to live, and all goes on"

    def _publish(self, seen: Observation, finished: Phase | None, looked_at: AbstractSet[str]) -> None:
        """Tell people and viewers what is so now; `looked_at` are the agents of whom there may be news."""
        board = self._turns.board
        if finished is None:
            self._notifier.look(board, self._life, looked_at)
        else:
            self._publisher.hurry()
            self._notifier.finish(board, self._life, finished)
        if seen.has_room:
            self._checkpoints.look(board, is_last=finished is not None)
        begun_s = time.monotonic()
        if begun_s < self._publisher.next_s:
            self._publisher.is_behind = True
            return
        self._news = snapshot(seen, self._life.memory, board, final=finished)
        self._missing = notes_on_missing(seen, self._life.memory)
        self._publish_news(self._news)
        self._publisher.took(time.monotonic() - begun_s)

    def _publish_news(self, news: SupervisorSnapshot) -> None:
        troubles = [
            self._checkpoints.trouble,
            self._trouble or self._lacking,
            self._home_trouble,
            DEAF if self._wake.is_deaf else None,
        ]
        notes = [
            *self._notes,
            *self._notifier.troubles,
            *self._shared.troubles,
            *self._missing,
            *filter(None, troubles),
        ]
        self._publisher.publish(
            news,
            specs=self._specs.digests,
            spec_errors=[*self._specs.errors_json(), *self._shared.errors],
            notes=notes,
            now_s=time.monotonic(),
        )

    def _due_after(self, seen: Observation) -> float:
        """Say when to look at everything again: at beats and specs, and soon where something is unsure."""
        dues_s = [self._specs_due_s, self._observer.due_s]
        if not seen.has_room or any(each.process is Process.UNKNOWN for each in seen.agents.values()):
            dues_s.append(seen.now_s + self._tick_s)
        return min((due_s for due_s in dues_s if due_s > seen.now_s), default=seen.now_s)

    def _soon_after(self, seen: Observation) -> float:
        """Say when something is to be done at the latest: after a back-off, when news may be published."""
        known = self._life.memory.agents.items()
        dues_s = [each.not_before_s for name, each in known if self._turns.waits(name)]
        if self._publisher.is_behind:
            dues_s.append(self._publisher.next_s)
        if self._keep_by_s is not None:
            dues_s.append(self._keep_by_s)
        if seen.has_room and self._checkpoints.due_s is not None:
            dues_s.append(self._checkpoints.due_s)
        if self._notifier.is_busy:
            dues_s.append(seen.now_s + LOOK_S)
        return min((due_s for due_s in dues_s if due_s > seen.now_s), default=math.inf)

    def _begin_again(self) -> None:
        """Go on in a new life: a journal whose sync failed is never written again. Raises StorageError."""
        self._life = begin_life(self._tree)
        self._turns.forget()
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
