"""Works on one task with a command line: a process for each prompt, resumed while there is more to tell.

Its conversation is its own affair. We know what it wrote: by that its answers, calls and costs are on record,
and a process that died is followed by one that is told so. A session that cannot go on is followed by a new
one that is told what is on record.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from maos_sup.agents.bus.letters import told_messages
from maos_sup.agents.endings import Ended, WorkOutcome
from maos_sup.agents.kinds.cli import places
from maos_sup.agents.kinds.cli.exporting import imported_branch
from maos_sup.agents.kinds.cli.going_back import copy_branch, find_branch
from maos_sup.agents.kinds.cli.output import Fate, ProgramOutput, write_off
from maos_sup.agents.kinds.cli.profile import Profile
from maos_sup.agents.kinds.cli.starting import Start
from maos_sup.agents.kinds.cli.watch import ProgramWatch, WatchScene
from maos_sup.agents.kinds.shared import prompts
from maos_sup.agents.kinds.shared.events import left_by_the_dead, of_next_process
from maos_sup.agents.kinds.shared.holds import Hold, write_hold
from maos_sup.agents.kinds.shared.memory import recall_memory
from maos_sup.agents.kinds.shared.opening import first_prompt
from maos_sup.agents.kinds.shared.prices import blind_cap, is_priced
from maos_sup.agents.kinds.shared.record import ProgramRecord
from maos_sup.agents.kinds.shared.spending import Spending
from maos_sup.agents.kinds.shared.story import messages_before, recall_story
from maos_sup.agents.kinds.shared.troubles import Cause, Trouble, delay_s
from maos_sup.agents.kinds.shared.waiting import ProviderWaits
from maos_sup.agents.output.sources import Source
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.agents.work import Work
from state_layout.lives.history import Mark
from state_layout.mail import Inbox

_MOST_MESSAGES = 20
_FIRST_TOKENS = 10_000  # about what a first prompt has with all that a command line puts before it
_MOST_LOST = 2  # sessions in a row without an answer: then it is not the session


def work_on(work: Work) -> WorkOutcome:
    """Work until the task is done or is to end. Raises BadInput, Damaged, StorageError."""
    session = ProgramSession(work, Profile.of(work.spec.settings, agent=work.life.agent))
    try:
        return session.run()
    except Ended as ended:
        return WorkOutcome(ended=ended.ending)
    finally:
        session.close()


class ProgramSession:
    """A session does one run of a task in one life."""

    def __init__(self, work: Work, profile: Profile) -> None:
        life = work.life
        self._work, self._profile = work, profile
        work.lay_out()
        work.folder()
        self._start = Start(work, profile)
        self._redactor = Redactor({**os.environ, **self._start.environment})
        self._memory = recall_memory(life.tree, life.agent, work.task)
        self._record = ProgramRecord(work, self._memory, self._redactor)
        self._spending = Spending(work, price=profile.price, model=profile.model)
        self._spending.first_tokens = _FIRST_TOKENS
        self._scene = WatchScene(work=work, profile=profile, record=self._record, spending=self._spending)
        self._inbox = Inbox(life.tree, life.agent, marks=life.recorder.marks())
        self._waiting = ProviderWaits(work)
        self._is_continued = False  # a process of this life ended well and there is more to tell
        self._has_warned = self._was_taken_back = False
        self._troubles = self._lost = 0  # in a row, without an answer

    def run(self) -> WorkOutcome:
        """Begin processes until there is nothing left to tell. Raises kind.Ended, StorageError."""
        self._understand_leftovers()
        while True:
            text, marks = self._news()
            if self._memory.result is not None and not text:
                return WorkOutcome(result=self._memory.result.get("value"))
            if self._memory.turns >= self._profile.max_turns:
                error = f"not done after {self._profile.max_turns} turns (max_turns)"
                return self._given_up(WorkOutcome(error=error, is_final=True))
            if self._start.provider is not None:
                self._waiting.for_provider(self._start.provider)
            self._look_at_place()
            self._warn_of_blind_cap()
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
            if not output.has_begun and not output.is_of_open:
                continue
            is_well = output.has_result and output.error is None and self._profile.success != "exit"
            output.finish(Fate.WELL if is_well else Fate.FAILED if output.error else Fate.KILLED)
            if is_well:
                self._record.commit("result", {"value": output.last_text})
        self._record.calls_interrupted(prompts.INTERRUPTED)
        self._spending.settle_old(self._memory)

    # -- what it is told

    def _news(self) -> tuple[str, dict[str, Mark]]:
        """Fetch messages that came, as the program is told them, and their marks."""
        self._inbox.rewind(self._work.life.recorder.marks())
        messages, marks = self._inbox.fetch(_MOST_MESSAGES)
        for note in self._inbox.notes:
            self._work.life.warn(note)
        self._inbox.notes.clear()
        if marks and not messages:
            self._work.life.recorder.commit("received", {"received": marks})
        return self._redactor.text(told_messages(messages)), marks if messages else {}

    def _prompt(self, news: str) -> str:
        """Make what the next process is told: the task, how its session was interrupted, what came."""
        memory, parts = self._memory, []
        if not self._can_resume():
            role = self._work.spec.role.strip()
            parts += [role] if role else []
            parts += [first_prompt(self._work, sandbox=self._profile.sandbox), self._start.team]
        if memory.sessions_lost and not self._can_resume():
            tree, agent, misses = self._work.life.tree, self._work.life.agent, not self._profile.tells_calls
            story = recall_story(tree, agent, self._work.task, misses_calls=misses)
            parts += [story] if story else []
            life = self._work.life
            heard = messages_before(life.tree, life.agent, life.recorder.marks())
            parts += [self._redactor.text(told_messages(heard))] if heard else []
        elif self._was_taken_back:
            self._was_taken_back = False
            parts += [prompts.TAKEN_BACK, *prompts.calls(memory.interrupted.values(), [])]
        elif memory.interrupted or (memory.session and not self._is_continued and not memory.result):
            parts.append(prompts.going_on(memory.interrupted.values(), []))
        return "\n\n".join([*parts, news] if news else parts)

    def _can_resume(self) -> bool:
        return self._memory.session is not None and self._profile.resume_argv is not None

    # -- where its session is

    def _look_at_place(self) -> None:
        """See to it that its session touches nothing of another place. Raises StorageError."""
        profile, home = self._profile, self._start.home
        before = self._memory.place
        if self._memory.is_taken_back and (self._memory.session or self._memory.turns):
            self._go_back()
        moved = places.moved(before, self._places())
        if home is not None and "home" in moved:
            places.drop(home, profile.moved_drop)
        bound = {*profile.bound_to, *(() if home is not None else ("tree",))}
        hindrance = sorted(bound & {*moved} & {*before})
        if self._can_resume() and hindrance:
            what = {"folder": "the folder it worked in", "home": "its own folder", "tree": "the tree"}
            self._lose(f"{what[hindrance[0]]} has moved, and its session does not go along")

    def _places(self) -> dict[str, str]:
        life = self._work.life
        return places.digests(tree=life.tree.root, folder=self._work.folder(), home=self._start.home)

    def _go_back(self) -> None:
        """Go on in a copy of the session up to what counts, or let go of it. Raises StorageError."""
        memory, agent, attempt = self._memory, self._work.life.agent, self._work.life.attempt
        before, to, origin = memory.session, None, dict[str, object]()
        if before is not None and self._can_resume():
            named = prompts.session_id(before, agent, f"void {memory.void}", attempt)
            branch = find_branch(self._start.home, memory, self._profile)
            if branch is not None:
                copy_branch(branch, session=before, to=named)
                to, origin = named, {"size": len(branch.data), "used": dict(branch.used)}
            else:
                to = imported_branch(self._work, self._start, self._profile, memory, salt=named)
        if to is None:
            self._lose("the team was taken back, and this program's session cannot be")
            return
        write_off(self._record, self._spending, "the team was taken back")
        self._record.commit("session", {"session": to, "origin": {"session": before, **origin}})
        self._was_taken_back = True

    def _lose(self, why: str) -> None:
        """Let go of the session: the next process begins another one."""
        write_off(self._record, self._spending, "its session was lost")
        self._record.commit("session", {"session": None, "why": why})
        self._work.life.warn(f"a new session begins, which is told what is on record: {why}")

    def _named_session(self) -> str | None:
        """Name the session that the next process works in; None if it chooses a name itself."""
        memory, work = self._memory, self._work
        if memory.session is not None or not self._profile.names_session:
            return memory.session
        orchestration = work.life.specs.now.orchestration.id
        again = f"/{memory.sessions_lost}" if memory.sessions_lost else ""
        again += f"/void {memory.void}" if memory.void else ""  # or a name of the other future is used
        return prompts.session_id(orchestration + again, work.life.agent, work.task.id, work.task.run)

    # -- one process

    def _one_process(self, prompt: str, marks: dict[str, Mark]) -> WorkOutcome | None:
        """Run one; None if there is to be another. Raises kind.Ended, StorageError."""
        memory, source = self._memory, of_next_process(self._work.life)
        argv = self._start.argv(session=self._named_session(), prompt=prompt, is_resumed=self._can_resume())
        fields = {
            "process": memory.processes + 1,
            "place": self._places(),
            "told": [*memory.interrupted],
        }
        self._record.commit("process", fields, at=(source, source.offset))
        output = self._output(source)
        output.marks = marks
        first = f"{prompt}\n".encode() if self._profile.prompt == "stdin" else b""
        self._spending.asked(memory)
        watch = ProgramWatch(self._scene, output)
        start = self._start
        watch.run(argv, environment=start.environment, sandbox=start.sandbox, first=first)
        if output.has_answered:
            self._troubles = self._lost = 0
            self._warn_of_blind_cap()
        return self._judge(watch)

    def _judge(self, watch: ProgramWatch) -> WorkOutcome | None:
        if watch.fate is Fate.WELL:
            watch.output.confirm_delivery()  # the run succeeded
            self._spending.keep(self._memory)
            self._record.commit("result", {"value": watch.output.last_text})
            return None
        if watch.is_cut_short:
            return None
        failure = watch.failure()
        name = Path(self._profile.start_argv[0]).name
        error, meaning = f"{name} {failure.text}", failure.means(self._profile.failures)
        if meaning == "lost" and self._lost < _MOST_LOST:
            self._lost += 1
            self._lose(failure.text)
            return None
        if meaning in ("limit", "wait"):
            self._wait_out(failure.trouble(meaning))
            return None
        outcome = WorkOutcome(error=error, exit_code=failure.exit_code, is_final=meaning in ("final", "lost"))
        return self._given_up(outcome)

    def _wait_out(self, trouble: Trouble) -> None:
        """Raises kind.Ended."""
        self._troubles += 1
        until_s = time.monotonic() + delay_s(trouble, self._troubles, chance=random.random())
        life, provider = self._work.life, self._start.provider
        if trouble.cause is Cause.LIMIT and provider is not None:
            write_hold(life.tree, life.agent, Hold(provider=provider, until_s=until_s, reason=trouble.text))
        self._waiting.until(until_s, trouble.text)

    def _given_up(self, outcome: WorkOutcome) -> WorkOutcome:
        """Give `outcome`; if it is the last one, nobody will tell us what its answers cost."""
        if outcome.is_final:
            write_off(self._record, self._spending, "the task failed")
        return outcome

    def _output(self, source: Source) -> ProgramOutput:
        return ProgramOutput(self._profile, self._record, self._spending, source, home=self._start.home)

    def _warn_of_blind_cap(self) -> None:
        """Say once that a cap in USD holds nothing, where nobody knows what the model costs."""
        profile, model = self._profile, self._spending.model
        if self._has_warned or not profile.tells_usage or not self._spending.has_usd_cap():
            return
        is_blind = self._memory.is_cost_unknown
        if is_blind is None and model is not None and not profile.tells_cost:
            is_blind = not is_priced(model, price=profile.price)
        if is_blind:
            self._has_warned = True
            self._work.life.warn_once(blind_cap(model or "of its own choice"))
