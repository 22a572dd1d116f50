"""Asks `sacct`, where the cluster keeps accounts, how jobs ended that the queue has forgotten.

One question for all, in a thread of its own that begins with the first: nobody waits for it, and where it
does not answer, or no accounts are kept, nothing changes: there the lease of an agent decides. Once it is
known that none are kept, it is not asked again.
"""

from __future__ import annotations

import pwd
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from maos_sup.launchers.slurm.calling import Answer, ask
from maos_sup.launchers.slurm.commands import MOST_IDS, Job, Naming, NoListing
from state_layout.errors import StorageError

AGAIN_S = 10.0  # after an answer that did not tell
_FIELDS = ("JobID", "State", "ExitCode", "NodeList", "Reason", "ReqMem", "JobName", "WorkDir")
_OFF = "accounting storage is disabled"


class _Question(Struct):
    """It asks how the job of an attempt ended."""

    attempt: int
    id: str
    due_s: float


class Accountant:
    """Knows how jobs of one tree ended; `told` is called by its thread when it knows more."""

    def __init__(self, naming: Naming, *, told: Callable[[], None]) -> None:
        self.ends: Mapping[str, Job] = {}  # by agent; another mapping when there is news
        self._naming, self._told = naming, told
        self._changed = threading.Condition()
        self._questions = dict[str, _Question]()  # by agent
        self._is_over = False  # closed, or no accounts are kept
        self._thread: threading.Thread | None = None

    def end_of(self, agent: str, *, attempt: int, id_: str) -> Job | None:
        """Tell how the job of an attempt ended; None while that is not known, and it is asked after."""
        known = self.ends.get(agent)
        if known is not None and (known.attempt, known.id) == (attempt, id_):
            return known
        with self._changed:
            asked = self._questions.get(agent)
            if not self._is_over and (asked is None or (asked.attempt, asked.id) != (attempt, id_)):
                self._questions[agent] = _Question(attempt=attempt, id=id_, due_s=time.monotonic())
                self._changed.notify_all()
            if self._questions and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="slurm-account", daemon=True)
                self._thread.start()
        return None

    def forget(self, agent: str) -> None:
        """The end of its last job is known otherwise, or it has another one."""
        with self._changed:
            self._questions.pop(agent, None)

    def close(self) -> None:
        """Ask nothing any more. Does not wait for a question under way."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _run(self) -> None:
        while ids := self._next_ids():
            answer = ask(account_command(ids), gives_up=lambda passed_s: self._is_over)
            if is_off(answer):
                with self._changed:
                    self._is_over = True
                    self._questions.clear()
                return
            if answer.code == 0:
                with suppress(NoListing, StorageError):
                    self._take(list(read_accounts(answer.out, self._naming)))

    def _next_ids(self) -> list[str]:
        """The jobs to ask about, as soon as there are some; none when all is over."""
        with self._changed:
            while not self._is_over:
                now_s = time.monotonic()
                due = [each for each in self._questions.values() if each.due_s <= now_s][:MOST_IDS]
                for each in due:
                    each.due_s = now_s + AGAIN_S
                if due:
                    return [each.id for each in due]
                next_s = min((each.due_s for each in self._questions.values()), default=None)
                self._changed.wait(None if next_s is None else next_s - now_s)
        return []

    def _take(self, jobs: Sequence[Job]) -> None:
        with self._changed:
            news = {job.agent: job for job in jobs if not job.is_active and self._is_asked(job)}
            for agent in news:
                del self._questions[agent]
            self.ends = {**self.ends, **news} if news else self.ends
        if news:
            self._told()

    def _is_asked(self, job: Job) -> bool:
        asked = self._questions.get(job.agent)
        return asked is not None and (asked.attempt, asked.id) == (job.attempt, job.id)


def account_command(ids: Sequence[str]) -> list[str]:
    """The call of `sacct` for these jobs, whenever they were."""
    return [
        "sacct",
        "--parsable2",
        "--allocations",
        f"--format={','.join(_FIELDS)}",
        f"--jobs={','.join(ids)}",
    ]


def is_off(answer: Answer) -> bool:
    """No accounts are kept here, and there will be none."""
    return answer.is_missing or (bool(answer.code) and _OFF in answer.error)


def read_accounts(listing: str, naming: Naming) -> Iterator[Job]:
    """Our jobs among those that `sacct` listed. Raises NoListing, StorageError."""
    head, _, lines = listing.partition("\n")
    if head.strip() != "|".join(_FIELDS):
        raise NoListing(f"sacct printed no list of jobs but {listing[:80]!r}")
    for line in lines.splitlines():
        fields = line.split("|", len(_FIELDS) - 1)
        if len(fields) < len(_FIELDS):
            continue
        id_, state, code, node, reason, memory, name, place = fields
        task = naming.whose(name, place, id_)
        if task is not None:
            word, _, by = state.partition(" by ")
            yield Job(
                id=id_,
                state=word,
                reason=f"by {_user(by)}" if by else _code(code) or reason,
                node="" if node.startswith("None") else node,
                agent=task[0],
                attempt=task[1],
                memory=memory.rstrip("cn"),  # per core, or per node: in older versions
            )


def _user(number: str) -> str:
    """The name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(int(number)).pw_name
    except (KeyError, ValueError):
        return number


def _code(code: str) -> str:
    """An exit code as Slurm writes it, `<code>:<signal>`, in words; empty for 0:0."""
    number, _, signal = code.partition(":")
    if signal.strip("0"):
        return f"signal {signal}"
    return f"exit code {number}" if number.strip("0") else ""
