"""Says what Slurm is asked, and what it answers: `sbatch --parsable`, one `squeue` for all jobs, `scancel`.

Calls nothing: that is `calling`. Only what these commands have promised for years is used: no bindings, no
configuration. A job is named `<orchestration>.<agent>.<attempt>` and works in the folder of the tree; both
together say whose it is, so a copy of the tree never touches the jobs of its original. An id alone is never
believed: after a crash of the controller numbers may be given twice.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, structs

from maos_sup.launchers.base import Submission
from maos_sup.launchers.link import environment, python
from state_layout.errors import storage_error
from state_layout.files import atomic
from state_layout.host.marks import MARK_VARIABLE
from state_layout.paths import Tree
from state_layout.records import Placement

WARNED_S = 120  # before its wall time a job is asked to stop
MOST_IDS = 200  # in one command line
_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
_LONG_ENOUGH = 2  # times the warning, or a job would be warned as it begins
_PENDING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"})
_RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"})
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "PREEMPTED"})
_ENDINGS = {
    "OUT_OF_MEMORY": "out of memory",
    "TIMEOUT": "its time was over",
    "CANCELLED": "cancelled",
    "PREEMPTED": "preempted",
    "DEADLINE": "its deadline had come",
    "NODE_FAIL": "its node was lost",
    "BOOT_FAIL": "its node did not boot",
    "REVOKED": "revoked",
}
_NO_REASONS = frozenset({"", "None"})
_FIELDS = "%i|%T|%r|%N|%m|%j|%Z"  # the last two may hold anything
_HEAD = "JOBID|STATE|REASON|NODELIST|MIN_MEMORY|NAME|WORK_DIR"  # what a listing of them begins with
_VARIABLES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH"}
)
_OF_SLURM = frozenset({"SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT"})
_PREFIXES = ("LC_", "MAOS_SUP_")
Task = tuple[str, int]  # an agent and its attempt


class Job(Struct, frozen=True, kw_only=True):
    """A job is as the queue shows it."""

    id: str
    state: str
    reason: str
    node: str
    agent: str
    attempt: int
    memory: str = ""  # that it asked for, as Slurm writes it: 1G

    @property
    def number(self) -> int:
        """The controller counts by this number: all tasks of an array have the same."""
        head = self.id.partition("_")[0]
        return int(head) if head.isdecimal() else 0

    @property
    def is_active(self) -> bool:
        """The job waits, runs, or has a state that nobody here knows: then nothing may follow from it."""
        return self.state not in _ENDED and self.state not in {"NODE_FAIL", "BOOT_FAIL", "REVOKED"}

    @property
    def is_pending(self) -> bool:
        return self.state in _PENDING

    @property
    def is_over(self) -> bool:
        """The job's node said that it ended. Of a lost node nothing is known."""
        return self.state in _ENDED

    @property
    def where(self) -> str:
        """The place of the job is put in words."""
        if self.is_pending:
            return f"slurm job {self.id}: {self.state.lower()} ({self.reason})"
        return (
            f"slurm job {self.id}: {self.state.lower()} on {self.node}"
            if self.node
            else f"slurm job {self.id}"
        )

    @property
    def ended(self) -> str:
        """Say how it ended, in words; empty where Slurm knows no more than that it did."""
        words = _ENDINGS.get(self.state, "")
        if self.state == "FAILED":
            words = f"failed ({self.reason})" if self.reason not in _NO_REASONS else ""
        if self.state == "CANCELLED" and self.reason.startswith("by "):
            words = f"{words} {self.reason}"
        if self.state == "OUT_OF_MEMORY" and self.memory.strip("0"):
            words = f"{words}: asked for {self.memory}"
        place = f" on {self.node}" if self.node else ""
        return f"slurm job {self.id}{place}: {words}" if words else ""


class NoListing(ValueError):
    """`squeue` ended well and printed something else than a listing."""


class Naming:
    """The names of the jobs of one tree. `tasks` tells what was written of an array."""

    def __init__(self, tree: Tree, orchestration: str, *, tasks: Callable[[str], Sequence[Task]]) -> None:
        self.root = os.path.realpath(tree.root)
        self._prefix = re.sub(r"[^A-Za-z0-9_-]", "_", orchestration)[:64]
        self._tasks = tasks

    def of(self, agent: str, attempt: int) -> str:
        """Name one job."""
        return f"{self._prefix}.{agent}.{attempt}"

    def of_array(self, token: str) -> str:
        """Name an array; no agent's name has a plus."""
        return f"{self._prefix}.+{token}"

    def read(self, listing: str) -> list[Job]:
        """Find our jobs among those that `squeue` listed. Raises NoListing, StorageError."""
        head, _, lines = listing.partition("\n")
        if head.strip() != _HEAD:
            raise NoListing(f"squeue printed no list of jobs but {listing[:80]!r}")
        jobs = []
        for line in lines.splitlines():
            fields = line.split("|", 5)
            if len(fields) < 6:
                continue
            id_, state, reason, node, memory, rest = fields
            name, _, place = rest.partition("|")
            task = self.whose(name, place, id_)
            if task is not None:
                agent, attempt = task
                told = Job(id=id_, state=state, reason=reason, node=node, agent=agent, attempt=attempt)
                jobs.append(structs.replace(told, memory=memory))
        return jobs

    def whose(self, name: str, place: str, id_: str) -> Task | None:
        """Find whose job it is that has this name and works in this place; None for one of others."""
        prefix, _, rest = name.partition(".")
        return self._task(rest, id_) if prefix == self._prefix and place == self.root else None

    def _task(self, rest: str, id_: str) -> Task | None:
        """Find whose job it is that has `rest` in its name."""
        if rest.startswith("+"):
            tasks, index = self._tasks(rest[1:]), id_.rpartition("_")[2]
            return tasks[int(index)] if index.isdecimal() and int(index) < len(tasks) else None
        agent, _, number = rest.rpartition(".")
        return (agent, int(number)) if number.isdecimal() else None


def queue_command() -> list[str]:
    """Make the call that lists all jobs of this user, each task of an array by itself, old ones as well."""
    return ["squeue", "--me", "--array", "--states=all", f"--format={_FIELDS}"]


def submit_command(
    name: str, place: Placement, *, root: str, log: str, tasks: int | None = None
) -> list[str]:
    """Make the `sbatch` for a script on its standard input; an array if there is a number of `tasks`.

    The job gets all of the environment that the command is called in, so that has to be `sbatch_environment`:
    of a list of names Slurm makes the login environment of the user on the node, and adds the names to it.
    """
    memory = [] if place.mem_gib is None else [f"--mem={round(place.mem_gib * 1024)}M"]
    wishes = {
        "--array": None if tasks is None else f"0-{tasks - 1}",
        "--partition": place.partition,
        "--account": place.account,
        "--qos": place.qos,
        "--cpus-per-task": place.cpus,
        "--gres": f"gpu:{place.gpus}" if place.gpus else None,
        "--constraint": place.features,
        "--time": place.time,
    }
    timed = [] if place.time is None else [f"--signal=B:TERM@{_warning_s(place.time)}"]
    return [
        *("sbatch", "--parsable", "--no-requeue", "--ntasks=1", f"--job-name={name}"),
        *(f"--chdir={root}", f"--output={log}", "--open-mode=append", "--export=ALL"),
        *(f"{option}={value}" for option, value in wishes.items() if value is not None),
        *memory,
        *timed,
    ]


def job_number(printed: str) -> str | None:
    """Read the number of the job that `sbatch --parsable` printed last; None if there is none."""
    last = (printed.split() or [""])[-1].partition(";")[0]
    return last if last.isdecimal() else None


def script_of(entry: str, submission: Submission) -> str:
    """Make what the job runs: one interpreter in the place of its shell, so that signals reach it."""
    argv = python("execute", entry, submission.tree_root, submission.agent)
    return f'#!/bin/sh\nMAOS_SUP_JOB="$SLURM_JOB_ID" exec {shlex.join(argv)}\n'


def array_script_of(entry: str, *, tree_root: str, record: str) -> str:
    """Make what each task of an array runs: it finds in `record` whose it is."""
    argv = python("execute_task", entry, tree_root, record, module="maos_sup.launchers.slurm.task")
    job = "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    return f'#!/bin/sh\nMAOS_SUP_JOB="{job}" exec {shlex.join(argv)}\n'


def variables_of(submission: Submission) -> dict[str, str]:
    """Make the environment of a job: named variables of ours, never all of them."""
    ours = environment()
    named = {*_VARIABLES, *submission.variables, MARK_VARIABLE}
    told = {key: value for key, value in ours.items() if key in named or key.startswith(_PREFIXES)}
    return {**told, "MAOS_SUP_ATTEMPT": str(submission.attempt), "MAOS_SUP_LAUNCHER": "slurm"}


def sbatch_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of `sbatch` itself: that of the job, and what tells the command how to reach
    Slurm."""
    own = {key: value for key, value in os.environ.items() if key in _OF_SLURM or key.startswith("SBATCH_")}
    return {**own, **variables}


def cancel_commands(ids: Sequence[str], *, is_asked: bool) -> list[list[str]]:
    """Make the calls of `scancel`; `is_asked`: only the agents themselves get a TERM, and stop at a safe
    point."""
    how = ["--batch", "--signal=TERM"] if is_asked else []
    parts = [ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS)]
    return [["scancel", "--quiet", *how, *part] for part in parts]


def make_log(log: Path) -> str:
    """Make the file into which Slurm and the start of agents write, for its owner alone. Raises StorageError.

    Slurm would make it as the umask of whoever calls `sbatch` lets others read it.
    """
    atomic.make_folder(log.parent)
    if "%" in str(log) or "\\" in str(log):
        cause = OSError(0, "Slurm cannot write into a path with % or \\; rename its folders")
        raise storage_error("write", log, cause)
    try:
        with atomic.opened(log, _LOG_FLAGS) as descriptor:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != atomic.FILE_MODE:
                os.fchmod(descriptor, atomic.FILE_MODE)  # one that Slurm had made
    except OSError as cause:
        raise storage_error("write", log, cause) from cause
    return os.path.realpath(log)


def seconds_of(time: str) -> int:
    """Read a time as Slurm writes it, in seconds."""
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, minutes, seconds = 0, *[*parts, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def _warning_s(time: str) -> int:
    """Say how many seconds before the end of `time` the job is warned."""
    return min(WARNED_S, max(1, seconds_of(time) // _LONG_ENOUGH))
