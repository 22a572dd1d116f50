"""One life of an agent, as an object: what all parts of its process share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maos_sup.agents.attempt.bell import Bell
from maos_sup.agents.attempt.publish import Publisher
from maos_sup.agents.attempt.recorder import Recorder
from maos_sup.agents.attempt.specs import WantedSpecs
from state_layout.errors import StorageError, StorageFull, storage_error
from state_layout.files import atomic, codec, disk
from state_layout.files.looking import exists
from state_layout.host.beats import BeatWriter
from state_layout.host.identity import own_handle, tree_place
from state_layout.host.kernel import is_linux
from state_layout.paths import AgentPaths, AttemptPaths, Tree

CONTROL_FD = 3
STRICT_UMASK = 0o077  # programs get that of who started the supervisor


@dataclass(slots=True, kw_only=True)
class AgentLife:
    """The working thread, the pulse and a kind have one life in common. `trouble` is what the pulse could
    not survive."""

    tree: Tree
    agent: str
    attempt: int
    continues_from: int  # the attempt that this one goes on from; 0: none
    specs: WantedSpecs
    recorder: Recorder
    publisher: Publisher
    bell: Bell
    beats: BeatWriter
    control_fd: int
    umask: int  # of programs and callables
    trouble: BaseException | None = None
    is_to_give_way: bool = False  # others need the slot, or nothing can come: to be heard by who has no task
    warned: set[str] = field(default_factory=set)  # texts of `warn_once`
    refusals: list[str] = field(default_factory=list)  # of control lines, until a kind tells its program
    place: Path | None = None  # the project in the agent's own workspace, once it is there
    branch: str | None = None  # that of its worktree or clone; a copy has none that it sees
    snap: Callable[..., None] | None = None  # takes a snapshot of what is in its workspace
    survey: Callable[[], None] | None = None  # looks at what it changed there, for its snapshot

    @property
    def paths(self) -> AgentPaths:
        """The agent has these files."""
        return self.tree.agent(self.agent)

    @property
    def files(self) -> AttemptPaths:
        """This life has these files."""
        return self.paths.attempt(self.attempt)

    @property
    def project(self) -> Path | None:
        """The agent works on this, absolute: the project, or its own worktree of it; None without one."""
        return self.origin if self.place is None else self.place

    @property
    def origin(self) -> Path | None:
        """The project itself is here, absolute; None if there is none."""
        relative = self.specs.now.orchestration.project
        return None if relative is None else Path(os.path.normpath(self.tree.root / relative))

    def warn(self, text: str, **fields: Any) -> None:
        """Report something that a person should know: in the journal and on stderr. Raises StorageError."""
        sys.stderr.write(f"agent: {text}\n")
        sys.stderr.flush()
        self.recorder.record_later("warning", {"text": without_place(self.tree, text), **fields})

    def warn_once(self, text: str) -> None:
        """As `warn`, unless this life said the same before. Raises StorageError."""
        if text not in self.warned:
            self.warned.add(text)
            self.warn(text)


def write_handle(tree: Tree, agent: str, attempt: int, *, program: int | None = None) -> None:
    """Say which process this is and which program it runs. A hint: what cannot be written is left out."""
    with suppress(StorageError):
        atomic.make_folder(tree.run_agents)
        handle = own_handle(attempt).with_program(program)
        atomic.refresh(tree.handle(agent), codec.encode(handle.to_json()) + b"\n")
        if not is_linux() and not exists(tree.host):  # our mark cannot be seen there
            atomic.refresh(tree.host, codec.encode(tree_place(tree)) + b"\n")


def reserve_control_fd() -> int | None:
    """Hold descriptor 3 for the control file, if nobody has it yet; else another one will be used."""
    descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    if descriptor == CONTROL_FD:
        return descriptor
    os.close(descriptor)
    return None


def open_outputs(files: AttemptPaths, *, reserved: int | None) -> int:
    """Make stdout, stderr and the control file, our own output among them; the control descriptor.

    All are opened for appending: whoever inherits one writes at its end. Their names become durable with
    what is written first (`Translator.sync`). Raises StorageError.
    """
    for path, target in ((files.stdout, 1), (files.stderr, 2), (files.control, reserved)):
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            descriptor = disk.create(path, flags, atomic.FILE_MODE)
        except OSError as cause:
            raise storage_error("create", path, cause) from cause
        if target is None:
            control = descriptor
            continue
        os.dup2(descriptor, target, inheritable=target != reserved)
        os.close(descriptor)
        control = target
    return control


def without_place(tree: Tree, text: str) -> str:
    """Make paths in `text` relative to the tree: what is recorded must be true of a copy as well."""
    return text.replace(f"{tree.root}/", "").replace(str(tree.root), ".")


def release_ballast(tree: Tree, error: BaseException) -> None:
    """Make room for the last words if the disk is full."""
    if isinstance(error, StorageFull):
        with suppress(OSError):
            disk.unlink(tree.ballast)
