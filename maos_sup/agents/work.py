"""One task in the hands of a kind: what it is told, what it may use, and when it has to end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maos_sup.agents.attempt.outcomes import result_of
from maos_sup.agents.attempt.questions import answer_or_ask
from maos_sup.agents.endings import Interrupt
from state_layout.errors import BadInput
from state_layout.files import atomic, codec, disk
from state_layout.files.looking import is_dir
from state_layout.files.reading import read_record
from state_layout.host.marks import MARK_VARIABLE, mark_of
from state_layout.lives.history import run_key
from state_layout.records import AgentSpec, Limits, TaskSpec
from state_layout.specs.approvals import Approval

if TYPE_CHECKING:  # of a program that runs; a command line only asks for the settings of kinds
    from maos_sup.agents.attempt.life import AgentLife
    from maos_sup.agents.pulse.pulse import Pulse

_LONGEST_TASK_TEXT = 30_000  # characters in MAOS_TASK: the kernel refuses 128 KiB; stdin has all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A kind is given this work."""

    life: AgentLife
    task: TaskSpec
    spec: AgentSpec
    pulse: Pulse
    is_resumed: bool  # an earlier attempt at this run of the task began
    doubt: str | None = None  # about an attempt of which nobody knows how it ended

    @property
    def run(self) -> str:
        """The run of the task is named as in the agent's memory."""
        return run_key(self.task.id, self.task.run)

    @property
    def limits(self) -> Limits:
        """The limits are those in force now."""
        return self.life.specs.limits()

    @property
    def saved(self) -> Any:
        """The program saved this last in this run."""
        return self.life.recorder.look(lambda history: history.saves.get(self.run))

    def act(self) -> Interrupt | None:
        """Say why the work is to end now, if it is; from then on that is final."""
        return self.life.bell.act()

    def wait(self, descriptors: Sequence[int], timeout_s: float | None) -> list[int]:
        """Wait until a descriptor is readable or there is something to look at."""
        return self.life.bell.wait(descriptors, timeout_s)

    def tell_program(self, pid: int | None) -> None:
        """Say which program runs now; the pulse puts it into the handle, unless that is over in a moment."""
        self.pulse.program = pid
        if pid is not None or not self.life.bell.signalled:
            self.pulse.hurry()

    def hold_clock(self) -> float:
        """Stop charging time to the task; how much was charged, in seconds."""
        since_s, self.pulse.charged_from_s = self.pulse.charged_from_s, None
        return 0.0 if since_s is None else time.monotonic() - since_s

    def release_clock(self, charged_s: float) -> None:
        """Charge time again, after `charged_s`."""
        self.pulse.charged_from_s = time.monotonic() - charged_s

    def show(self, phase: str) -> None:
        """Show `phase` as that of this agent."""
        self.life.publisher.phase = phase
        self.life.publisher.publish()

    def ask(self, text: str) -> Approval | None:
        """Find the answer to a question to people; None while there is none: it is on record and shown
        then.

        Raises StorageError.
        """
        life = self.life
        before = life.recorder.changes
        answer = answer_or_ask(life.tree, life.agent, self.task, recorder=life.recorder, text=text)
        if answer is None and life.recorder.changes != before:
            life.publisher.publish()
        return answer

    def results(self) -> dict[str, object]:
        """Find the results of the tasks that this one needs, by task. Raises Damaged, StorageError."""
        specs, recorder = self.life.specs.now, self.life.recorder
        own = recorder.look(lambda history: {task: outcome.result for task, outcome in history.tasks.items()})
        return {
            need: own[need] if need in own else result_of(self.life.tree, specs, need)
            for need in self.task.needs
            if need in specs.tasks
        }

    def folder(self) -> Path:
        """Find where the work is done: the project where there is one, else the workspace, made if needed.

        Raises BadInput if the project is not there.
        """
        project = self.life.project
        if self.spec.cwd == "workspace" or project is None:
            atomic.make_folder(self.life.paths.workspace)
            return self.life.paths.workspace
        if not is_dir(project):
            relative = self.life.specs.now.orchestration.project
            text = f"project {relative!r} is not there; point to it with 'maos-sup resume --project P'"
            raise BadInput(text)
        return project

    def environment(self) -> dict[str, str]:
        """Make what a program of this work finds in its environment, beside what we found in ours.

        Raises BadInput for what `env_from` does not find, and if the project is not there.
        """
        life, paths = self.life, self.life.paths
        own = {
            "PWD": str(self.folder()),  # opencode believes it, not the kernel
            "MAOS_DIR": str(life.tree.root),
            "MAOS_AGENT": life.agent,
            "MAOS_TASK": self.task.description.replace("\0", " ")[:_LONGEST_TASK_TEXT],
            "MAOS_TASK_ID": self.task.id,
            "MAOS_RUN": str(self.task.run),
            "MAOS_ATTEMPT": str(life.attempt),
            "MAOS_RESUMED": "1" if self.is_resumed else "0",
            "MAOS_WORKSPACE": str(paths.workspace),
            "MAOS_ARTIFACTS": str(paths.artifacts),
            "MAOS_MAIL": str(life.tree.mail),
            "MAOS_CHECKPOINT": str(paths.session / "checkpoint.json"),
            "MAOS_RESULTS": str(paths.session / "results.json"),
            "MAOS_CONTROL_FD": str(life.control_fd),
            "MAOS_CONTROL": str(life.files.control),
            MARK_VARIABLE: mark_of(life.tree, life.agent, life.attempt),
        }
        if life.project is not None:
            own["MAOS_PROJECT"] = str(life.project)
        return {**outside_environment(), **self._named_anew(), **self.spec.env, **own}

    def _named_anew(self) -> dict[str, str]:
        """Read what `env_from` asks for. Raises BadInput for a variable that is not set."""
        named = self.spec.env_from
        missing = sorted({outside for outside in named.values() if outside not in os.environ})
        if missing:
            raise BadInput(
                f"agent {self.life.agent}: 'env_from' asks for the variable {missing[0]}, which is not set; "
                "set it, then 'maos-sup stop' and 'maos-sup resume'"
            )
        return {name: os.environ[outside] for name, outside in named.items()}

    def lay_out(self) -> None:
        """Make the folders a program may use, and put there what it is told in files. Raises StorageError."""
        paths = self.life.paths
        for folder in (paths.session, paths.workspace, paths.artifacts):
            with suppress(FileExistsError):
                disk.mkdir(folder, atomic.FOLDER_MODE)  # to lose an empty folder does no harm
        checkpoint = paths.session / "checkpoint.json"
        if self.saved is None:
            disk.unlink(checkpoint)
        else:
            atomic.refresh(checkpoint, codec.encode(self.saved) + b"\n")
        results, told = paths.session / "results.json", codec.encode(self.results()) + b"\n"
        if not _says(results, told):
            atomic.refresh(results, told)


def _says(path: Path, data: bytes) -> bool:
    """The file is there and is `data`; a program may have put anything in its place."""
    try:
        return read_record(path) == data
    except OSError:
        return False


def doubt_about(what: str, *, attempt: int) -> str:
    """Word the doubt that remains where `attempt` died while `what` was under way."""
    died = f"Attempt {attempt} of this agent died while {what} was under way"
    return f"{died}; whether it took effect is not known."


def outside_environment() -> dict[str, str]:
    """Give our environment without what an agent around us put there; our own programs are found last in
    PATH."""
    kept = {key: value for key, value in os.environ.items() if _is_outside(key)}
    binaries = str(Path(sys.executable).parent)
    path = kept.get("PATH", os.defpath)
    if binaries not in path.split(os.pathsep):
        kept["PATH"] = f"{path}{os.pathsep}{binaries}"
    return kept


def _is_outside(key: str) -> bool:
    return not key.startswith("MAOS_") or key.startswith("MAOS_SUP_")
