"""The second thread of an agent: signs of life, what is wanted, timeouts, output, checkpoints, the snapshot.

It goes on while the working thread is busy in a program or in a user's code. It never works itself: it rings
the bell, and where a user's code does not hear it within the grace it ends the process, all records kept.

While nothing happens it rests until something is due, its trigger is pulled or the kernel tells of output
(`Pace`), and what it does then is little: a hundred agents that wait for their programs cost next to nothing.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack

from maos_sup.agents.attempt.bell import Bell
from maos_sup.agents.attempt.life import AgentLife, write_handle
from maos_sup.agents.endings import SOFT, Interrupt
from maos_sup.agents.output.translate import Translator
from maos_sup.agents.pulse.pace import LONGEST_LOOK_S, QUIET_LOOK_S, Pace
from maos_sup.agents.pulse.resting import MemoryAtRest
from maos_sup.agents.pulse.stamps import Stamps
from maos_sup.system.children import reap
from state_layout.errors import StorageError
from state_layout.files import disk
from state_layout.files.fence import gone, is_home, understood
from state_layout.host.beats import LONGEST_REST_S
from state_layout.host.triggers import GIVE_WAY, TriggerReader
from state_layout.mail.boxes import ALL, OPERATOR
from state_layout.records import TaskSpec
from state_layout.specs.approvals import answer_of

REST_S = 2.0  # the longest without a look at what is wanted; once at rest for `_LONG_S`, LONGEST_REST_S
CARE_S, LONG_CARE_S = 10.0, 30.0  # and without one at what may have gone unnoticed
_LONG_S = 10.0
TOGETHER_S = 0.25
_MARGIN_S = 1.0  # for the working thread to hear of it
_ACTING_S = 10.0  # for one that is at it
_A_MOMENT_S = 0.001  # past a deadline
_BEATS_WITHIN_HANG = 5  # that are not missed at rest
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class Pulse:
    """Beats for `life` from `start`, once it is called, to `stop`. `task` is what is worked on now.

    `force` ends the process.
    """

    def __init__(
        self, life: AgentLife, translator: Translator, *, force: Callable[[Interrupt], None]
    ) -> None:
        self._life, self._translator, self._force = life, translator, force
        self._bell: Bell = life.bell
        self._own = Bell()  # wakes this thread
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._is_over = False
        self._ear: TriggerReader | None = None
        self._is_deaf = False  # no trigger can be made
        self._bell.on_end = self._own.ring
        self._pace = Pace(life.files.root)
        self._care_s = REST_S if disk.is_guarded() else CARE_S  # on another machine no trigger is heard
        self._is_unsaved = True  # something may have been written since it was made durable last
        now_s, intervals = time.monotonic(), life.specs.now.orchestration.intervals
        self._due = {
            "beat": now_s,
            "care": now_s,
            "save": now_s + intervals.save_s,
            "checkpoint": now_s + intervals.checkpoint_s,
        }
        self._looked_s, self._is_waiting = now_s, False  # for a person
        self._resting_from_s: float | None = None  # since when nothing was told, monotonic
        self._memory = MemoryAtRest(life.agent)
        self._program_told: int | None = None
        self._has_gone_off = False
        self.task: TaskSpec | None = None
        self._edits_for: TaskSpec | None = None
        self._edits = self._stamps()
        self._charged_from_s: float | None = None
        self.program: int | None = None  # the program under way
        self.children: set[int] = set()  # whose ends somebody else waits for
        self.may_reap = False

    @property
    def charged_from_s(self) -> float | None:
        """Since when time is charged to the task, monotonic; None: it is not (held)."""
        return self._charged_from_s

    @charged_from_s.setter
    def charged_from_s(self, since_s: float | None) -> None:
        self._charged_from_s = since_s
        self._wake()  # another deadline

    def start(self) -> None:
        """Begin to beat, if it does not yet."""
        if self._thread.ident is None:
            self._life.beats.beat()
            self._thread.start()

    @property
    def hears(self) -> bool:
        """The thread lives, and others can pull its trigger, or can in a moment."""
        is_there = not self._is_deaf and (self._ear is None or self._ear.is_in_place)
        return is_there and self._thread.is_alive()

    def stop(self) -> None:
        """End the thread; the caller goes on alone."""
        self._is_over = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()

    def hurry(self) -> None:
        """Look again soon."""
        self._pace.hurry()
        self._wake()

    def _wake(self) -> None:
        if self._thread.ident is not None:  # its first round looks at everything anyway
            self._own.ring()

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._beat_on()
        except BaseException as raised:  # noqa: BLE001 - the edge of a thread: the working one must learn of it
            error = understood(self._life.tree.root, raised)
            if not isinstance(error, StorageError):
                traceback.print_exc()
            self._life.trouble = error
            self._bell.end(Interrupt.TROUBLE)
        finally:
            self._enforce_ending()

    def _beat_on(self) -> None:
        with ExitStack() as closing:
            closing.callback(self._pace.close)
            trigger = self._ear = self._trigger()
            if trigger is not None:
                closing.callback(trigger.close)
            while not self._is_over:
                self._round(trigger)
                self._rest(trigger)

    def _descriptors(self, trigger: TriggerReader | None) -> list[int]:
        """List what wakes this thread, beside its bell."""
        return [*([] if trigger is None else [trigger.fileno()]), *self._pace.descriptors()]

    def _rest(self, trigger: TriggerReader | None) -> None:
        """Wait until another round is called for. At rest that is seldom: only signs of life go on."""
        descriptors, now_s = self._descriptors(trigger), time.monotonic()
        if not self._is_at_rest():
            self._resting_from_s = None
            self._own.sleep(descriptors, self._rest_s(now_s))
            return
        self._resting_from_s = self._resting_from_s or now_s
        deadline_s = self._deadline_s()
        while now_s < self._due["care"] and not self._edits.have_changed():
            beat_s = self._between_beats_s()
            until_s = min(_together(now_s, beat_s), deadline_s)
            if self._own.sleep(descriptors, until_s - now_s):
                self._resting_from_s = None
                return
            now_s = time.monotonic()
            if now_s >= deadline_s:
                return
            self._life.beats.beat()
            self._due["beat"] = now_s + beat_s
            intervals = self._life.specs.now.orchestration.intervals
            self._memory.look(self._resting_from_s, now_s, after_s=intervals.rest_s, way=intervals.at_rest)

    def _rest_s(self, now_s: float) -> float:
        """Say for how many seconds there is nothing to do."""
        if self._translator.has_more and self.task is not None:
            return 0.0
        dues_s = [self._due["beat"], self._deadline_s()]
        if not self._is_told():
            dues_s.append(now_s + self._pace.idle_s)
        if self._is_unsaved:
            dues_s.append(self._due["save"])
        if self._life.publisher.is_behind:
            dues_s.append(self._life.publisher.due_s)
        later_s = (due_s for due_s in dues_s if due_s > now_s)  # what is overdue was handled in this round
        return min(later_s, default=now_s) - now_s  # all is, after a round that a slow disk held up

    def _is_at_rest(self) -> bool:
        """Whatever comes is told, and what came is dealt with."""
        return self._is_told() and not self._is_unsaved and not self._life.publisher.is_behind

    def _is_told(self) -> bool:
        """Nobody has to look at output: the kernel tells of what comes."""
        return self._pace.is_resting and not (self._translator.is_waiting or self._translator.has_more)

    def _deadline_s(self) -> float:
        """Say when something has to be decided, whatever happens until then."""
        due_s, task, bell = self._due["checkpoint"], self.task, self._bell
        if task is not None and self._charged_from_s is not None:
            due_s = min(due_s, self._charged_from_s + self._life.specs.timeout_s(task) + _A_MOMENT_S)
        if task is not None and bell.ending is not None and bell.ending not in SOFT:
            due_s = min(due_s, bell.ended_s + self._patience_s() + _A_MOMENT_S)
        return due_s

    def _trigger(self) -> TriggerReader | None:
        try:
            return TriggerReader(self._life.tree, self._life.agent)
        except StorageError:
            self._is_deaf = True
            self._bell.ring()  # who stayed to be called ends
            return None  # polling has to do

    def _round(self, trigger: TriggerReader | None) -> None:
        now_s = time.monotonic()
        if trigger is not None and (said := trigger.said()):
            self._life.is_to_give_way |= GIVE_WAY in said
            self._pace.hurry()
            self._bell.ring()
            self._take_answers()
        is_leaving = self._bell.signalled  # then the working thread tells at its end what is left to be told
        if self._pace.is_resting and not is_leaving:
            self._look_for_edits()
        self._do_what_is_due(now_s, trigger)
        self._look_at_output()
        if not is_leaving:
            self._look_at_wants()
            if self.program != self._program_told:
                self._tell_handle()
        self._stop_clock_while_asking(now_s)
        self._look_at_clock(now_s)
        if self.task is not None or not is_leaving:
            self._life.publisher.refresh()

    def _look_at_output(self) -> None:
        """Understand what is new, unless the kernel would have told of it."""
        pace, is_waiting = self._pace, self._translator.is_waiting
        was_told = pace.hear()
        if self._is_told():
            return
        self._is_unsaved = True
        if not was_told and not is_waiting:
            pace.rest()
        if self._translator.look():
            pace.hurry()
        else:
            pace.slow_down(longest_s=LONGEST_LOOK_S if was_told or is_waiting else QUIET_LOOK_S)

    def _look_at_wants(self) -> None:
        task, specs = self.task, self._life.specs
        specs.refresh(task.id if task else None)
        if task is None:
            return
        ending = specs.ending_of(task)
        if ending is None:
            self._bell.withdraw()
        else:
            self._bell.end(ending)

    def _stop_clock_while_asking(self, now_s: float) -> None:
        """Stop the clock while a person is asked: a program that waits for one is neither hung nor late."""
        since_s, self._looked_s = now_s - self._looked_s, now_s
        calls, has_waited = self._translator.calls, self._is_waiting
        self._is_waiting = calls is not None and calls.is_waiting_for_people
        if not self._is_waiting or self.task is None:
            return
        if self._charged_from_s is not None and has_waited:
            self._charged_from_s += since_s
        self._life.beats.progress(self._life.specs.timeout_s(self.task))

    def _look_at_clock(self, now_s: float) -> None:
        task, since_s = self.task, self._charged_from_s
        if task is not None and since_s is not None and now_s - since_s > self._life.specs.timeout_s(task):
            self._bell.end(Interrupt.TIMEOUT)
        self._force_if_deaf(now_s)

    def _force_if_deaf(self, now_s: float) -> None:
        """End the process if the working thread did not react to a hard ending within the grace."""
        ending = self._bell.ending
        if self.task is None or ending is None or ending in SOFT or self._has_gone_off:
            return
        if now_s > self._bell.ended_s + self._patience_s():
            self._has_gone_off = True
            self._force(ending)

    def _patience_s(self) -> float:
        """Say how many seconds the working thread has to react to a hard ending."""
        patience_s = self._life.specs.limits().stop_grace_s + _MARGIN_S
        return 2 * patience_s + _ACTING_S if self._bell.is_acted_on else patience_s

    def _enforce_ending(self) -> None:
        """See to it after trouble of our own that the working thread ends still."""
        while not self._is_over and not self._has_gone_off:
            self._force_if_deaf(time.monotonic())
            self._own.wait([], LONGEST_LOOK_S)

    def _do_what_is_due(self, now_s: float, trigger: TriggerReader | None) -> None:
        intervals = self._life.specs.now.orchestration.intervals
        if self._is_due("beat", now_s, self._between_beats_s()):
            if not self._life.recorder.is_sound:
                self._life.recorder.sync()  # another thread's failed: raises what it met
            self._life.beats.beat()
            self._take_answers()
            self._look_for_edits()
        care_s = LONG_CARE_S if self._has_rested_long() else self._care_s
        if self._is_due("care", now_s, max(intervals.beat_s, care_s if self._pace.is_resting else 0.0)):
            self._look_after(trigger)
        if self._is_unsaved and self._is_due("save", now_s, intervals.save_s):
            self._is_unsaved = not self._pace.is_resting
            self._translator.sync()
            self._life.recorder.sync()
        if self._is_due("checkpoint", now_s, intervals.checkpoint_s):
            self._life.recorder.checkpoint()

    def _between_beats_s(self) -> float:
        """At rest beats are more seldom, but often enough for who judges by `hang_s`."""
        specs = self._life.specs
        beat_s = specs.now.orchestration.intervals.beat_s
        if not self._pace.is_resting:
            return beat_s
        rest_s = LONGEST_REST_S if self._has_rested_long() else REST_S
        return max(beat_s, min(rest_s, specs.limits().hang_s / _BEATS_WITHIN_HANG))

    def _has_rested_long(self) -> bool:
        """Nothing was told for so long that looks may be more seldom."""
        since_s = None if disk.is_guarded() else self._resting_from_s  # elsewhere only looks tell
        return since_s is not None and time.monotonic() - since_s > _LONG_S

    def _is_due(self, what: str, now_s: float, every_s: float) -> bool:
        due_s = min(self._due[what], now_s + every_s)  # the interval may have been edited
        if now_s < due_s:
            self._due[what] = due_s
            return False
        self._due[what] = now_s + every_s
        return True

    def _look_after(self, trigger: TriggerReader | None) -> None:
        """Look once in a while after what nothing tells of, or what tells of it may be lost."""
        life = self._life
        if trigger is not None:
            trigger.mend()
        if life.publisher.is_missing():
            life.publisher.publish()
        if self.may_reap:
            reap(but=frozenset(self.children))
        if self._translator.look():
            self._is_unsaved = True
        self._bell.ring()

    def _look_for_edits(self) -> None:
        """Look for what people do by hand, which pulls no trigger: mail, edits, `run/` deleted."""
        if self.task is self._edits_for and not self._edits.have_changed():
            return
        if not is_home(self._life.tree.root):
            raise gone(self._life.tree.root)
        if not os.path.exists(self._life.tree.handle(self._life.agent)):  # noqa: PTH110 - never raises
            self._tell_handle()
        self._edits_for, self._edits = self.task, self._stamps()
        self._resting_from_s = None  # who edits goes on editing
        self._bell.ring()

    def _stamps(self) -> Stamps:
        """Take the stamps of files that people may edit, and of the handle."""
        tree, agent, task = self._life.tree, self._life.agent, self.task
        files = [tree.orchestration_spec, tree.agent_spec(agent), tree.handle(agent)]
        files += [tree.mail_file(box, OPERATOR) for box in (agent, ALL)]
        return Stamps(files if task is None else [*files, tree.task_spec(task.id)])

    def _tell_handle(self) -> None:
        self._program_told = program = self.program
        write_handle(self._life.tree, self._life.agent, self._life.attempt, program=program)

    def _take_answers(self) -> None:
        """Record the answers to questions that a running program asked."""
        life = self._life
        for question in life.recorder.look(lambda history: [*history.questions.values()]):
            answer = answer_of(life.tree, question)
            if answer is not None and self.task is not None and question["task"] == self.task.id:
                fields = {"question": question["id"], "answer": "yes" if answer.is_yes else "no"}
                life.recorder.commit("answered", fields | {"text": answer.text})
                self._bell.ring()


def _together(now_s: float, after_s: float) -> float:
    """Choose a moment at most `after_s` from now that other agents choose too: what one of them has
    brought into the caches is there for the next, which halves the cost of a wake-up."""
    at_s = now_s + after_s
    return at_s // TOGETHER_S * TOGETHER_S if after_s > TOGETHER_S else at_s
