"""Works on one task with Claude Code: recalls where it was, begins processes, waits troubles out."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

from maos_sup.agents.bus.letters import told_messages
from maos_sup.agents.endings import Ended, WorkOutcome
from maos_sup.agents.kinds.claude import going_back, servers, starting
from maos_sup.agents.kinds.claude.accounts import Accounts
from maos_sup.agents.kinds.claude.gates import Gates
from maos_sup.agents.kinds.claude.leash import leashed
from maos_sup.agents.kinds.claude.post import Post
from maos_sup.agents.kinds.claude.prompts import told_again
from maos_sup.agents.kinds.claude.rules import project_rules
from maos_sup.agents.kinds.claude.settings import ClaudeSettings
from maos_sup.agents.kinds.claude.stream import Stream, events_of
from maos_sup.agents.kinds.claude.talk import Talk, TalkScene
from maos_sup.agents.kinds.claude.transcript import GAP, Transcript, again
from maos_sup.agents.kinds.shared import prompts
from maos_sup.agents.kinds.shared.events import before, left_by_the_dead, of_next_process
from maos_sup.agents.kinds.shared.holds import Hold, write_hold
from maos_sup.agents.kinds.shared.memory import recall_memory
from maos_sup.agents.kinds.shared.opening import first_prompt
from maos_sup.agents.kinds.shared.record import ProgramRecord
from maos_sup.agents.kinds.shared.running import Running
from maos_sup.agents.kinds.shared.spending import Spending
from maos_sup.agents.kinds.shared.story import messages_before, recall_story
from maos_sup.agents.kinds.shared.troubles import PERMANENT, Cause, Trouble, advice, delay_s
from maos_sup.agents.kinds.shared.waiting import ProviderWaits
from maos_sup.agents.sandbox.confine import choose
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.agents.work import Work

if TYPE_CHECKING:
    from maos_sup.agents.kinds.shared.entries import SessionOrigin


_OWN_PROMPT_TOKENS = 20_000  # about what its own prompt and tools have


def work_on(work: Work) -> WorkOutcome:
    """Work until the task is done or is to end. Raises BadInput, Damaged, StorageError."""
    session = ClaudeSession(work, ClaudeSettings.of(work.spec))
    try:
        return session.run()
    finally:
        session.close()


class ClaudeSession:
    """A session does one run of a task in one life."""

    def __init__(self, work: Work, settings: ClaudeSettings) -> None:
        life = work.life
        self._work, self._settings = work, settings
        self._environment = starting.environment_of(work, settings)
        self._program = starting.executable(settings, self._environment)
        self._provider = starting.provider_of(settings, self._environment)
        work.lay_out()
        work.folder()
        redactor = self._redactor = Redactor({**os.environ, **self._environment})
        self._memory = recall_memory(life.tree, life.agent, work.task)
        self._record = ProgramRecord(work, self._memory, redactor)
        self._spending = Spending(work, price=settings.price, model=settings.model)
        self._spending.first_tokens = _OWN_PROMPT_TOKENS
        self._spending.believes_costs = self._provider.endswith("anthropic.com")
        self._first_id = prompts.session_id(
            life.specs.now.orchestration.id, life.agent, work.task.id, work.task.run
        )
        self._waiting = ProviderWaits(work)
        self._processes = 0
        self._take_session(self._memory.session or self._first_id)

    def _take_session(self, id_: str) -> None:
        """Work in the session `id_` from now on."""
        work = self._work
        self._id = id_
        self._transcript = Transcript(work.life.paths.session, id_)
        self._post = Post(work, self._redactor, session=id_)
        self._gates = Gates(
            work,
            self._settings,
            record=self._record,
            spending=self._spending,
            transcript=self._transcript,
            redactor=self._redactor,
            provider=self._provider,
        )

    def run(self) -> WorkOutcome:
        """Begin processes until one brings the task to its end. Raises BadInput, Damaged, StorageError."""
        self._understand_leftovers()
        self._go_back()
        troubles = 0
        try:
            while True:
                done = self._done()
                if done is not None:
                    return done
                turns = self._memory.turns
                outcome, trouble = self._one_process()
                if trouble is None:
                    return outcome or WorkOutcome(error="Claude Code ended without a word")
                troubles = 1 if self._memory.turns > turns else troubles + 1
                if trouble.cause in PERMANENT:
                    return WorkOutcome(error=advice(trouble), is_final=trouble.status is not None)
                self._wait_out(trouble, troubles)
        except Ended as ended:
            return WorkOutcome(ended=ended.ending)

    def close(self) -> None:
        """Give back what was reserved for nothing, close the files."""
        self._spending.release(self._memory)
        self._spending.close()
        self._post.close()

    # -- what was

    def _understand_leftovers(self) -> None:
        """Put on record what processes of dead lives wrote and nobody understood."""
        self._transcript.refresh()
        for source in left_by_the_dead(self._work.life):
            accounts = Accounts(saved=self._transcript.talk.saved)
            for event, _ in events_of(before(source), is_final=True):
                accounts.take(event)
            known = frozenset(self._memory.messages)
            stream = Stream(self._record, self._spending, source, accounts=accounts, known=known)
            for event, end in stream.events(is_final=True):
                stream.take(event, end)
            stream.broke("the process died")
        self._spending.settle_old(self._memory)
        if self._transcript.path is not None and not self._transcript.talk.has_begun:
            self._transcript.set_aside()

    def _go_back(self) -> None:
        """After the team was taken back, and in a fork: find the session as it was at the last answer."""
        memory, session = self._memory, self._work.life.paths.session
        if memory.origin is not None and self._transcript.path is None:  # a life died before it was copied
            going_back.copy_branch(session, memory.origin, to=self._id)
            self._transcript.refresh()
        is_gone = bool(memory.turns) and self._transcript.path is None
        is_first = memory.session is None and not memory.turns and self._transcript.path is None
        imported = None if memory.turns else self._imported()
        if is_first and imported is not None:
            self._record.commit("session", {"session": self._first_id, "origin": imported})
            going_back.copy_branch(session, imported, to=self._first_id)
            self._transcript.refresh()
            return
        if not (memory.is_taken_back or is_gone):
            return
        branch = going_back.find_branch(session, memory)
        id_ = prompts.message_uuid(self._first_id, f"attempt/{self._work.life.attempt}")
        fields: dict[str, object] = {"session": id_}
        if branch is not None:
            fields["origin"] = {"session": branch.source.stem, "size": branch.size}
        elif imported is not None:
            fields["origin"] = imported
        elif memory.turns:
            fields["why"] = going_back.GONE
            self._warn(f"a new session begins, which is told what is on record: {going_back.GONE}")
        self._record.commit("session", fields)
        if memory.origin is not None:
            going_back.copy_branch(session, memory.origin, to=id_)
        self._post.close()
        self._take_session(id_)
        self._transcript.refresh()

    def _imported(self) -> SessionOrigin | None:
        """Find the session of another that the task begins with a copy of, if the spec names one that is
        there."""
        name = self._settings.begins_with
        if name is None:
            return None
        found = going_back.imported_origin(self._work.life.paths.session, name)
        if found is None:
            self._warn(f"the session {name} that it was to begin with is not in session/; it begins anew")
        return found

    @property
    def _knows_no_task(self) -> bool:
        """The session is a copy of another's, in which nobody has told the task yet."""
        origin = self._memory.origin
        is_imported = origin is not None and origin.get("is_imported", False)
        return is_imported and prompts.message_uuid(self._id, "task") not in self._transcript.talk.seen

    def _done(self) -> WorkOutcome | None:
        """Say how the task ended, if that is known already: an answer that is there is not bought again."""
        talk = self._transcript.talk
        if not talk.is_ended or self._knows_no_task or self._has_mail():
            return None
        if self._memory.result is None:
            self._record.commit("result", {"value": talk.final_text})
        return WorkOutcome(result=(self._memory.result or {}).get("value"))

    def _has_mail(self) -> bool:
        """There are messages that the model was not told; they are told by the next process."""
        untold: list[str] = []
        self._post.begin()
        self._post.send(self._transcript, lambda text, uuid: untold.append(uuid))
        self._post.begin()
        return bool(untold)

    # -- one process

    def _one_process(self) -> tuple[WorkOutcome | None, Trouble | None]:
        work = self._work
        opening = self._opening()
        self._gates.before_question(new_chars=sum(len(text) for text, _ in opening))
        if self._gates.outcome is not None:
            return self._gates.outcome, None
        self._processes += 1
        rules = project_rules(work.folder())
        for text in servers.unset_variables(self._settings, self._environment, os.environ):
            self._warn(text)
        if rules.warning is not None:
            self._warn(rules.warning)
        accounts = Accounts(saved=self._transcript.talk.saved)
        source = of_next_process(work.life)
        stream = Stream(self._record, self._spending, source, accounts=accounts)
        self._post.begin()
        self._transcript.point_to_newest(self._id)
        environment, secret = starting.without_secret(self._environment)
        sandbox = starting.sandbox_of(
            work, self._settings, self._environment, self._program, is_first=self._processes == 1
        )
        running = Running(
            work,
            self._argv(),
            environment=environment,
            sandbox=sandbox,
            around=leashed,
            is_talked_to=True,
            secret=secret,
        )
        try:
            scene = TalkScene(
                work=work,
                settings=self._settings,
                stream=stream,
                gates=self._gates,
                post=self._post,
                transcript=self._transcript,
                provider=self._provider,
                initialize=starting.initialize(work, self._settings, rules),
                warn=self._warn,
            )
            talk = Talk(scene, running, opening=opening)
            outcome = talk.run()
            return outcome, talk.trouble
        finally:
            running.close()
            stream.broke("its process ended")

    def _warn(self, text: str) -> None:
        """Say what a person should know, once in this life. Raises StorageError."""
        self._work.life.warn_once(self._redactor.text(text))

    def _argv(self) -> list[str]:
        fence_usd = self._spending.fence_usd(self._memory) if self._settings.price is None else None
        given = starting.arguments(
            self._work,
            self._settings,
            session=self._id,
            transcript=self._transcript.path,
            fence_usd=fence_usd,
        )
        return [self._program, *given]

    def _opening(self) -> list[tuple[str, str]]:
        """Make what the process is told first: the task, or how its session was interrupted."""
        work, talk, memory = self._work, self._transcript.talk, self._memory
        once_more = self._told_again()
        if once_more is not None:
            return [once_more]
        uuid = prompts.message_uuid(self._id, "task")
        is_copy = memory.origin is not None and self._transcript.path is not None
        if self._knows_no_task or (uuid not in talk.seen and not is_copy):
            return [("\n\n".join(self._first_parts()), uuid)]
        told = "\n".join(talk.told)
        untold = [
            id_ for id_ in [*memory.calls, *memory.results] if id_ not in talk.results and id_ not in told
        ]
        interrupted = [memory.calls[id_] for id_ in untold if id_ in memory.calls]
        finished = [memory.results[id_] for id_ in untold if id_ in memory.results]
        finished = [entry for entry in finished if "by" not in entry]  # its sub-agent's caller was told
        messages = self._void_told()
        if talk.is_ended and not (interrupted or finished or messages):
            return []
        back = prompts.message_uuid(self._id, "taken back")
        if is_copy and memory.void and back not in talk.seen:
            parts = [prompts.TAKEN_BACK, *prompts.calls(interrupted, finished), *messages]
            return [("\n\n".join(parts), back)]
        what = f"going on/{work.life.attempt}/{self._processes}"
        text = "\n\n".join([prompts.going_on(interrupted, finished), *messages])
        return [(text, prompts.message_uuid(self._id, what))]

    def _first_parts(self) -> list[str]:
        """Make what a session is told that begins: the task, and what is on record of another one before
        it."""
        work, memory = self._work, self._memory
        parts = [first_prompt(work, sandbox=choose(self._settings.sandbox))]
        if memory.turns:
            parts.append(recall_story(work.life.tree, work.life.agent, work.task))
            parts += prompts.calls(memory.calls.values(), ())
        life = work.life
        if memory.session is not None:  # another one was told what came before
            heard = messages_before(life.tree, life.agent, life.recorder.marks())
            parts += [self._redactor.text(told_messages(heard))] if heard else []
        return parts

    def _void_told(self) -> list[str]:
        """Messages that count as told and that this session does not have, since it goes on before them."""
        memory, talk = self._memory, self._transcript.talk
        if memory.session is None:
            return []
        missing = going_back.untold(self._work.life.paths.session, memory, talk.seen)
        return [text for uuid, text in missing if not talk.was_told(text, uuid)]

    def _told_again(self) -> tuple[str, str] | None:
        """Tell the task once more, where the session's record is damaged and that was not told; with its
        uuid."""
        talk, memory, path = self._transcript.talk, self._memory, self._transcript.path
        gap = talk.gap()
        if gap is None or path is None:
            return None
        uuid = prompts.message_uuid(self._id, again(gap))
        if uuid in talk.seen:
            return None
        self._warn(f"{path}:{gap.line}: {GAP}; the task is told again")
        task = first_prompt(self._work, sandbox=choose(self._settings.sandbox))
        messages = [text for text in talk.told if text.startswith("<message ")]
        return told_again(task, messages, prompts.calls(memory.calls.values(), memory.results.values())), uuid

    def _wait_out(self, trouble: Trouble, count: int) -> None:
        """Raises kind.Ended."""
        until_s = time.monotonic() + delay_s(trouble, count, chance=random.random())
        life = self._work.life
        if trouble.cause is Cause.LIMIT:
            write_hold(
                life.tree, life.agent, Hold(provider=self._provider, until_s=until_s, reason=trouble.text)
            )
        self._waiting.until(until_s, trouble.text)
