"""The clerk's book: what was ordered, what Slurm is known to have, and what is to be done next.

Calls nothing and reads no clock: moments are `time.monotonic()`, given. Threads may share it; `changed` is
notified, and `told` called, when something else is known.

A job may be submitted only after a question, begun later than it was ordered or tried last, did not find it:
so nothing is submitted twice by whoever died, or gave up, before it heard the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct, structs

from maos_sup.launchers.base import Submission
from maos_sup.launchers.slurm.commands import Job

RETRY_S = 5.0  # after a command without an answer
MOST_TASKS = 500  # in one array; Slurm's usual limit is 1001


class RefusedJob(Struct, frozen=True, kw_only=True):
    """The submission was refused by Slurm for good."""

    number: int  # of all that it refused: each is another one
    why: str


class QueueView(Struct, frozen=True, kw_only=True):
    """A view is what is known of our jobs; `is_known` is false until the queue answered once."""

    is_known: bool = False
    jobs: Mapping[str, Job] = {}  # by agent: the one that counts
    refused: Mapping[str, RefusedJob] = {}  # by agent: its last submission, where Slurm refused it
    trouble: str = ""  # why the queue does not answer
    held: str = ""  # why nothing can be submitted now
    unended: str = ""  # why nothing can be ended now
    has_slurm: bool = True  # there is such a command here
    settled: int = 0  # orders that were carried out, refused, or taken back


class _Order(Struct):
    """An order is a job that is to be submitted."""

    submission: Submission
    placed_s: float  # a question has to begin later
    not_before_s: float = 0.0
    is_under_way: bool = False  # Slurm may hear of it now
    is_tried: bool = False  # Slurm may have heard of it
    last_id: str = ""  # the agent's last job before that

    def is_met_by(self, job: Job | None) -> bool:
        """The `job` is the one that was ordered; it may be over before it is seen."""
        if job is None or job.attempt != self.submission.attempt:
            return False
        return job.is_active or ((self.is_tried or self.is_under_way) and job.id != self.last_id)


class _Ending(Struct):
    """An ending is an end that was asked for."""

    kill_at_s: float
    ask_at_s: float | None  # None: a TERM was sent


class Book:
    """Orders, endings and the last view; `told` is called under the lock and must not wait."""

    def __init__(self, told: Callable[[], None]) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.view = QueueView()
        self.changed_s = 0.0  # when the view changed last
        self._told = told
        self._orders = dict[str, _Order]()  # by agent, the oldest first
        self._endings = dict[str, _Ending]()  # by agent
        self._fresh = dict[str, tuple[Job, float]]()  # submitted when, since the last question began
        self._asked_s = float("-inf")  # when the last question began that was answered
        self._refusals = 0

    # -- orders

    def ordered(self) -> set[str]:
        """Find the agents whose jobs are ordered and not known to be submitted."""
        with self.changed:
            return set(self._orders)

    def order(self, submission: Submission, *, now_s: float) -> None:
        """Have a job submitted, unless one of its agent is ordered already."""
        with self.changed:
            if submission.agent not in self._orders:
                self._orders[submission.agent] = _Order(submission=submission, placed_s=now_s)
                self._endings.pop(submission.agent, None)  # that was its life before
            self.changed.notify_all()

    def wants_answer(self, now_s: float) -> bool:
        """An order waits for a question to be asked."""
        with self.changed:
            return any(
                not order.is_under_way and order.placed_s > self._asked_s and order.not_before_s <= now_s
                for order in self._orders.values()
            )

    def take_batch(self, *, now_s: float) -> list[Submission]:
        """Take what is to be submitted now by one command: one job, or an array. Is under way from now on."""
        with self.changed:
            due = [order for order in self._orders.values() if self._is_due(order, now_s)]
            if due and due[0].submission.place.array:
                first = due[0].submission
                due = [order for order in due if _are_alike(order.submission, first)]
            else:
                due = due[:1]
            for order in due[:MOST_TASKS]:
                order.is_under_way = True
            return [order.submission for order in due[:MOST_TASKS]]

    def submitted(self, batch: Sequence[Submission], jobs: Sequence[Job], *, now_s: float) -> None:
        """Slurm took a batch: its jobs, in the same order."""
        with self.changed:
            closed = self._close_orders(batch)
            fresh = {job.agent: job for job in jobs if job.agent in closed}
            self._fresh |= {agent: (job, now_s) for agent, job in fresh.items()}
            refused, settled = self._refused_but(closed), self.view.settled + len(closed)
            jobs_now = {**self.view.jobs, **fresh}
            self._tell(now_s, jobs=jobs_now, refused=refused, held="", settled=settled)

    def refused(self, batch: Sequence[Submission], why: str, *, now_s: float) -> None:
        """Note that Slurm refused a batch for good."""
        with self.changed:
            closed = self._close_orders(batch)
            refused = self._refused_but(closed)
            for agent in closed:
                self._refusals += 1
                refused[agent] = RefusedJob(number=self._refusals, why=why)
            self._tell(now_s, refused=refused, held="", settled=self.view.settled + len(closed))

    def postponed(self, batch: Sequence[Submission], why: str, *, now_s: float) -> None:
        """Note that the fate of a batch is not known: the queue is asked, and what is not there is tried
        again."""
        with self.changed:
            for submission in batch:
                order = self._orders.get(submission.agent)
                if order is not None and order.submission is submission:
                    order.is_under_way, order.is_tried = False, True
                    is_wanted = submission.agent not in self._endings
                    order.placed_s, order.not_before_s = now_s, now_s + (RETRY_S if is_wanted else 0.0)
            self._tell(now_s, held=why)
            self.changed.notify_all()

    def hold(self, why: str, *, now_s: float) -> None:
        """Tell why what is under way takes long."""
        with self.changed:
            self._tell(now_s, held=why)

    def is_hopeless(self, batch: Sequence[Submission]) -> bool:
        """Nobody waits for these jobs any more: they are there, or not wanted."""
        with self.changed:
            return not any(
                submission.agent in self._orders and submission.agent not in self._endings
                for submission in batch
            )

    # -- what the queue says

    def answered(self, listed: Iterable[Job], *, begun_s: float, now_s: float) -> None:
        """The queue was asked at `begun_s` and listed these jobs."""
        with self.changed:
            self._asked_s = begun_s
            jobs = _by_agent(listed)
            self._fresh = {agent: fresh for agent, fresh in self._fresh.items() if fresh[1] >= begun_s}
            jobs = _by_agent([*jobs.values(), *(job for job, _ in self._fresh.values())])
            settled = self.view.settled
            for agent, order in list(self._orders.items()):
                job = jobs.get(agent)
                is_there = order.is_met_by(job)
                if not (order.is_tried or order.is_under_way):
                    order.last_id = job.id if job is not None else ""
                is_vain = agent in self._endings and not order.is_under_way and order.placed_s <= begun_s
                if is_there or is_vain:
                    del self._orders[agent]
                    settled += 1
            for agent in list(self._endings):
                job = jobs.get(agent)
                if agent not in self._orders and (job is None or not job.is_active):
                    del self._endings[agent]
            self._tell(
                now_s,
                is_known=True,
                jobs=jobs,
                trouble="",
                held=self.view.held if self._orders else "",
                unended=self.view.unended if self._endings else "",
                has_slurm=True,
                settled=settled,
            )
            self.changed.notify_all()  # orders may be due

    def unanswered(self, why: str, *, has_slurm: bool = True, now_s: float) -> None:
        """The queue did not answer: nothing changes, and that is told."""
        with self.changed:
            self._tell(now_s, trouble=why, has_slurm=has_slurm)

    # -- endings

    def end(self, agents: Iterable[str], *, grace_s: float, now_s: float) -> None:
        """Have jobs ended: by a TERM now, if there is grace, and by the end of everything after it.

        What Slurm cannot have heard of yet is not submitted any more.
        """
        with self.changed:
            settled = self.view.settled
            for agent in agents:
                order = self._orders.get(agent)
                if order is not None and not order.is_under_way and not order.is_tried:
                    del self._orders[agent]
                    settled += 1
                elif order is not None:
                    order.not_before_s = now_s  # whether it is there is asked at once
                at_s = now_s + grace_s
                ending = self._endings.setdefault(agent, _Ending(kill_at_s=at_s, ask_at_s=now_s))
                ending.kill_at_s = min(ending.kill_at_s, at_s)
            self._tell(now_s, settled=settled)
            self.changed.notify_all()

    def take_endings(self, *, now_s: float) -> tuple[list[Job], list[Job]]:
        """Take the jobs that get a TERM now, and those that are ended: these again, as long as they are
        there."""
        asked, killed = list[Job](), list[Job]()
        with self.changed:
            for agent, ending in self._endings.items():
                job = self.view.jobs.get(agent)
                if job is None or not job.is_active:
                    continue
                if now_s >= ending.kill_at_s or (job.is_pending and ending.ask_at_s is not None):
                    killed.append(job)
                    ending.ask_at_s, ending.kill_at_s = None, now_s + RETRY_S
                elif ending.ask_at_s is not None and now_s >= ending.ask_at_s:
                    asked.append(job)
                    ending.ask_at_s = None
        return asked, killed

    def ended(self, jobs: Iterable[Job], why: str, *, now_s: float) -> None:
        """Their end was asked for; `why` that may have failed, or nothing."""
        with self.changed:
            for job in jobs if why else ():
                ending = self._endings.get(job.agent)
                if ending is not None:
                    ending.ask_at_s = now_s + RETRY_S
            self._tell(now_s, unended=why)
            self.changed_s = now_s  # the queue is about to change
            self.changed.notify_all()

    def cannot_end(self, why: str, *, now_s: float) -> None:
        """Tell why an end takes long."""
        with self.changed:
            self._tell(now_s, unended=why)

    def endings_due_s(self) -> float:
        """Say when there is something to be ended, at the earliest."""
        with self.changed:
            dues_s = [float("inf")]
            for agent, ending in self._endings.items():
                job = self.view.jobs.get(agent)
                if job is not None and job.is_active:
                    dues_s += [ending.kill_at_s, *([] if ending.ask_at_s is None else [ending.ask_at_s])]
            return min(dues_s)

    def orders_due_s(self) -> float:
        """Say when an order may be tried again, at the earliest."""
        with self.changed:
            orders = self._orders.values()
            return min(
                (order.not_before_s for order in orders if not order.is_under_way), default=float("inf")
            )

    # -- inside

    def _is_due(self, order: _Order, now_s: float) -> bool:
        is_asked_for = order.placed_s <= self._asked_s and order.not_before_s <= now_s
        return is_asked_for and not order.is_under_way and order.submission.agent not in self._endings

    def _close_orders(self, batch: Iterable[Submission]) -> set[str]:
        """Take orders out; the agents of those that were open still."""
        closed = set[str]()
        for submission in batch:
            order = self._orders.get(submission.agent)
            if order is not None and order.submission is submission:
                del self._orders[submission.agent]
                closed.add(submission.agent)
        return closed

    def _refused_but(self, agents: AbstractSet[str]) -> dict[str, RefusedJob]:
        return {agent: job for agent, job in self.view.refused.items() if agent not in agents}

    def _tell(self, now_s: float, **changes: object) -> None:
        view = structs.replace(self.view, **changes)
        if view != self.view:
            self.view, self.changed_s = view, now_s
            self.changed.notify_all()
            self._told()


def _are_alike(one: Submission, other: Submission) -> bool:
    """Both can be tasks of one array."""
    return (one.place, one.variables, one.tree_root) == (other.place, other.variables, other.tree_root)


def _by_agent(jobs: Iterable[Job]) -> dict[str, Job]:
    """Find the job that counts of each agent: one that is active, else the last one."""
    found = dict[str, Job]()
    for job in jobs:
        known = found.get(job.agent)
        if known is None or _weight(job) > _weight(known):
            found[job.agent] = job
    return found


def _weight(job: Job) -> tuple[bool, int, bool, int]:
    return job.is_active, job.attempt, not job.is_pending, job.number
