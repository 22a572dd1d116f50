"""Says how a program is started: which file it is, what it finds, and a clear word where it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from maos_sup.agents.secrets.redacting import Pipes, redacted, redirected
from maos_sup.agents.work import Work
from maos_sup.core.argv import file_argument, plain_relative
from state_layout.errors import BadInput
from state_layout.files.looking import exists, is_regular
from state_layout.shapes.shape import Field, Flag

_FINAL = frozenset({errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.E2BIG, errno.ENOTDIR})
REDACT = Field(Flag(), "keep secrets out of its output, which then goes through a pipe", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program says what is executed, where."""

    argv: tuple[str, ...]
    folder: Path

    @classmethod
    def of(cls, work: Work) -> Program:
        """Make the program of `work`. Raises BadInput for settings that are none, and for a missing
        folder."""
        settings = work.spec.settings
        argv = ("/bin/sh", "-c", settings["shell"]) if "shell" in settings else settings.get("command")
        if not argv or not all(isinstance(part, str) for part in argv):
            raise BadInput(f"agent {work.life.agent}: 'command' must be a list of texts, or 'shell' one line")
        return cls(argv=tuple(argv_of(argv, work.life.tree.files)), folder=work.folder())

    def start(self, work: Work) -> subprocess.Popen[bytes]:
        """Start it in a session of its own. Raises OSError, ValueError, StorageError."""
        environment = work.environment()
        if not work.spec.settings.get("redact"):
            return self._start(work, environment, None)
        number = work.life.control_fd  # shells know one digit only
        with redacted(work.life.files, environment) as pipes, redirected({number: pipes.control}):
            return self._start(work, environment | {"MAOS_CONTROL": f"/dev/fd/{number}"}, pipes)

    def _start(
        self, work: Work, environment: Mapping[str, str], pipes: Pipes | None
    ) -> subprocess.Popen[bytes]:
        with _text_file(work.task.description) as stdin:
            return subprocess.Popen(
                self.argv,
                stdin=stdin,
                stdout=None if pipes is None else pipes.stdout,
                stderr=None if pipes is None else pipes.stderr,
                cwd=self.folder,
                env={**environment, "PWD": str(self.folder)},  # some believe it more than where they are
                pass_fds=(work.life.control_fd,),
                start_new_session=True,
                umask=work.life.umask,
            )


def argv_of(argv: Sequence[str], files: Path) -> list[str]:
    """`argv` with the program, or the file that its interpreter is given, found in `files` if it is there."""
    told = list(argv)
    index = file_argument(told, lambda path: is_regular(files / path))
    if index is not None:
        told[index] = str(files / (plain_relative(told[index]) or ""))
    return told


def start_error(program: Program, cause: OSError | ValueError) -> str:
    """Say why the program could not be started, and what to do."""
    name = program.argv[0]
    if isinstance(cause, ValueError):
        return f"cannot start {name!r}: {cause}; remove the zero character"
    if cause.errno == errno.ENOENT:
        if os.sep in name and exists(Path(name)):
            return f"cannot start {name!r}: the interpreter that its first line names is not there"
        return f"cannot start {name!r}: not found; install it, or give its path"
    if cause.errno == errno.EACCES:
        return f"cannot start {name!r}: not executable; chmod +x it, or name its interpreter first"
    if cause.errno == errno.ENOEXEC:
        return (
            f"cannot start {name!r}: no program; begin it with #!interpreter, or name its interpreter first"
        )
    if cause.errno == errno.E2BIG:
        return f"cannot start {name!r}: its arguments and environment are too long; put them into a file"
    return f"cannot start {name!r}: {cause.strerror}"


def never_starts(cause: OSError | ValueError) -> bool:
    """No repetition mends `cause`: a person has to install, name or mend something."""
    return isinstance(cause, ValueError) or cause.errno in _FINAL


@contextmanager
def _text_file(text: str) -> Iterator[int]:
    """A descriptor to read `text` from: a file, so that nothing blocks on a pipe."""
    data = text.encode("utf-8", "replace")
    descriptor = _memory_file()
    try:
        data += b"" if data.endswith(b"\n") or not data else b"\n"
        while data:
            data = data[os.write(descriptor, data) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):  # a full /tmp stops nobody
        return os.memfd_create("task")
    import tempfile  # it brings much along, and is not needed on Linux

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
