"""Works on one task with a command line: a process for each prompt, resumed while there is more to tell.

Its conversation is its own affair. We know what it wrote: by that its answers, calls and costs are on record,
and a process that died is followed by one that is told so.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from maos_sup.agents.bus.letters import told_messages
from maos_sup.agents.kind import SOFT, Ended, Outcome
from maos_sup.agents.kinds.cli import prompts
from maos_sup.agents.kinds.cli.events import left_by_the_dead, of_next_process
from maos_sup.agents.kinds.cli.memory import recall_memory
from maos_sup.agents.kinds.cli.output import Output
from maos_sup.agents.kinds.cli.profile import Profile
from maos_sup.agents.kinds.cli.record import Record
from maos_sup.agents.kinds.cli.running import POLL_S, Running
from maos_sup.agents.kinds.cli.spending import Spending
from maos_sup.agents.kinds.models.opening import first_prompt
from maos_sup.agents.kinds.models.waiting import Waiting
from maos_sup.agents.redaction import Redactor
from maos_sup.agents.sandbox.confine import make_sandbox
from maos_sup.agents.sources import Source
from maos_sup.agents.work import Work
from state_layout.files import atomic
from state_layout.lives.history import Mark
from state_layout.mail import Inbox

_LONGEST_POLL_S = 0.05
_MOST_MESSAGES = 20
_FIRST_TOKENS = 10_000  # about what a first prompt has with all that a command line puts before it
_TEAM = "From a shell, `maos-sup agent --help` says how you reach the other agents and the user."


def work_on(work: Work) -> Outcome:
    """Work until the task is done or is to end. Raises BadInput, Damaged, StorageError."""
    session = Session(work, Profile.of(work.spec.settings, agent=work.life.agent))
    try:
        return session.run()
    except Ended as ended:
        return Outcome(ended=ended.ending)
    finally:
        session.close()


class Session:
    """One run of a task in one life."""

    def __init__(self, work: Work, profile: Profile) -> None:
        life = work.life
        self._work, self._profile = work, profile
        self._environment = self._made_environment()
        work.lay_out()
        work.folder()
        self._redactor = Redactor({**os.environ, **self._environment})
        self._memory = recall_memory(life.tree, life.agent, work.task)
        self._record = Record(work, self._memory, self._redactor)
        self._spending = Spending(work, price=profile.price, model=profile.model)
        self._spending.first_tokens = _FIRST_TOKENS
        self._inbox = Inbox(life.tree, life.agent, marks=life.ledger.marks())
        self._waiting = Waiting(work)
        self._is_continued = False  # a process of this life ended well and there is more to tell

    def run(self) -> Outcome:
        """Begin processes until there is nothing left to tell. Raises kind.Ended, StorageError."""
        self._understand_leftovers()
        while True:
            text, marks = self._news()
            if self._memory.result is not None and not text:
                return Outcome(result=self._memory.result.get("value"))
            if self._memory.turns >= self._profile.max_turns:
                error = f"not done after {self._profile.max_turns} turns (max_turns)"
                return Outcome(error=error, is_final=True)
            self._waiting.for_budget(lambda: self._spending.reserve(self._memory))
            outcome = self._one_process(self._prompt(text), marks)
            if outcome is not None:
                return outcome
            self._is_continued = self._memory.result is not None

    def close(self) -> None:
        """Give back what was reserved for nothing, close the files."""
        self._spending.release(self._memory)
        self._spending.close()
        self._inbox.close()

    def _understand_leftovers(self) -> None:
        """Put on record what processes of dead lives wrote and nobody understood."""
        for source in left_by_the_dead(self._work.life):
            output = self._output(source)
            output.look(is_final=True)
            output.finish()
            if output.has_result and output.error is None and self._profile.success != "exit":
                self._record.commit("result", {"value": output.last_text})
        self._spending.settle_old(self._memory)

    # -- what it is told

    def _news(self) -> tuple[str, dict[str, Mark]]:
        """Messages that came, as it is told them, and their marks."""
        self._inbox.rewind(self._work.life.ledger.marks())
        messages, marks = self._inbox.fetch(_MOST_MESSAGES)
        for note in self._inbox.notes:
            self._work.life.warn(note)
        self._inbox.notes.clear()
        if marks and not messages:
            self._work.life.ledger.commit("received", {"received": marks})
        return self._redactor.text(told_messages(messages)), marks if messages else {}

    def _prompt(self, news: str) -> str:
        """What the next process is told: the task, how its session was interrupted, what came."""
        parts = []
        if not self._can_resume():
            role = self._work.spec.role.strip()
            parts += [role] if role else []
            parts += [first_prompt(self._work, sandbox=self._profile.sandbox), _TEAM]
        if self._memory.calls or (
            self._memory.session and not self._is_continued and not self._memory.result
        ):
            parts.append(prompts.going_on(self._memory.calls.values(), []))
        return "\n\n".join([*parts, news] if news else parts)

    def _can_resume(self) -> bool:
        return self._memory.session is not None and self._profile.resume_argv is not None

    # -- one process

    def _one_process(self, prompt: str, marks: dict[str, Mark]) -> Outcome | None:
        """Run one; None if it ended well. Raises kind.Ended, StorageError."""
        output = self._output(of_next_process(self._work.life))
        output.marks = marks
        argv = self._argv(prompt)
        first = f"{prompt}\n".encode() if self._profile.prompt == "stdin" else b""
        self._spending.asked(self._memory)
        running = Running(self._work, argv, environment=self._environment, first=first)
        try:
            self._watch(running, output)
        finally:
            running.close()
            output.look(is_final=True)
            output.finish()
        return self._judge(running, output)

    def _watch(self, running: Running, output: Output) -> None:
        """Until it ended. Raises kind.Ended if the work is to end."""
        poll_s, moved_s = POLL_S, time.monotonic()
        while running.code is None:
            turns = self._memory.turns
            if output.look():
                poll_s, moved_s = POLL_S, time.monotonic()
                self._work.life.beats.progress(self._profile.stall_s)
            if self._memory.turns > turns and not output.has_result:
                self._look_at_money(running)
            self._look_at_wants(running)
            if time.monotonic() > moved_s + self._profile.stall_s:
                running.end(self._work.limits.stop_grace_s)
                output.error = output.error or f"it was silent for {self._profile.stall_s:g} s (stall_s)"
            poll_s = min(_LONGEST_POLL_S, poll_s * 1.2)
            running.wait(poll_s)

    def _look_at_wants(self, running: Running) -> None:
        ending = self._work.life.bell.ending
        if ending is not None and ending not in SOFT:
            self._work.act()
            running.end(self._work.limits.stop_grace_s)
            raise Ended(ending)

    def _look_at_money(self, running: Running) -> None:
        """After an answer: is there money for another, may it go on?"""
        refusal = self._spending.reserve(self._memory)
        ending = self._work.act()
        if refusal is not None or ending is not None or self._memory.turns >= self._profile.max_turns:
            running.end(self._work.limits.stop_grace_s)
        if ending is not None:
            raise Ended(ending)
        self._is_cut_short = refusal is not None

    _is_cut_short = False  # by us, for want of money: it goes on when there is some

    def _judge(self, running: Running, output: Output) -> Outcome | None:
        is_too_long = self._memory.turns >= self._profile.max_turns and not output.has_result
        if self._is_cut_short or is_too_long:
            self._is_cut_short = False
            return None
        code, wanted = running.code, self._profile.success
        is_well = output.error is None and (wanted == "exit" or output.has_result)
        if is_well and (code == 0 or wanted == "result"):
            output.heard()  # it ended well: it was told what we said
            self._spending.release(self._memory)
            self._record.commit("result", {"value": output.last_text})
            return None
        name = Path(self._profile.start_argv[0]).name
        missing = "" if output.has_result or wanted == "exit" else " without a result"
        words = running.last_words()
        why = f": {output.error}" if output.error else f"; {words}" if words else ""
        error = f"{name} {running.ending_text()}{missing}{why}"
        return Outcome(error=error, exit_code=code if (code or 0) >= 0 else None)

    # -- how it is started

    def _output(self, source: Source) -> Output:
        return Output(self._profile, self._record, self._spending, source)

    def _argv(self, prompt: str) -> list[str]:
        profile, life = self._profile, self._work.life
        session = self._memory.session
        if session is None and profile.names_session:
            session = prompts.session_id(
                life.specs.now.orchestration.id, life.agent, self._work.task.id, self._work.task.run
            )
        told = prompt
        if profile.prompt == "file":
            path = life.paths.session / "prompt.txt"
            atomic.refresh(path, prompt.encode())
            told = str(path)
        argv = profile.argv(session=session, prompt=told, is_resumed=self._can_resume())
        write = [
            self._work.folder().resolve(),
            life.paths.workspace,
            life.paths.artifacts,
            life.paths.session,
        ]
        sandbox = make_sandbox(
            profile.sandbox,
            read=[life.tree.root, *map(Path, profile.sandbox_read)],
            write=[*write, life.files.control, *map(Path, profile.sandbox_write)],
            environment=self._environment,
        )
        return sandbox.confined(argv)

    def _made_environment(self) -> dict[str, str]:
        environment = self._work.environment()
        if self._profile.home_env:
            home = self._work.life.paths.session / "home"
            atomic.make_folder(home)
            environment[self._profile.home_env] = str(home)
        return environment
