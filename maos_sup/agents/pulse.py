"""The second thread of an agent: signs of life, what is wanted, timeouts, output, checkpoints, the snapshot.

It goes on while the working thread is busy in a program or in a user's code. It never works itself: it rings
the bell, and where a user's code does not hear it within the grace it ends the process, all records kept.
"""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable

from maos_sup.agents.bell import Bell
from maos_sup.agents.kind import SOFT, Ending
from maos_sup.agents.leftovers import reap
from maos_sup.agents.life import Life, write_handle
from maos_sup.agents.translate import Translator
from state_layout.errors import StorageError
from state_layout.host.triggers import TriggerReader
from state_layout.records import TaskSpec
from state_layout.specs.approvals import answer_to

SHORTEST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.25
_MARGIN_S = 1.0  # for the working thread to hear of it
_ACTING_S = 10.0  # for one that is at it
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class Pulse:
    """Beats for `life` from `start` to `stop`. `task` is what is worked on now; `force` ends the process."""

    def __init__(self, life: Life, translator: Translator, *, force: Callable[[Ending], None]) -> None:
        self._life, self._translator, self._force = life, translator, force
        self._bell: Bell = life.bell
        self._own = Bell()  # wakes this thread
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._is_over = False
        self._idle_s = SHORTEST_LOOK_S
        now_s, intervals = time.monotonic(), life.specs.now.orchestration.intervals
        self._due = {
            "beat": now_s,
            "save": now_s + intervals.save_s,
            "checkpoint": now_s + intervals.checkpoint_s,
        }
        self._looked_s = now_s
        self._program_told: int | None = None
        self._has_gone_off = False
        self.task: TaskSpec | None = None
        self.charged_from_s: float | None = None  # the time charged to the task, monotonic; None: none (held)
        self.program: int | None = None  # the program under way
        self.children: set[int] = set()  # whose ends somebody else waits for
        self.may_reap = False

    def start(self) -> None:
        """Begin to beat."""
        self._life.beats.beat()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the caller goes on alone."""
        self._is_over = True
        self._own.ring()
        self._thread.join()

    def hurry(self) -> None:
        """Look again soon."""
        self._idle_s = SHORTEST_LOOK_S
        self._own.ring()

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        trigger = self._trigger()
        try:
            while not self._is_over:
                self._round(trigger)
                if not self._is_over:
                    self._own.wait([] if trigger is None else [trigger.fileno()], self._idle_s)
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: the working one must learn of it
            if not isinstance(error, StorageError):
                traceback.print_exc()
            self._life.trouble = error
            self._bell.end(Ending.TROUBLE)
        finally:
            if trigger is not None:
                trigger.close()
            self._stay_forceful()

    def _trigger(self) -> TriggerReader | None:
        try:
            return TriggerReader(self._life.tree, self._life.agent)
        except StorageError:
            return None  # polling has to do

    def _round(self, trigger: TriggerReader | None) -> None:
        now_s = time.monotonic()
        if trigger is not None and trigger.drain():
            self._idle_s = SHORTEST_LOOK_S
            self._bell.ring()
        if self._translator.run():
            self._idle_s = SHORTEST_LOOK_S
        else:
            self._idle_s = min(LONGEST_LOOK_S, self._idle_s * 1.5)
        if self.program != self._program_told:
            self._tell_handle()
        self._look_at_wants()
        self._spare_who_waits(now_s)
        self._look_at_clock(now_s)
        self._do_what_is_due(now_s, trigger)
        self._life.publisher.refresh()

    def _look_at_wants(self) -> None:
        task, specs = self.task, self._life.specs
        specs.refresh(task.id if task else None)
        if task is None:
            return
        ending = specs.ending_of(task)
        if ending is None:
            self._bell.relent()
        else:
            self._bell.end(ending)

    def _spare_who_waits(self, now_s: float) -> None:
        """A program that waits for a person is neither hung nor late."""
        since_s, self._looked_s = now_s - self._looked_s, now_s
        calls = self._translator.calls
        if calls is None or not calls.is_waiting_for_people or self.task is None:
            return
        if self.charged_from_s is not None:
            self.charged_from_s += since_s
        self._life.beats.progress(self._life.specs.timeout_s(self.task))

    def _look_at_clock(self, now_s: float) -> None:
        task, since_s = self.task, self.charged_from_s
        if task is not None and since_s is not None and now_s - since_s > self._life.specs.timeout_s(task):
            self._bell.end(Ending.TIMEOUT)
        self._force_if_deaf(now_s)

    def _force_if_deaf(self, now_s: float) -> None:
        """End the process if the working thread did not react to a hard ending within the grace."""
        ending = self._bell.ending
        if self.task is None or ending is None or ending in SOFT or self._has_gone_off:
            return
        patience_s = self._life.specs.limits().stop_grace_s + _MARGIN_S
        if self._bell.is_acted_on:
            patience_s = 2 * patience_s + _ACTING_S
        if now_s > self._bell.ended_s + patience_s:
            self._has_gone_off = True
            self._force(ending)

    def _stay_forceful(self) -> None:
        """After trouble of our own: still see to it that the working thread ends."""
        while not self._is_over and not self._has_gone_off:
            self._force_if_deaf(time.monotonic())
            self._own.wait([], LONGEST_LOOK_S)

    def _do_what_is_due(self, now_s: float, trigger: TriggerReader | None) -> None:
        intervals = self._life.specs.now.orchestration.intervals
        if self._is_due("beat", now_s, intervals.beat_s):
            self._life.beats.beat()
            self._look_after(trigger)
        if self._is_due("save", now_s, intervals.save_s):
            self._translator.sync()
            self._life.ledger.sync()
        if self._is_due("checkpoint", now_s, intervals.checkpoint_s):
            self._life.ledger.checkpoint()
        self._idle_s = min(self._idle_s, intervals.beat_s, intervals.save_s)

    def _is_due(self, what: str, now_s: float, every_s: float) -> bool:
        due_s = min(self._due[what], now_s + every_s)  # the interval may have been edited
        if now_s < due_s:
            self._due[what] = due_s
            return False
        self._due[what] = now_s + every_s
        return True

    def _look_after(self, trigger: TriggerReader | None) -> None:
        """What needs a look once in a while."""
        life = self._life
        self._bell.ring()  # a trigger may have been lost
        if trigger is not None:
            trigger.mend()
        if not life.tree.handle(life.agent).exists():  # run/ was deleted
            self._tell_handle()
        if life.publisher.is_missing():
            life.publisher.publish()
        if self.may_reap:
            reap(but=frozenset(self.children))
        self._take_answers()

    def _tell_handle(self) -> None:
        self._program_told = program = self.program
        write_handle(self._life.tree, self._life.agent, self._life.attempt, program=program)

    def _take_answers(self) -> None:
        """Record the answers to questions that a running program asked."""
        life = self._life
        for question in life.ledger.look(lambda history: [*history.questions.values()]):
            answer = answer_to(life.tree, question["id"], asked_at=question["at"])
            if answer is not None and self.task is not None and question["task"] == self.task.id:
                fields = {"question": question["id"], "answer": "yes" if answer.is_yes else "no"}
                life.ledger.commit("answered", fields | {"text": answer.text})
                self._bell.ring()
