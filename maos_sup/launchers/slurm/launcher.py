"""The launcher called `slurm`: what it says of an agent is what the queue, and the agent's lease, say.

A job that Slurm says has ended is over. Of one that is not in the queue any more, or whose node was lost,
nothing is known: there its lease decides, which the agent gives up by itself when it cannot be renewed. Where
the queue does not answer nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from maos_sup.core.model import Process
from maos_sup.launchers.base import Observed, Submission
from maos_sup.launchers.slurm.book import QueueView
from maos_sup.launchers.slurm.clerk import Clerk
from maos_sup.launchers.slurm.commands import Job
from maos_sup.system.ending import Swept
from state_layout.errors import StorageError
from state_layout.files.reading import is_there
from state_layout.lives.attempts import read_exit
from state_layout.lives.leases import LeaseWatch, read_lease
from state_layout.paths import Tree
from state_layout.specs.read import read_specs


class SlurmLauncher:
    """Places the agents of `tree`; `entry` is `module:function`, called with tree's root and agent."""

    def __init__(self, tree: Tree, *, orchestration: str, entry: str) -> None:
        self._tree = tree
        self._clerk = Clerk(tree, orchestration, entry=entry)
        self._watch = LeaseWatch()
        self._mine = set[str]()  # agents that live, or may live, by way of this launcher
        self._observed = dict[str, Observed]()
        self._taken: QueueView | None = None
        self._ends: Mapping[str, Job] = {}  # as accounts told

    def fileno(self) -> int:
        return self._clerk.fileno()

    def submit(self, submission: Submission) -> int:
        agent = submission.agent
        known = self._clerk.look()[0].jobs.get(agent)
        if agent in self._mine and known is not None and known.is_active:
            return _number(known)
        self._mine.add(agent)
        self._clerk.submit(submission)
        self._observed[agent] = Observed(pid=0, alive=True, where=_waits_for(self._clerk.look()[0]))
        return 0

    def poll(self) -> Mapping[str, Observed] | None:
        self._clerk.drain()
        view, ordered = self._clerk.look()
        ends = self._clerk.accountant.ends
        if view is self._taken and ends is self._ends:
            return self._observed
        self._taken, self._ends = view, ends
        told = dict(self._observed)
        for agent in ordered:
            waiting = Observed(pid=0, alive=True, where=_waits_for(view))
            told[agent] = told[agent] if told.get(agent) == waiting else waiting
        for agent in {*view.jobs, *view.refused, *ends, *self._mine} - ordered:
            fresh = self._seen(view, agent)
            if told.get(agent) != fresh:
                told[agent] = fresh  # the same object as long as there is no news
            if not fresh.alive and (view.is_known or fresh.error):
                self._mine.discard(agent)
        self._observed = told
        return told

    def living(self) -> AbstractSet[str]:
        return {agent for agent, each in self._observed.items() if each.alive and agent in self._mine}

    def adopt(self, agent: str) -> bool:
        return False  # its jobs are in the queue, whoever submitted them

    def says(self, agent: str, *, launcher: str, attempt: int) -> Process | None:
        view, ordered = self._clerk.look()
        if agent in ordered:
            return Process.ALIVE
        is_asked = view.has_slurm and not view.is_known
        if is_asked and not (view.trouble and self._was_never_submitted(agent, attempt)):
            asked = Observed(pid=0, alive=False, where=_waits_for(view))
            if self._observed.get(agent) != asked:
                self._observed[agent] = asked
            return Process.UNKNOWN
        job = view.jobs.get(agent)
        if job is not None and job.is_active:
            self._mine.add(agent)
            self._observed[agent] = self._seen(view, agent)
            return Process.ALIVE
        return self._by_lease(agent, attempt, job)

    def cancel(self, agents: Iterable[str], *, grace_s: float) -> None:
        self._clerk.cancel(agents, grace_s=grace_s)

    def sweep(self, marks: AbstractSet[str]) -> Swept:
        return Swept(ended=0)  # what a job leaves running Slurm ends with it

    def close(self) -> None:
        self._clerk.close()

    def _seen(self, view: QueueView, agent: str) -> Observed:
        job = view.jobs.get(agent) or self._ends.get(agent)
        if job is not None and job.is_active:
            where = f"{job.where}, when slurm answered last" if view.trouble else job.where
            where = f"{where}; not ended yet: {_plain(view.unended)}" if view.unended else where
            return Observed(pid=0 if job.is_pending else _number(job), alive=True, where=where)
        refused = view.refused.get(agent)
        where, ended, attempt = (job.where, job.ended, job.attempt) if job is not None else ("", "", 0)
        why = refused.why if refused else None
        return Observed(pid=0, alive=False, error=why, where=where, ended=ended, attempt=attempt)

    def _by_lease(self, agent: str, attempt: int, job: Job | None) -> Process | None:
        """Say what is to be believed of an attempt that is not in the queue (any more)."""
        paths = self._tree.agent(agent).attempt(attempt)
        lease = read_lease(paths) if attempt else None
        if lease is None:
            return None  # no job of it began: it lives here, if at all
        is_gone = self._has_ended(agent, attempt, job)
        if not is_gone:
            job = self._clerk.accountant.end_of(agent, attempt=attempt, id_=lease.job)
            is_gone = job is not None and job.is_over
        if is_gone:
            self._watch.forget(paths)
        elif self._watch.has_stopped(paths, lease, now_s=time.monotonic()):
            is_gone = True
        if is_gone:
            self._clerk.accountant.forget(agent)
        return Process.GONE if is_gone else Process.UNKNOWN

    def _was_never_submitted(self, agent: str, attempt: int) -> bool:
        """No supervisor here has called `sbatch` for it, so no answer is needed to know that it has no job.

        Should `run/` have been lost with that: what begins all the same sees by itself what is wanted of it.
        """
        if is_there(self._tree.job_log(agent)) or is_there(self._tree.arrays):
            return False
        return not attempt or read_lease(self._tree.agent(agent).attempt(attempt)) is None

    def _has_ended(self, agent: str, attempt: int, job: Job | None) -> bool:
        if job is not None and job.is_over and job.attempt >= attempt:
            return True
        try:
            return read_exit(self._tree, agent, attempt) is not None
        except StorageError:
            return False


def _waits_for(view: QueueView) -> str:
    """Say in words what an agent waits for that is not in the queue."""
    why = view.trouble or view.held
    if why:
        return f"waits for slurm: {_plain(why)}"
    return "to be submitted to slurm" if view.is_known else "slurm is asked"


def _plain(text: str) -> str:
    """Put `text` in one line."""
    return " ".join(text.split())


def _number(job: Job) -> int:
    return job.number or 1


def launcher(tree: Tree, *, entry: str, placed_entry: str) -> SlurmLauncher:
    """Make the launcher called `slurm`. Raises BadInput where the tree's specs cannot be read."""
    orchestration = read_specs(tree).specs.orchestration.id
    return SlurmLauncher(tree, orchestration=orchestration, entry=placed_entry)
