"""The clerk: a thread that calls Slurm's commands one after the other, so that the supervisor waits for none.

One round asks for the queue once, whatever the number of agents, and then carries out what was ordered:
whoever is in the queue already is not submitted again, so an order may be given twice, also by a supervisor
that died before it heard the answer. What fails for something that passes stays ordered.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress

from msgspec import Struct

from maos_sup.launchers.base import Submission
from maos_sup.launchers.slurm.commands import (
    Answer,
    Job,
    Naming,
    ask,
    cancel_commands,
    make_log,
    queue_command,
    script_of,
    submit_command,
    variables_of,
)
from maos_sup.system.pipes import quiet_pipe
from state_layout.errors import StorageError
from state_layout.paths import Tree

BUSY_POLL_S, QUIET_POLL_S = 1.0, 5.0
BUSY_S = 10.0  # after the last change in the queue
RETRY_S = 5.0  # after a question without an answer
MOST_SHARE = 0.02  # of the time that passes, for asking


class RefusedJob(Struct, frozen=True, kw_only=True):
    """A submission that Slurm refused for good."""

    number: int  # of all that it refused: each is another one
    why: str


class QueueView(Struct, frozen=True, kw_only=True):
    """What is known of our jobs; `is_known` is false until the queue answered once."""

    is_known: bool = False
    jobs: Mapping[str, Job] = {}  # by agent: the one that counts
    refused: Mapping[str, RefusedJob] = {}  # by agent: its last submission, where Slurm refused it
    trouble: str = ""  # why the queue does not answer
    has_slurm: bool = True  # there is such a command here
    dropped: int = 0  # orders that were taken back before Slurm heard of them


class _Ending(Struct):
    """An end that was asked for."""

    kill_at_s: float
    is_asked: bool = False
    is_killed: bool = False


class Clerk:
    """Calls Slurm for one tree; `fileno` is readable when `view` is another one."""

    def __init__(self, tree: Tree, naming: Naming, *, entry: str) -> None:
        self._tree, self._naming, self._entry = tree, naming, entry
        self._read_end, self._write_end = quiet_pipe()
        self._changed = threading.Condition()
        self._orders = deque[Submission]()
        self._under_way: Submission | None = None  # the order that Slurm may hear of now
        self._endings = dict[str, _Ending]()  # by agent
        self._is_closed = False
        self._view = QueueView()
        self._asked_s = self._changed_s = 0.0
        self._refusals = 0
        self._thread = threading.Thread(target=self._run, name="slurm", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._read_end

    def drain(self) -> None:
        """Empty what `fileno` says."""
        with suppress(BlockingIOError):
            os.read(self._read_end, 1 << 16)

    def look(self) -> tuple[QueueView, set[str]]:
        """What is known now, and the agents whose jobs are ordered and not submitted yet."""
        with self._changed:
            return self._view, {order.agent for order in self._orders}

    def submit(self, submission: Submission) -> None:
        """Order a job."""
        with self._changed:
            if all(order.agent != submission.agent for order in self._orders):
                self._orders.append(submission)
                self._endings.pop(submission.agent, None)  # that was its life before
            self._changed.notify()

    def cancel(self, agents: Iterable[str], *, grace_s: float) -> None:
        """Order the end of jobs: a TERM now, if there is grace, and the end of everything after it.

        What Slurm has not heard of yet is not submitted any more.
        """
        with self._changed:
            for agent in agents:
                self._drop({order for order in self._orders if order.agent == agent} - {self._under_way})
                at_s = time.monotonic() + grace_s
                ending = self._endings.setdefault(agent, _Ending(kill_at_s=at_s))
                ending.kill_at_s = min(ending.kill_at_s, at_s)
            self._changed.notify()

    def close(self) -> None:
        """Call nothing any more; the jobs live on. Does not wait for a command under way."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join(timeout=1.0)
        if not self._thread.is_alive():
            os.close(self._read_end)
            os.close(self._write_end)

    # -- the thread

    def _run(self) -> None:
        while not self._is_closed:
            before = self._view
            is_answered = self._round()
            if self._view is not before:
                self._changed_s = time.monotonic()
            self._rest(is_answered=is_answered)

    def _rest(self, *, is_answered: bool) -> None:
        is_busy = time.monotonic() - self._changed_s < BUSY_S
        pause_s = max(BUSY_POLL_S if is_busy else QUIET_POLL_S, self._asked_s / MOST_SHARE)
        pause_s = pause_s if is_answered else RETRY_S
        with self._changed:
            if not self._is_closed and not (is_answered and self._has_work()):
                due_s = [pause_s]
                due_s += [ending.kill_at_s - time.monotonic() for ending in self._endings.values()]
                self._changed.wait(max(0.05, min(due_s)))

    def _has_work(self) -> bool:
        return bool(self._orders) or any(not ending.is_asked for ending in self._endings.values())

    def _drop(self, orders: AbstractSet[Submission | None]) -> None:
        """Take orders back, and tell it."""
        if orders:
            with self._changed:
                self._orders = deque(order for order in self._orders if order not in orders)
                self._tell(dropped=self._view.dropped + len(orders))

    def _round(self) -> bool:
        """Ask for the queue, carry out the orders; whether Slurm answered."""
        begun_s = time.monotonic()
        answer = ask(queue_command())
        self._asked_s = time.monotonic() - begun_s
        if answer.code != 0:
            self._tell(trouble=answer.error, has_slurm=_has_command(answer))
            return False
        jobs = _by_agent(self._naming.read(answer.out))
        fresh, trouble = self._submit_ordered(jobs)
        jobs = {**jobs, **fresh}
        self._end_ordered(jobs)
        self._tell(is_known=True, jobs=jobs, trouble=trouble, has_slurm=True)
        return not trouble

    def _submit_ordered(self, jobs: Mapping[str, Job]) -> tuple[dict[str, Job], str]:
        """Submit what was ordered and is not in the queue; the new jobs, and what stands in the way now."""
        fresh, trouble = dict[str, Job](), ""
        for order in list(self._orders):
            with self._changed:
                if order not in self._orders:
                    continue  # it was taken back
                self._under_way = order
            known = jobs.get(order.agent)
            is_there = known is not None and known.is_active and known.attempt == order.attempt
            job = known if known is not None and is_there else self._submitted(order)
            with self._changed:  # who looks sees both or none of it
                self._under_way = None
                if isinstance(job, str):
                    trouble = job  # it stays ordered, unless its end was ordered meanwhile
                    self._drop({order} if order.agent in self._endings else set())
                    continue
                refused = {agent: why for agent, why in self._view.refused.items() if agent != order.agent}
                if isinstance(job, RefusedJob):
                    refused[order.agent] = job
                else:
                    fresh[order.agent] = job
                self._orders.remove(order)
                self._tell(refused=refused, jobs={**self._view.jobs, **fresh})
        return fresh, trouble

    def _submitted(self, order: Submission) -> Job | RefusedJob | str:
        """The job, or why it was refused for good; what stands in the way if that cannot be told yet."""
        name = self._naming.of(order.agent, order.attempt)
        variables = variables_of(order)
        try:
            log = make_log(self._tree, order.agent)
        except StorageError as error:
            return self._refusal(str(error))
        argv = submit_command(name, order.place, root=self._naming.root, log=log, variables=variables)
        answer = ask(argv, given=script_of(self._entry, order), env={**os.environ, **variables})
        id_ = answer.out.strip().partition(";")[0]
        if answer.code == 0 and id_:
            agent, attempt = order.agent, order.attempt
            return Job(id=id_, state="PENDING", reason="None", node="", agent=agent, attempt=attempt)
        if answer.is_passing or answer.code == 0:
            return answer.error or "sbatch told no number"
        lines = answer.error.splitlines()
        return self._refusal(" ".join(line.removeprefix("sbatch: error: ") for line in lines))

    def _refusal(self, why: str) -> RefusedJob:
        self._refusals += 1
        return RefusedJob(number=self._refusals, why=f"slurm: {why}")

    def _end_ordered(self, jobs: Mapping[str, Job]) -> None:
        now_s = time.monotonic()
        with self._changed:
            endings = dict(self._endings)
        asked, killed = list[str](), list[str]()
        for agent, ending in endings.items():
            job = jobs.get(agent)
            if job is None or not job.is_active:
                with self._changed:
                    self._endings.pop(agent, None)
            elif now_s >= ending.kill_at_s or job.is_pending:
                killed.append(job.id)
                ending.is_asked, ending.kill_at_s = True, now_s + RETRY_S  # again, should it still be there
            elif not ending.is_asked:
                asked.append(job.id)
                ending.is_asked = True
        for argv in [*cancel_commands(asked, is_asked=True), *cancel_commands(killed, is_asked=False)]:
            ask(argv)

    def _tell(self, **changed: object) -> None:
        """Show what is known now, and wake who looks."""
        with self._changed:
            known = {name: getattr(self._view, name) for name in QueueView.__struct_fields__}
            view = QueueView(**{**known, **changed})
            if view != self._view:
                self._view = view
                with suppress(BlockingIOError, OSError):
                    os.write(self._write_end, b".")


def _by_agent(jobs: Iterable[Job]) -> dict[str, Job]:
    """The job that counts of each agent: one that is active, else the last one."""
    found = dict[str, Job]()
    for job in jobs:
        known = found.get(job.agent)
        if known is None or _weight(job) > _weight(known):
            found[job.agent] = job
    return found


def _weight(job: Job) -> tuple[bool, int, bool, int]:
    number = int(job.id.partition("_")[0]) if job.id.partition("_")[0].isdecimal() else 0
    return job.is_active, job.attempt, not job.is_pending, number


def _has_command(answer: Answer) -> bool:
    return not (answer.code is None and "cannot be called" in answer.error)
