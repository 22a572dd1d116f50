"""Says what a callable of kind `python` is given: durable steps, mail, state, questions.

    def main(ctx):
        files = ctx.step("list", list_files, ctx.project)       # done once, however often this is restarted
        for message in ctx.inbox(): ...
        ctx.send("reporter", text=f"{len(files)} files")
        if ctx.ask("Delete them?").is_yes: ctx.step("delete", delete, files)
        return {"files": len(files)}

After a crash the callable runs again from its beginning and every step gives back what it gave before,
without being called. So a callable must be *deterministic between its steps*: what it does next may depend
only on `ctx` and on what steps returned; clocks, random numbers, files and networks belong inside a step.
Keys that repeat are numbered in the order they come. Each `send`, `inbox`, `receive`, `discover` and access
to `state` outside a step is a small step of its own; within a step they are committed with its result, or not
at all. A step that raised is called again by the next attempt. Use `ctx` in the thread that got it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from maos_sup.agents.attempt.shared import Asker, Refused
from maos_sup.agents.callable.state import Changed, NotGranted, State
from maos_sup.agents.callable.steps import StepEffects, Steps
from maos_sup.agents.control.control_lines import BadLine, discovery_of, message_of
from maos_sup.agents.endings import SOFT, Ended, Interrupt
from maos_sup.agents.output.artifacts import hand_over
from maos_sup.agents.tasks.uncertain import LostStepVerdict, judge_uncertain
from maos_sup.agents.work import Work, doubt_about
from state_layout.errors import BadInput, LayoutError
from state_layout.mail.boxes import check_recipient
from state_layout.mail.inbox import Inbox
from state_layout.paths import is_name
from state_layout.records import Message, TaskSpec
from state_layout.scopes.names import is_of_agent
from state_layout.specs.approvals import Approval

Result = TypeVar("Result")


class Uncertain(RuntimeError):
    """An earlier life died within this step; whether it took effect is not known."""


class Context:
    """Given to the callable. Its attributes tell about the work, its methods do it durably."""

    def __init__(self, work: Work) -> None:
        self._work, self._life = work, work.life
        self._bell = work.life.bell
        self._steps = Steps(work.life.recorder, work.task, attempt=work.life.attempt)
        self._inbox = Inbox(work.life.tree, work.life.agent, marks=work.life.recorder.marks())
        self._effects: StepEffects | None = None  # of the step under way
        self._token: tuple[str, int] | None = None
        self._step = ""  # its name
        self._thread = threading.get_ident()
        self.state = State(self._change, self._read_state, self._keep)
        self._results: dict[str, object] | None = None

    # -- about the work

    @property
    def agent(self) -> str:
        """The agent has this name."""
        return self._life.agent

    @property
    def role(self) -> str:
        return self._work.spec.role

    @property
    def task(self) -> TaskSpec:
        """The task has `id`, `description`, `run` and `settings`."""
        return self._work.task

    @property
    def attempt(self) -> int:
        """The number is that of this process life."""
        return self._life.attempt

    @property
    def is_resumed(self) -> bool:
        """An earlier attempt at this run of the task began."""
        return self._work.is_resumed

    @property
    def project(self) -> Path | None:
        return self._life.project

    @property
    def workspace(self) -> Path:
        """The folder is this agent's own."""
        return self._life.paths.workspace

    @property
    def artifacts(self) -> Path:
        """The agent's artifacts, which it hands over, lie here."""
        return self._life.paths.artifacts

    @property
    def agents(self) -> list[str]:
        """The names of all agents."""
        folder = self._life.tree.agent_specs
        return sorted(path.stem for path in folder.glob("*.json") if is_name(path.stem))

    def artifacts_of(self, agent: str) -> Path:
        """Name the folder where `agent` keeps what it hands over."""
        return self._life.tree.agent(agent).artifacts

    @property
    def results(self) -> dict[str, object]:
        """Find the results of the tasks that this one needs, by task."""
        if self._results is None:
            with self._inside():
                self._results = self._work.results()
        return self._results

    @property
    def token(self) -> str:
        """The token is a random key of the step under way, the same at each try: for services that refuse
        doubles."""
        if self._token is None:
            raise RuntimeError("ctx.token is there within a step only")
        with self._inside():
            self._life.recorder.sync(self._token[1])
        return self._token[0]

    # -- doing it

    def step(self, key: str, function: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Result:
        """Call `function` once for all attempts and return what it returned, as JSON gives it back.

        `key` names the step. Raises what `function` raises, TypeError if its result has no JSON form,
        Uncertain if an earlier life died within it and `on_uncertain` is "raise", or a person says no.
        """
        if self._effects is not None:
            raise RuntimeError(f"step {key!r}: steps do not nest; call the function itself")
        if not key or "#" in key or key.startswith("~"):
            raise ValueError(f"step key {key!r}: use a text without '#' that does not begin with '~'")
        with self._inside():
            name = self._steps.next_key(key)
            is_done, result = self._steps.recorded(name)
            if is_done:
                return result  # type: ignore[no-any-return]  # JSON gives back what it can
            self._judge_lost(name)
            token = self._steps.intend(name)
            if self._work.spec.on_uncertain != "retry":
                self._life.recorder.sync(token[1])
        return self._do(name, token, lambda: function(*args, **kwargs))

    def send(
        self,
        to: str,
        text: str | None = None,
        *,
        body: Any = None,
        type: str = "info",
        reply_to: str | None = None,
    ) -> None:
        """Send a message to agent `to`, or to `all`. Raises ValueError for one that cannot be sent."""
        told = {"to": to, "type": type, "text": text, "body": body, "reply_to": reply_to}
        try:
            message = message_of(told)
            check_recipient(self._life.tree, to)
        except (BadLine, BadInput) as cause:
            raise ValueError(str(cause)) from cause
        self._change("~send", lambda effects: effects.messages.append(message))

    def discover(self, text: str, **body: Any) -> None:
        """Tell a discovery to all agents."""
        message = discovery_of(text, task=self.task.id, **body)
        self._change("~discover", lambda effects: effects.messages.append(message))

    def inbox(self, limit: int | None = None) -> list[Message]:
        """Fetch the messages that came since the last time, in order per sender."""
        return self._fetch("~inbox", limit=limit, until_s=None)

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Wait for the next message; None after `timeout_s`."""
        until_s = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        return next(iter(self._fetch("~receive", limit=1, until_s=until_s)), None)

    def ask(self, question: str) -> Approval:
        """Ask a person: `is_yes` and a `text`. The task waits, without a process, until there is an answer.

        The same question in the same run of the task has the same answer.
        """
        if self._effects is not None:
            raise RuntimeError("ctx.ask within a step: ask before it, then do the step")
        with self._inside():
            answer = self._work.ask(question)
            if answer is None:
                self._bell.end(Interrupt.ASK)
                raise Ended(self._bell.act() or Interrupt.ASK)
            return answer

    def progress(self, value: float, note: str | None = None) -> None:
        """Say how far it is, 1 for all done."""
        with self._inside():
            self._life.recorder.record_later(
                "progress", {"value": value} | ({} if note is None else {"note": note})
            )
            self._life.beats.progress(self._work.limits.timeout_s)

    def artifact(self, path: str | Path) -> Path:
        """Hand over a file: it is kept in `artifacts`, copied if it lies elsewhere. Raises ValueError."""
        with self._inside():
            try:
                name = hand_over(str(path), tree=self._life.tree, agent=self.agent, near=self._work.folder())
            except BadInput as cause:
                raise ValueError(str(cause)) from cause
            self._life.recorder.record_later("artifact", {"path": name})
            return self.artifacts / name

    # -- how it is done

    @contextmanager
    def _inside(self, *, is_safe_point: bool = True) -> Iterator[None]:
        """Run our own code: not unwound in the middle, ended at its beginning where that is wanted."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("use ctx in the thread that got it")
        with self._bell.shielded():
            if is_safe_point:
                self._end_if_wanted()
            try:
                yield
            except (BadInput, Ended):
                raise
            except LayoutError as error:  # no `except Exception` of a user may hide it
                self._life.trouble = error
                self._bell.end(Interrupt.TROUBLE)
                raise Ended(Interrupt.TROUBLE) from error

    def _end_if_wanted(self) -> None:
        ending = self._bell.ending
        if ending is not None and (self._effects is None or ending not in SOFT):
            raise Ended(self._bell.act() or ending)

    def _do(self, name: str, token: tuple[str, int], function: Callable[[], Result]) -> Result:
        """Call `function` as the step `name` and commit what comes of it."""
        self._effects, self._token, self._step = StepEffects(), token, name
        try:
            with self._bell.interruptible():
                result = function()
            with self._inside(is_safe_point=False):  # what was done is recorded first
                committed: Result = self._steps.commit(name, result, self._effects)
                self._life.beats.progress(self._work.limits.timeout_s)
                if self._life.snap is not None:
                    self._life.snap(f"after step {name}", call=name)
                return committed
        except Exception as error:
            with self._inside(is_safe_point=False):
                self._steps.raised(name, token[0], error)
                self._inbox.rewind(self._life.recorder.marks())
            raise
        finally:
            self._effects = self._token = None

    def _judge_lost(self, name: str) -> None:
        attempt = self._steps.lost_in(name)
        if attempt is None:
            return
        doubt = doubt_about(f"step {name!r} of task {self.task.id!r}", attempt=attempt)
        verdict = judge_uncertain(self._work, doubt)
        if verdict is LostStepVerdict.WAIT:
            self._bell.end(Interrupt.ASK)
            raise Ended(self._bell.act() or Interrupt.ASK)
        if verdict is LostStepVerdict.NOT_AGAIN:
            raise Uncertain(doubt)

    def _change(self, key: str, change: Callable[[StepEffects], None]) -> None:
        """Make a change within the step under way, else as a step of its own, once for all attempts."""
        with self._inside():
            if self._effects is not None:
                change(self._effects)
                return
            name = self._steps.next_key(key)
            if not self._steps.recorded(name)[0]:
                effects = StepEffects()
                change(effects)
                self._steps.commit(name, None, effects)

    def _read_state(self, read: Callable[[dict[str, object]], Any]) -> Any:
        """Answer from the agent's state; outside a step the answer is recorded, for repeated attempts."""
        with self._inside():
            if self._effects is not None:
                return read(self._state_within(self._effects))
            name = self._steps.next_key("~state")
            is_done, value = self._steps.recorded(name)
            if is_done:
                return value
            value = self._life.recorder.look(lambda history: read(_of_agent(history.state)))
            return self._steps.commit(name, value, StepEffects(), is_light=True)

    def _keep(self, what: str, scope: str, key: str, **told: Any) -> dict[str, object] | None:
        """Look into a scope, or change it: within the step under way, else as a step of its own."""
        with self._inside():
            if self._effects is None:
                name = self._steps.next_key(f"~{what}")
                is_done, answer = self._steps.recorded(name)
                if not is_done:
                    effects = StepEffects()
                    answer = self._kept(what, (scope, key), told, name, effects)
                    self._steps.commit(name, answer, effects, is_light=what in ("load", "keys"))
            else:
                name = f"{self._step}/{self._effects.shared_changes}"
                answer = self._kept(what, (scope, key), told, name, self._effects)
                if what in ("save", "forget") and "error" not in (answer or {}):
                    self._effects.shared_changes += 1
        if answer is not None and "error" in answer:
            raise {"lost": Changed, "refused": NotGranted}.get(answer["error"], ValueError)(answer["text"])
        return answer

    def _kept(
        self, what: str, where: tuple[str, str], told: dict[str, object], name: str, effects: StepEffects
    ) -> dict[str, object] | None:
        """Do it, under the token that the step `name` has at each try; the answer as it is recorded."""
        task, shared = self.task, self._life.recorder.shared
        asker = Asker(task=task.id, run=task.run, step=name, token=f"{task.id}#{task.run}/{name}")
        try:
            kept = shared.do(what, shared.scope(where[0], task.id), where[1], asker, own=effects, **told)
        except Refused as refusal:
            self._life.warn(str(refusal))
            return {"error": "refused", "text": str(refusal)}
        except BadInput as fault:
            return {"error": "bad", "text": str(fault)}
        if kept is None:
            return None
        if kept.lost is not None:
            return {"error": "lost", "text": kept.lost}
        effects.look_after(kept.effects)
        change = kept.effects.get("state", {})
        for own_key in change.get("deleted", ()):
            effects.forget(own_key)
        for own_key, value in change.get("set", {}).items():
            effects.keep(own_key, value)
        return {"value": kept.value, "version": None if kept.version is None else list(kept.version)}

    def _state_within(self, effects: StepEffects) -> dict[str, object]:
        state = self._life.recorder.look(lambda history: dict(history.state))
        for key in effects.deleted:
            state.pop(key, None)
        return _of_agent(state | effects.kept)

    def _fetch(self, key: str, *, limit: int | None, until_s: float | None) -> list[Message]:
        with self._inside():
            name = None if self._effects is not None else self._steps.next_key(key)
            is_done, told = (False, None) if name is None else self._steps.recorded(name)
            if is_done:
                return [Message(**fields) for fields in told or ()]
            effects = self._effects or StepEffects()
            messages = self._await_mail(effects, limit=limit, until_s=until_s)
            if name is not None:
                told = [_fields(message) for message in messages]
                self._steps.commit(name, told, effects, is_light=not effects.received)
            return messages

    def _await_mail(self, effects: StepEffects, *, limit: int | None, until_s: float | None) -> list[Message]:
        while True:
            messages, marks = self._inbox.fetch(limit)
            effects.received |= marks
            for note in self._inbox.notes:
                self._life.warn(note)
            self._inbox.notes.clear()
            left_s = 0.0 if until_s is None else until_s - time.monotonic()
            if messages or left_s <= 0:
                return messages
            self._end_if_wanted()
            self._life.beats.progress(min(left_s, self._work.limits.timeout_s))
            self._work.wait([], left_s)
            self._end_if_wanted()


def _of_agent(state: dict[str, object]) -> dict[str, object]:
    """Pick what is kept in the scope `agent`."""
    return {key: value for key, value in state.items() if is_of_agent(key)}


def _fields(message: Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in Message.__struct_fields__}
