"""What Slurm is asked, and what it answers: `sbatch --parsable`, one `squeue` for all jobs, `scancel`.

Pure but for `ask`. Only what these commands have promised for years is used: no bindings, no configuration.
A job is named `<orchestration>.<agent>.<attempt>` and works in the tree's root; both together say whose it
is, so a copy of the tree never touches the jobs of its original. An id alone is never believed: after a crash
of the controller numbers may be given twice.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from maos_sup.launchers.base import Submission
from maos_sup.launchers.link import environment, python
from state_layout.errors import storage_error
from state_layout.files import atomic
from state_layout.host.marks import MARK_VARIABLE
from state_layout.paths import Tree
from state_layout.records import Placement

WARNED_S = 120  # before its wall time a job is asked to stop
MOST_IDS = 200  # in one command line
PATIENCE_S = 60.0
_LONG_ENOUGH = 2  # times the warning, or a job would be warned as it begins
_PENDING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"})
_RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"})
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "PREEMPTED"})
_FIELDS = "%i|%T|%r|%N|%j|%Z"  # the last two may hold anything
_VARIABLES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "VIRTUAL_ENV", "PYTHONPATH"}
)
_PREFIXES = ("LC_", "MAOS_SUP_")
_PASSING = re.compile(
    r"unable to contact|timed out|timeout|temporarily|connection|connect failure|zero bytes|communication|"
    r"try again|not responding|in recovery|resource temporarily",
    re.IGNORECASE,
)


class Job(Struct, frozen=True, kw_only=True):
    """One job as the queue shows it."""

    id: str
    state: str
    reason: str
    node: str
    agent: str
    attempt: int

    @property
    def is_active(self) -> bool:
        """Whether it waits, runs, or has a state that nobody here knows: then nothing may follow from it."""
        return self.state not in _ENDED and self.state not in {"NODE_FAIL", "BOOT_FAIL", "REVOKED"}

    @property
    def is_pending(self) -> bool:
        return self.state in _PENDING

    @property
    def is_over(self) -> bool:
        """Whether its node said that it ended. Of a lost node nothing is known."""
        return self.state in _ENDED

    @property
    def where(self) -> str:
        """Where it is, in words."""
        if self.is_pending:
            return f"slurm job {self.id}: {self.state.lower()} ({self.reason})"
        return (
            f"slurm job {self.id}: {self.state.lower()} on {self.node}"
            if self.node
            else f"slurm job {self.id}"
        )


class Answer(Struct, frozen=True, kw_only=True):
    """What a command said. `code` None: it could not be called, or did not end in time."""

    code: int | None
    out: str = ""
    error: str = ""

    @property
    def is_passing(self) -> bool:
        """Whether it failed for something that passes: asked again later, it may succeed."""
        return self.code is None or bool(_PASSING.search(self.error))


def ask(argv: Sequence[str], *, given: str = "", env: Mapping[str, str] | None = None) -> Answer:
    """Call a command of Slurm and wait for it. Never raises."""
    try:
        done = subprocess.run(
            argv,
            input=given,
            env=None if env is None else dict(env),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(code=None, error=f"{argv[0]} said nothing for {PATIENCE_S:g} s")
    except OSError as cause:
        return Answer(code=None, error=f"{argv[0]} cannot be called here: {cause.strerror}")
    return Answer(code=done.returncode, out=done.stdout, error=done.stderr.strip())


class Naming:
    """The names of the jobs of one tree."""

    def __init__(self, tree: Tree, orchestration: str) -> None:
        self.root = os.path.realpath(tree.root)
        self._prefix = re.sub(r"[^A-Za-z0-9_-]", "_", orchestration)[:64]

    def of(self, agent: str, attempt: int) -> str:
        """The name of one job."""
        return f"{self._prefix}.{agent}.{attempt}"

    def read(self, listing: str) -> list[Job]:
        """Our jobs among those that `squeue` listed."""
        jobs = []
        for line in listing.splitlines():
            fields = line.split("|", 4)
            name, _, place = fields[-1].partition("|")
            head, _, rest = name.partition(".")
            agent, _, number = rest.rpartition(".")
            if len(fields) < 5 or head != self._prefix or place != self.root or not number.isdecimal():
                continue
            id_, state, reason, node, _ = fields
            jobs.append(Job(id=id_, state=state, reason=reason, node=node, agent=agent, attempt=int(number)))
        return jobs


def queue_command() -> list[str]:
    """All jobs of this user, also those that ended a while ago."""
    return ["squeue", "--noheader", "--me", "--states=all", f"--format={_FIELDS}"]


def submit_command(
    name: str, place: Placement, *, root: str, log: str, variables: Iterable[str]
) -> list[str]:
    """`sbatch` for a script on its standard input."""
    memory = [] if place.mem_gib is None else [f"--mem={round(place.mem_gib * 1024)}M"]
    wishes = {
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
        *(
            f"--chdir={root}",
            f"--output={log}",
            "--open-mode=append",
            f"--export={','.join(sorted(variables))}",
        ),
        *(f"{option}={value}" for option, value in wishes.items() if value is not None),
        *memory,
        *timed,
    ]


def script_of(entry: str, submission: Submission) -> str:
    """What the job runs: one interpreter in the place of its shell, so that signals reach it."""
    argv = python("execute", entry, submission.tree_root, submission.agent)
    return f'#!/bin/sh\nMAOS_SUP_JOB="$SLURM_JOB_ID" exec {shlex.join(argv)}\n'


def variables_of(submission: Submission) -> dict[str, str]:
    """The environment of a job: named variables of ours, never all of them."""
    ours = environment()
    named = {*_VARIABLES, *submission.variables, MARK_VARIABLE}
    told = {key: value for key, value in ours.items() if key in named or key.startswith(_PREFIXES)}
    return {**told, "MAOS_SUP_ATTEMPT": str(submission.attempt), "MAOS_SUP_LAUNCHER": "slurm"}


def cancel_commands(ids: Sequence[str], *, is_asked: bool) -> list[list[str]]:
    """`scancel`; `is_asked`: only the agents themselves get a TERM, and stop at a safe point."""
    how = ["--batch", "--signal=TERM"] if is_asked else []
    parts = [ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS)]
    return [["scancel", "--quiet", *how, *part] for part in parts]


def make_log(tree: Tree, agent: str) -> str:
    """The file into which Slurm and the start of `agent` write, its folder made. Raises StorageError."""
    log = tree.job_log(agent)
    atomic.make_folder(log.parent)
    if "%" in str(log) or "\\" in str(log):
        cause = OSError(0, "Slurm cannot write into a path with % or \\; rename its folders")
        raise storage_error("write", log, cause)
    return os.path.realpath(log)


def seconds_of(time: str) -> int:
    """A time as Slurm writes it, in seconds."""
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
    """How long before the end of `time` the job is warned."""
    return min(WARNED_S, max(1, seconds_of(time) // _LONG_ENOUGH))
