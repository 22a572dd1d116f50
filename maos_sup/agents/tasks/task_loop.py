"""Works on one ready task after the other until none is left, and records how each ended.

Only what the kind says was done is done; a task that was cut short is *interrupted* and goes on in a later
attempt; a failed attempt ends the life, and the supervisor judges whether there is another.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from contextlib import suppress
from typing import cast

from msgspec import Struct

from maos_sup.agents.attempt.life import AgentLife, release_ballast, without_place
from maos_sup.agents.attempt.specs import refuse_bad_settings
from maos_sup.agents.bus.calls import Calls
from maos_sup.agents.bus.gate import Gate
from maos_sup.agents.endings import Ended, Interrupt, Missing, WorkOutcome
from maos_sup.agents.kind import Kind
from maos_sup.agents.output.translate import Translator
from maos_sup.agents.pulse.pulse import Pulse
from maos_sup.agents.registry import find_kind
from maos_sup.agents.secrets.redacting import await_end
from maos_sup.agents.tasks.choice import TaskChoice
from maos_sup.agents.tasks.lingering import Lingering
from maos_sup.agents.tasks.revive import revive
from maos_sup.agents.work import Work, doubt_about
from maos_sup.system.children import end_descendants, has_children, reap
from state_layout.errors import BadInput, Damaged, LayoutError, StorageError, StorageFull
from state_layout.files.fence import gone, is_home, understood
from state_layout.lives.attempts import seal_exit
from state_layout.lives.history import run_key
from state_layout.records import SETTLED, ExitReason, TaskOutcome, TaskPhase, TaskSpec, Want
from state_layout.specs.approvals import answer_of
from state_layout.specs.kinds import traits_of


def _has_place(work: Work) -> bool:
    """The task works on the project, rather than in a folder that is its own anyway."""
    return work.life.origin is not None and work.spec.cwd != "workspace"


def _choosing() -> type:
    from maos_sup.agents.workplace.choosing import Choosing  # it brings git along

    return Choosing


class TaskEnd(Struct, frozen=True, kw_only=True):
    """The task end says how a life ends."""

    reason: ExitReason
    task: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    detail: str | None = None


_PHASES = {
    Interrupt.ASK: TaskPhase.ASKING,
    Interrupt.PAUSE: TaskPhase.INTERRUPTED,
    Interrupt.RERUN: TaskPhase.INTERRUPTED,
    Interrupt.CANCEL: TaskPhase.CANCELLED,
    Interrupt.TIMEOUT: TaskPhase.INTERRUPTED,
    Interrupt.STOP: TaskPhase.INTERRUPTED,
    Interrupt.TROUBLE: TaskPhase.INTERRUPTED,
}
_MUCH_BYTES = 1 << 14  # of output, which takes long to understand
_FORCED = {Interrupt.TIMEOUT: ExitReason.FAILED, Interrupt.STOP: ExitReason.STOPPED}
_REVIVED = frozenset({ExitReason.PARKED, ExitReason.ASKING, ExitReason.FAILED})


def end_of_trouble(error: BaseException) -> TaskEnd:
    """Say how a life ends because of `error`."""
    for type_, reason in (
        (StorageFull, ExitReason.DISK_FULL),
        (StorageError, ExitReason.POISONED),
        (Damaged, ExitReason.DAMAGED),
    ):
        if isinstance(error, type_):
            return TaskEnd(reason=reason, detail=str(error))
    return TaskEnd(reason=ExitReason.FAILED, detail=f"{type(error).__name__}: {error}")


class TaskLoop:
    """The loop is the work of one life."""

    def __init__(self, life: AgentLife) -> None:
        self._life = life
        spec = life.specs.agent
        self._translator = Translator(
            life.tree,
            life.agent,
            life.attempt,
            recorder=life.recorder,
            keywords=spec.keywords if spec is not None else (),
            gate=Gate(lambda: life.specs.agent),
        )
        self._translator.moved, self._translator.gate.refused = life.beats.progress, life.refusals.append
        self._calls = self._translator.calls = Calls(life)
        self._pulse = Pulse(life, self._translator, force=self._force)
        self._choice = TaskChoice(life.tree, life.agent)
        self._lingering = Lingering(life, self._pulse, self._choice)
        self._task: TaskSpec | None = None
        self._began_s = 0.0

    def run(self) -> TaskEnd:
        """Work until there is a reason to end. Raises what made it impossible to go on."""
        try:
            end = self._loop()
        except StorageFull as error:
            release_ballast(self._life.tree, error)
            self._leave_word()
            raise
        finally:
            self._pulse.stop()
        self._translator.sync()
        if end.reason in _REVIVED and self._life.specs.want is Want.RUN:
            revive(self._life.tree)
        return end

    def _loop(self) -> TaskEnd:
        life = self._life
        while True:
            if life.trouble is not None:
                raise life.trouble
            if life.bell.signalled or life.specs.want is Want.STOP:
                return TaskEnd(reason=ExitReason.STOPPED)
            if life.specs.want is Want.PAUSE:
                return TaskEnd(reason=ExitReason.PAUSED)
            task, is_asking = self._next_task()
            if task is not None and not life.specs.confirms(task):
                life.specs.reread()
                task, is_asking = self._next_task()
            if task is None and self._lingering.looks_again(is_asking=is_asking):
                continue
            if task is None or self._lingering.is_over:
                return TaskEnd(reason=ExitReason.ASKING if is_asking else ExitReason.PARKED)
            end = self._work_on(task)
            if end is not None:
                return end
            if not life.bell.signalled:
                life.specs.look()

    def _leave_word(self) -> None:
        """Say that the task under way was interrupted by us, if there is room to say it."""
        task = self._task
        if task is not None:
            with suppress(LayoutError):
                self._record(task, TaskPhase.INTERRUPTED, WorkOutcome(ended=Interrupt.TROUBLE), None)

    def _next_task(self) -> tuple[TaskSpec | None, bool]:
        """Choose the task to work on now, or None and whether one waits for an answer."""
        life = self._life
        own = life.recorder.look(lambda history: dict(history.tasks))
        asked = life.recorder.look(lambda history: [*history.questions.values()])
        told = life.recorder.look(lambda history: {answer["task"] for answer in history.answers.values()})
        answered = (told - {question["task"] for question in asked}) | {
            question["task"] for question in asked if answer_of(life.tree, question) is not None
        }
        return self._choice.next(life.specs.now, own, answered=answered)

    def _work_on(self, task: TaskSpec) -> TaskEnd | None:
        """Attempt `task` once; say how the life ends if it does."""
        life, pulse = self._life, self._pulse
        life.bell.clear()
        if (outcome := self._outcome_on_record(task)) is not None:
            return self._settle(task, outcome)
        work = self._begin(task)
        pulse.charged_from_s, pulse.task = self._began_s, task
        pulse.hurry()
        try:
            outcome = self._run(work)
        finally:
            pulse.task, pulse.may_reap = None, False
        if has_children():
            end_descendants(grace_s=work.limits.stop_grace_s)
            reap()
        await_end(life.files)
        self._translator.end_calls()
        if self._life.place is not None and outcome.ended is None and outcome.error is None:
            outcome = self._keep_work(work, outcome)
        if self._life.snap is not None:
            self._life.snap(f"task {task.id} ended")
        return self._settle(task, self._read_to_the_end(task, outcome))

    def _outcome_on_record(self, task: TaskSpec) -> WorkOutcome | None:
        """Find how the work on `task` ended, if only its output was left to be read: that is done by now."""
        ended = self._life.recorder.look(lambda history: history.ended.get(run_key(task.id, task.run)))
        if ended is None:
            return None
        self._began_s = time.monotonic()
        return WorkOutcome(result=ended.get("result"), exit_code=ended.get("exit_code"))

    def _read_to_the_end(self, task: TaskSpec, outcome: WorkOutcome) -> WorkOutcome:
        """Understand what is left of the output; how the work ended then.

        That may take long. So what was done is on record before, and a life that dies over it (or is told to
        stop) leaves the rest of the reading to the next one, not the work.
        """
        is_done = outcome.ended is None and outcome.error is None
        if is_done and self._translator.unread_bytes > _MUCH_BYTES:
            told = {"result": outcome.result, "exit_code": outcome.exit_code}
            self._life.recorder.commit("ended", {"task": task.id, "run": task.run, **told})
        self._translator.finish(self._goes_on)
        self._translator.sync()
        return WorkOutcome(ended=Interrupt.STOP) if is_done and self._translator.is_broken_off else outcome

    def _goes_on(self) -> bool:
        """Show a sign of life between two looks; whether there is time for another."""
        self._life.beats.beat()
        return not self._life.bell.signalled

    def _begin(self, task: TaskSpec) -> Work:
        life, spec = self._life, self._life.specs.agent
        if spec is None:
            raise BadInput(f"spec/agents/{life.agent}.json: is missing")
        before = life.recorder.look(lambda history: history.tasks.get(task.id))
        is_same = before is not None and before.run == task.run
        work = Work(
            life=life,
            task=task,
            spec=spec,
            pulse=self._pulse,
            is_resumed=is_same and before is not None and before.attempts > 0,
            doubt=self._doubt(task, before) if is_same and before is not None else None,
        )
        self._began_s = time.monotonic()
        life.recorder.commit("task", {"task": task.id, "run": task.run, "phase": TaskPhase.RUNNING})
        self._task = task
        self._lingering.end()
        self._translator.attend(spec.keywords)
        self._calls.task = task
        life.publisher.task, life.publisher.began_s = (task.id, task.run), self._began_s
        life.publisher.phase, life.publisher.reason = "running", None
        life.publisher.publish_soon()
        life.beats.progress(work.limits.timeout_s)
        return work

    def _doubt(self, task: TaskSpec, before: TaskOutcome) -> str | None:
        """Say what is to be judged before `task` is done again: an attempt whose end nobody knows."""
        if before.phase is TaskPhase.RUNNING:
            return doubt_about(f"task {task.id!r}", attempt=self._life.continues_from)
        if before.phase is not TaskPhase.ASKING:
            return None
        asked = self._life.recorder.look(
            lambda history: [*history.questions.values(), *history.answers.values()]
        )
        mine = [item for item in asked if (item["task"], item["run"]) == (task.id, task.run)]
        return max(mine, key=lambda item: str(item["at"]))["text"] if mine else None

    def _run(self, work: Work) -> WorkOutcome:
        try:
            if (work.spec.workspace or self._life.specs.now.orchestration.workspace) and _has_place(work):
                self._take_place(work)
            self._translator.near = work.folder()
            self._begin_snapshots(work)
            kind = _choosing() if "choose" in work.task.settings else find_kind(work.spec.kind)
            kind = cast("type[Kind]", kind)
            refuse_bad_settings(self._life.tree, work.spec, find_kind(work.spec.kind).settings)
            if not getattr(kind, "starts_pulse", False):
                self._pulse.start()
            return kind().run(work)
        except Ended as ended:
            return WorkOutcome(ended=ended.ending)
        except BadInput as error:
            return WorkOutcome(error=str(error), is_final=isinstance(error, Missing))
        except LayoutError:
            raise
        except Exception as error:
            found = understood(self._life.tree.root, error)
            if isinstance(found, LayoutError):
                raise found from error
            traceback.print_exc()
            return WorkOutcome(error=f"bug in kind {work.spec.kind!r}: {type(error).__name__}: {error}")

    def _take_place(self, work: Work) -> None:
        from maos_sup.agents.workplace import places  # git, which most agents do without

        places.take_place(work)

    def _begin_snapshots(self, work: Work) -> None:
        """Keep what is in the agent's workspace, if it is its own and a model may change it."""
        life = self._life
        if life.snap is None and life.place is None and traits_of(work.spec.kind).has_model:
            if work.folder() != life.paths.workspace:
                return
            from maos_sup.agents.workplace.snapping import Snapper

            life.snap = Snapper(life, "workspace", lambda: None)
        if life.snap is not None:
            life.snap(f"task {work.task.id} begins")

    def _keep_work(self, work: Work, outcome: WorkOutcome) -> WorkOutcome:
        """Commit what was done; how the work ended then."""
        from maos_sup.agents.workplace import places

        error = places.keep_work(work)
        return outcome if error is None else WorkOutcome(error=error)

    def _settle(self, task: TaskSpec, outcome: WorkOutcome) -> TaskEnd | None:
        if outcome.ended is Interrupt.TROUBLE and self._life.trouble is not None:
            release_ballast(self._life.tree, self._life.trouble)
        error = outcome.error
        if error is not None and not is_home(self._life.tree.root):
            raise gone(self._life.tree.root)  # no failure of the task's: its files went away under it
        if outcome.ended is Interrupt.TIMEOUT:
            error = f"timed out after {self._life.specs.timeout_s(task):g} s"
        self._record(task, _phase_of(outcome), outcome, error)
        if self._life.trouble is not None:
            raise self._life.trouble
        if error is not None and not outcome.is_final:
            return TaskEnd(
                reason=ExitReason.FAILED,
                task=task.id,
                exit_code=outcome.exit_code,
                signal=outcome.signal,
                detail=error,
            )
        return None

    def _record(self, task: TaskSpec, phase: TaskPhase, outcome: WorkOutcome, error: str | None) -> None:
        life = self._life
        error = None if error is None else without_place(life.tree, error)
        before = life.recorder.look(lambda history: history.tasks.get(task.id))
        spent_s = (before.elapsed_s if before else 0.0) + time.monotonic() - self._began_s
        told = {
            "error": error,
            "exit_code": outcome.exit_code,
            "signal": outcome.signal,
            "result": outcome.result,
        }
        fields: dict[str, object] = {
            "task": task.id,
            "run": task.run,
            "phase": phase,
            "elapsed_s": round(spent_s, 3),
        }
        if phase is TaskPhase.DONE and (shown := self._calls.marks_shown()):
            fields["received"] = shown
        if phase in SETTLED:
            life.recorder.sync_mail()  # this agent may never run again
        life.recorder.commit(
            "task", fields | {key: value for key, value in told.items() if value is not None}
        )
        self._task = None
        life.publisher.task = None
        self._lingering.foresee(phase)
        if life.bell.signalled:
            return  # the last snapshot and the end of this process follow at once
        life.publisher.publish_soon(tell=True)
        if phase in SETTLED and life.specs.want is Want.RUN:
            revive(life.tree)

    def _force(self, ending: Interrupt) -> None:
        """Force an end from the pulse, for the working thread is deaf. Keep what there is and end the
        process."""
        life, task = self._life, self._pulse.task
        reason = _FORCED.get(ending, ExitReason.PARKED)
        detail = f"did not react to {ending.name.lower()} within the grace"
        code = 1
        try:
            end_descendants(grace_s=0.0)
            await_end(life.files)
            self._translator.finish(self._beats_on)
            self._translator.sync()
            if task is not None and self._task is not None:  # else it heard at the last moment
                error = detail if reason is ExitReason.FAILED else None
                self._record(task, _PHASES[ending], WorkOutcome(ended=ending), error)
            if life.trouble is not None:
                reason, detail = end_of_trouble(life.trouble).reason, str(life.trouble)
            code = 0 if reason in (ExitReason.PARKED, ExitReason.STOPPED) else 1
            self._last_words(reason, task, detail)
        finally:
            os._exit(code)

    def _beats_on(self) -> bool:
        """Do as `_goes_on` does, for who ends by force: it reads to the end."""
        self._life.beats.beat()
        return True

    def _last_words(self, reason: ExitReason, task: TaskSpec | None, detail: str) -> None:
        life = self._life
        sys.stderr.write(f"agent: {detail}\n")
        life.publisher.phase = "failed" if reason is ExitReason.FAILED else str(reason)
        life.publisher.publish()
        told = {"task": task.id if task else None, "detail": detail, "synced_seq": life.recorder.synced_seq}
        seal_exit(life.tree, life.agent, life.attempt, by="agent", reason=reason, **told)


def _phase_of(outcome: WorkOutcome) -> TaskPhase:
    if outcome.ended is not None:
        return _PHASES[outcome.ended]
    if outcome.error is None:
        return TaskPhase.DONE
    return TaskPhase.FAILED if outcome.is_final else TaskPhase.INTERRUPTED
