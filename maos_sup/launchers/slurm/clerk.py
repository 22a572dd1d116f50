"""The clerk: threads that call Slurm's commands, so that the supervisor waits for none of them.

One asks for the queue, once for all agents; a few submit, since each `sbatch` waits for the controller; one
ends jobs. A command that hangs keeps none of the others waiting. What they do and know is in the `book`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from maos_sup.launchers.base import Submission
from maos_sup.launchers.slurm.accounting import Accountant
from maos_sup.launchers.slurm.arrays import Arrays
from maos_sup.launchers.slurm.book import RETRY_S, Book, QueueView
from maos_sup.launchers.slurm.calling import SLOW_S, Answer, ask
from maos_sup.launchers.slurm.commands import (
    Job,
    Naming,
    NoListing,
    array_script_of,
    cancel_commands,
    job_number,
    make_log,
    queue_command,
    sbatch_environment,
    script_of,
    submit_command,
    variables_of,
)
from maos_sup.system.pipes import quiet_pipe
from state_layout.errors import StorageError
from state_layout.paths import Tree

BUSY_POLL_S, QUIET_POLL_S = 1.0, 5.0
BUSY_S = 10.0  # after the last change in the queue
MOST_SHARE = 0.02  # of the time that passes, for asking
MOST_PAUSE_S = 10.0  # however long an answer took: a controller that comes back is slow once
ASK_PATIENCE_S = 30.0  # asked again, the queue may answer
SUBMITTERS = 4
SETTLE_S = 0.02  # who orders one job often orders more


class Clerk:
    """Calls Slurm for one tree; `fileno` is readable when `look` tells something else."""

    def __init__(self, tree: Tree, orchestration: str, *, entry: str) -> None:
        self._tree, self._entry = tree, entry
        self._arrays = Arrays(tree)
        self._naming = Naming(tree, orchestration, tasks=self._arrays.tasks)
        self.accountant = Accountant(self._naming, told=self._wake)
        self._read_end, self._write_end = quiet_pipe()
        self._book = Book(self._wake)
        self._is_closed = False
        works = {
            "ask": self._ask,
            **{f"submit-{n}": self._submit for n in range(SUBMITTERS)},
            "end": self._end,
        }
        self._threads = [
            threading.Thread(target=work, name=f"slurm-{name}", daemon=True) for name, work in works.items()
        ]
        for thread in self._threads:
            thread.start()

    def fileno(self) -> int:
        return self._read_end

    def drain(self) -> None:
        """Empty what `fileno` says."""
        with suppress(BlockingIOError):
            os.read(self._read_end, 1 << 16)

    def look(self) -> tuple[QueueView, set[str]]:
        """Give what is known now, and the agents whose jobs are ordered and not submitted yet."""
        with self._book.changed:  # both or none of it
            return self._book.view, self._book.ordered()

    def submit(self, submission: Submission) -> None:
        """Order a job."""
        self.accountant.forget(submission.agent)
        self._book.order(submission, now_s=time.monotonic())

    def cancel(self, agents: Iterable[str], *, grace_s: float) -> None:
        """Order the end of jobs, as `Book.end` says."""
        self._book.end(agents, grace_s=grace_s, now_s=time.monotonic())

    def close(self) -> None:
        """Call nothing any more; the jobs live on. Does not wait for a command under way."""
        with self._book.changed:
            self._is_closed = True
            self._book.changed.notify_all()
        self.accountant.close()
        until_s = time.monotonic() + 1.0
        for thread in self._threads:
            thread.join(timeout=max(0.0, until_s - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            os.close(self._read_end)
            os.close(self._write_end)

    def _wake(self) -> None:
        with suppress(BlockingIOError, OSError):
            os.write(self._write_end, b".")

    # -- the thread that asks

    def _ask(self) -> None:
        while not self._is_closed:
            begun_s = time.monotonic()
            is_answered = self._ask_once(begun_s)
            self._rest(cost_s=time.monotonic() - begun_s, is_answered=is_answered)

    def _ask_once(self, begun_s: float) -> bool:
        answer = ask(queue_command(), gives_up=self._tells_slowness)
        now_s = time.monotonic()
        if answer.code != 0:
            self._book.unanswered(answer.error, has_slurm=not answer.is_missing, now_s=now_s)
            return False
        try:
            self._book.answered(self._naming.read(answer.out), begun_s=begun_s, now_s=now_s)
        except (NoListing, StorageError) as error:
            self._book.unanswered(str(error), now_s=now_s)
            return False
        return True

    def _tells_slowness(self, passed_s: float) -> bool:
        if passed_s >= SLOW_S and not self._book.view.trouble:
            self._book.unanswered("squeue does not answer", now_s=time.monotonic())
        return self._is_closed or passed_s >= ASK_PATIENCE_S

    def _rest(self, *, cost_s: float, is_answered: bool) -> None:
        """Wait until the queue is to be asked again."""
        rested_s = time.monotonic()
        with self._book.changed:
            while not self._is_closed:
                now_s = time.monotonic()
                if is_answered and self._book.wants_answer(now_s):
                    break
                is_busy = now_s - self._book.changed_s < BUSY_S
                pause_s = max(
                    BUSY_POLL_S if is_busy else QUIET_POLL_S, min(cost_s / MOST_SHARE, MOST_PAUSE_S)
                )
                due_s = rested_s + (pause_s if is_answered else RETRY_S)
                if now_s >= due_s:
                    return
                retry_s = self._book.orders_due_s()
                self._book.changed.wait(min(due_s, retry_s if retry_s > now_s else due_s) - now_s)
        time.sleep(SETTLE_S)

    # -- the threads that submit

    def _submit(self) -> None:
        while (batch := self._next_batch()) is not None:
            work = self._submit_one if len(batch) == 1 else self._submit_array
            try:
                jobs = work(batch)
            except StorageError as error:
                self._book.refused(batch, f"slurm: {error}", now_s=time.monotonic())
                continue
            if isinstance(jobs, Answer):
                self._take_no(batch, jobs)
            else:
                self._book.submitted(batch, jobs, now_s=time.monotonic())

    def _next_batch(self) -> Sequence[Submission] | None:
        """Wait for what is to be submitted, and give it; None when all is over."""
        with self._book.changed:
            while not self._is_closed:
                batch = self._book.take_batch(now_s=time.monotonic())
                if batch:
                    return batch
                self._book.changed.wait()
        return None

    def _submit_one(self, batch: Sequence[Submission]) -> list[Job] | Answer:
        """The job of one agent, or why there is none. Raises StorageError."""
        (order,) = batch
        log = make_log(self._tree.job_log(order.agent))
        variables = variables_of(order)
        argv = submit_command(
            self._naming.of(order.agent, order.attempt),
            order.place,
            root=self._naming.root,
            log=log,
        )
        return self._asked(batch, argv, script_of(self._entry, order), variables)

    def _submit_array(self, batch: Sequence[Submission]) -> list[Job] | Answer:
        """The jobs of agents that want the same, or why there are none. Raises StorageError."""
        token = self._arrays.write(batch)
        first = batch[0]
        variables = variables_of(first)
        del variables["MAOS_SUP_ATTEMPT"]  # of each task another
        argv = submit_command(
            self._naming.of_array(token),
            first.place,
            root=self._naming.root,
            log=make_log(self._tree.array_log(token)),
            tasks=len(batch),
        )
        record = os.path.realpath(self._tree.array(token))
        script = array_script_of(self._entry, tree_root=first.tree_root, record=record)
        return self._asked(batch, argv, script, variables)

    def _asked(
        self, batch: Sequence[Submission], argv: Sequence[str], script: str, variables: dict[str, str]
    ) -> list[Job] | Answer:
        gives_up = partial(self._gives_up, batch)
        answer = ask(argv, given=script, env=sbatch_environment(variables), gives_up=gives_up)
        number = job_number(answer.out)
        if answer.code != 0 or number is None:
            return answer
        ids = [number] if len(batch) == 1 else [f"{number}_{index}" for index in range(len(batch))]
        pairs = zip(ids, batch, strict=True)
        return [
            Job(id=id_, state="PENDING", reason="None", node="", agent=one.agent, attempt=one.attempt)
            for id_, one in pairs
        ]

    def _gives_up(self, batch: Sequence[Submission], passed_s: float) -> bool:
        if passed_s < SLOW_S:
            return False
        self._book.hold("sbatch does not answer", now_s=time.monotonic())
        return self._book.is_hopeless(batch)

    def _take_no(self, batch: Sequence[Submission], answer: Answer) -> None:
        now_s = time.monotonic()
        if answer.is_refusal:
            lines = [line.removeprefix("sbatch: error: ") for line in answer.error.splitlines()]
            if "job array" in answer.error:
                lines.append("(no arrays of this size here; leave out 'array' in 'place')")
            self._book.refused(batch, f"slurm: {' '.join(lines)}", now_s=now_s)
        else:
            why = answer.error if answer.code != 0 else f"sbatch told no number but {answer.out[:80]!r}"
            self._book.postponed(batch, why, now_s=now_s)

    # -- the thread that ends

    def _end(self) -> None:
        while not self._is_closed:
            asked, killed = self._book.take_endings(now_s=time.monotonic())
            self._end_jobs(asked, is_asked=True)
            self._end_jobs(killed, is_asked=False)
            with self._book.changed:
                due_s = self._book.endings_due_s()
                if not self._is_closed and due_s > time.monotonic():
                    self._book.changed.wait(None if due_s == float("inf") else due_s - time.monotonic())

    def _end_jobs(self, jobs: Sequence[Job], *, is_asked: bool) -> None:
        why = ""
        for argv in cancel_commands([job.id for job in jobs], is_asked=is_asked):
            answer = ask(argv, gives_up=self._tells_no_end)
            if answer.code != 0:
                why = answer.error
        if jobs:
            self._book.ended(jobs if is_asked else (), why, now_s=time.monotonic())

    def _tells_no_end(self, passed_s: float) -> bool:
        if passed_s >= SLOW_S:
            self._book.cannot_end("scancel does not answer", now_s=time.monotonic())
        return False
