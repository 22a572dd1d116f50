"""Carries out, in the agent's process, what its program calls over the bus: once for each id.

Answer and effects are one line of the journal (`called`), so a call was either carried out and answered or
neither. A call whose answer is not recorded when its life ends is void: nobody waits for it any more; asked
again under the same id, it is carried out then. A call that is repeated has the answer that is on record.

Messages are read by handing them out first (`shown`) and marking them received with a later call of the same
bus, which comes only after its client had them, or with the end of a task that is done. Whoever dies in
between finds them again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maos_sup.agents.attempt.life import AgentLife
from maos_sup.agents.attempt.questions import answer_or_ask
from maos_sup.agents.bus.letters import told_messages
from maos_sup.agents.bus.offers import LONGEST_WAIT_S
from maos_sup.agents.bus.permits import essence, permits_of, question_text
from maos_sup.agents.bus.spawning import MAX_SPAWNED, spawn_task
from maos_sup.agents.bus.verbs import VERBS, BadCall, CallScene, Result, VerbCall, Waits
from maos_sup.agents.registry import find_kind
from maos_sup.agents.secrets.redaction import Redactor
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.journal import Reader
from state_layout.lives.history import Mark, as_mark
from state_layout.mail.inbox import Inbox
from state_layout.records import TaskSpec

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

_MOST_MESSAGES = 50
_VERBS = VERBS | {"spawn_task": spawn_task}
Commit = Callable[[str, dict[str, object], list["SentMessage"]], None]


@dataclass(kw_only=True)
class _Pending:
    """The call has no answer yet."""

    name: str
    call: VerbCall
    after: str | None
    deadline_s: float
    is_for_people: bool = False


class Calls:
    """The calls of one life's programs. Used by one thread at a time."""

    def __init__(self, life: AgentLife) -> None:
        self._life = life
        self._pending: dict[str, _Pending] = {}
        self._redactor: Redactor | None = None
        self.task: TaskSpec | None = None  # whose program calls; None: there is none

    @property
    def is_waiting(self) -> bool:
        """A call has no answer yet."""
        return bool(self._pending)

    @property
    def is_waiting_for_people(self) -> bool:
        """A call waits for an answer that may take long."""
        return any(pending.is_for_people for pending in self._pending.values())

    def take(self, told: Mapping[str, Any], commit: Commit) -> None:
        """Carry out a call that the bus wrote, or look to it from now on. Raises StorageError."""
        id_, name = told["id"], told["name"]
        if id_ in self._pending:
            return
        call = VerbCall(id=id_, token=id_, input=told.get("input") or {})
        pending = _Pending(name=name, call=call, after=told.get("after"), deadline_s=_deadline_s(call))
        if not self._carry_out(pending, commit):
            self._pending[id_] = pending

    def look(self) -> bool:
        """Try again what waits; whether something was answered. Raises StorageError."""
        if not self._pending:
            return False
        done = [
            pending.call.id for pending in [*self._pending.values()] if self._carry_out(pending, self._note)
        ]
        for id_ in done:
            del self._pending[id_]
        return bool(done)

    def marks_shown(self) -> dict[str, Mark]:
        """Find the marks of what was shown last."""
        last = self._life.recorder.look(lambda history: next(iter(history.shown), None))
        return self._shown(last)

    def end(self) -> None:
        """The program is gone: nobody waits for an answer."""
        self._pending.clear()
        self.task = None

    def _is_answered(self, id_: str, name: str) -> bool:
        """Say whether the call was carried out; an answer of an earlier life is said again in this one."""
        attempt = self._life.recorder.look(
            lambda history: history.called.get(history.run or "", {}).get(id_),
        )
        if attempt is not None and attempt != self._life.attempt:
            again = self._answer_of(attempt, id_) or {"content": "done before", "is_error": False}
            self._life.recorder.commit("called", {**self._of_task(), "id": id_, "name": name, **again})
        return attempt is not None

    def _answer_of(self, attempt: int, id_: str) -> dict[str, object] | None:
        for line in Reader(self._life.paths.attempt(attempt).journal):
            entry = line.fields()
            if entry["type"] == "called" and entry.get("id") == id_:
                return {key: entry[key] for key in ("content", "is_error") if key in entry}
        return None

    def _carry_out(self, pending: _Pending, commit: Commit) -> bool:
        """Bring a call to its answer; false if it has to wait, as it does until a task is begun.

        Raises StorageError.
        """
        task = self.task
        if task is None:
            return False
        if self._is_answered(pending.call.id, pending.name):
            return True
        try:
            result = self._result(pending, task)
        except Waits:
            pending.is_for_people = True
            return False
        if result is None:
            return False
        fields = {**self._of_task(), "id": pending.call.id, "name": pending.name, "content": result.text}
        if result.is_error:
            fields["is_error"] = True
        if marks := self._shown(pending.after):
            fields["received"] = marks
        commit("called", fields | dict(result.effects), result.messages)
        return True

    def _result(self, pending: _Pending, task: TaskSpec) -> Result | None:
        """Carry the call out, and give what it came to; None if messages are awaited."""
        try:
            scene = self._scene(task)
            if pending.name == "read_messages":
                self._ask_leave(scene, pending)
                return self._read(pending, scene)
            verb = _VERBS.get(pending.name)
            if verb is None:
                return Result(text=f"there is no tool {pending.name!r}", is_error=True)
            self._ask_leave(scene, pending)
            result = verb(scene, pending.call)
            return Result(
                text=scene.redactor.text(result.text),
                is_error=result.is_error,
                messages=result.messages,
                effects=result.effects,
            )
        except (BadCall, BadInput) as error:
            return Result(text=str(error), is_error=True)

    def _ask_leave(self, scene: CallScene, pending: _Pending) -> None:
        """Raise BadCall if settings or a person do not let the call be; Waits for the person."""
        permits = permits_of(scene.spec)
        refusal = permits.refusal(pending.name)
        if refusal is not None:
            raise BadCall(refusal)
        if not permits.needs_yes(pending.name):
            return
        name = f"{permits.prefix}{pending.name}"
        shown = scene.redactor.text(codec.encode(essence(name, dict(pending.call.input))).decode())
        text = question_text(scene.agent, name, shown)
        answer = answer_or_ask(scene.tree, scene.agent, scene.task, recorder=scene.recorder, text=text)
        if answer is None:
            raise Waits
        if not answer.is_yes:
            raise BadCall(f"the user said no: {answer.text}" if answer.text else "the user said no")

    def _read(self, pending: _Pending, scene: CallScene) -> Result | None:
        """Read the messages after what was received; those shown last are received if `after` says so."""
        recorder = self._life.recorder
        pending.call.number("wait_s", default=0.0)
        with closing(
            Inbox(scene.tree, scene.agent, marks=recorder.marks() | self._shown(pending.after))
        ) as inbox:
            messages, marks = inbox.fetch(_MOST_MESSAGES)
            notes = [*inbox.notes]
        if not messages and time.monotonic() < pending.deadline_s:
            return None
        for note in notes:
            self._life.warn(note)
        if not messages:
            return Result(text="no new messages")
        if getattr(find_kind(scene.spec.kind), "tells_mail", False):
            return Result(text="messages came; they are shown to you by themselves, between your steps")
        text = scene.redactor.text(told_messages(messages))
        return Result(text=text, effects={"shown": marks})

    def _shown(self, after: str | None) -> dict[str, Mark]:
        """Find the marks of what the call `after` showed, if nothing was shown since."""
        marks = self._life.recorder.look(lambda history: dict(history.shown.get(after or "", {})))
        return {key: as_mark(mark) for key, mark in marks.items()}

    def _scene(self, task: TaskSpec) -> CallScene:
        life, spec = self._life, self._life.specs.agent
        if spec is None:
            raise BadInput(f"spec/agents/{life.agent}.json: is missing")
        if self._redactor is None:
            self._redactor = Redactor({**os.environ, **spec.env})
        return CallScene(
            tree=life.tree,
            recorder=life.recorder,
            spec=spec,
            task=task,
            redactor=self._redactor,
            max_spawned=int(spec.settings.get("max_spawned", MAX_SPAWNED)),
        )

    def _of_task(self) -> dict[str, object]:
        return {} if self.task is None else {"task": self.task.id, "run": self.task.run}

    def _note(self, type_: str, fields: dict[str, object], messages: list[SentMessage]) -> None:
        self._life.recorder.commit(type_, fields, messages=messages)


def _deadline_s(call: VerbCall) -> float:
    """Say until when messages are awaited, monotonic."""
    try:
        wait_s = call.number("wait_s", default=0.0)
    except BadCall:
        wait_s = 0.0
    return time.monotonic() + min(max(0.0, wait_s), LONGEST_WAIT_S)
