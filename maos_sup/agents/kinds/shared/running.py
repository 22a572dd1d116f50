"""A command line of others as a running process: its output goes to a file, what it is told through a pipe.

Nothing of its output hangs on this process: it writes `events.jsonl` of the attempt itself, and whoever comes
later reads on there. It holds the lock of its session, so no second one works on the same conversation.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maos_sup.agents.kinds.shared.programs import Program, start_error
from maos_sup.agents.sandbox.confine import UNCONFINED, Sandbox
from maos_sup.agents.work import Work
from maos_sup.system.children import end_descendants
from maos_sup.system.targets import hold_child
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, disk
from state_layout.files.looking import exists
from state_layout.files.tail import last_text

LOCK_NAME = ".maos-lock"
_BLIND_LOOK_S = 0.05  # at a program of whose end the system does not tell
POLL_S = 0.01  # how often its output is looked at while something is expected
_MOST_WORDS = 500  # characters
_MOST_READ_BYTES = 1 << 16  # of stderr, for its last line
_PATIENCE_S = 5.0  # for a session's lock: what held it was ended before


class Running:
    """The object is one process of the command line `argv`, started by the constructor. `begun_s` is
    monotonic."""

    def __init__(
        self,
        work: Work,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        sandbox: Sandbox = UNCONFINED,
        around: Callable[[Sequence[str]], Sequence[str]] = tuple,
        first: bytes = b"",
        is_talked_to: bool = False,
        secret: tuple[str, str] | None = None,
    ) -> None:
        """`first` is put into its standard input, which ends there unless `is_talked_to`.

        `sandbox` confines it; `around` is put around that.

        `secret`: a variable that names a descriptor, and what can be read there, once: so what it starts
        finds it neither in its environment nor in any file.

        Raises BadInput where it cannot be started, Locked where another works on the session, StorageError.
        """
        self._work, self._buffer = work, bytearray(first)
        self._is_ending = not is_talked_to
        lock = session_lock(work.life.paths.session)
        events = open_events(work.life.files.events)
        try:
            self._process = _start(
                work,
                _Launching(argv=argv, environment=environment, sandbox=sandbox, around=around, secret=secret),
                events=events,
                lock=lock,
            )
        finally:
            os.close(events)
            os.close(lock)
        pipe = self._process.stdin
        self._stdin = -1 if pipe is None else pipe.fileno()
        os.set_blocking(self._stdin, False)
        self.begun_s = time.monotonic()
        self._target = hold_child(self._process.pid)
        work.pulse.children = {self._process.pid}
        work.tell_program(self._process.pid)
        work.pulse.may_reap = True
        self.flush()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The process has this exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def ending_text(self) -> str:
        """Say in words how the process ended."""
        code = self.code
        killed = code is not None and code < 0
        return f"was killed by signal {-(code or 0)}" if killed else f"ended with exit code {code}"

    def last_words(self) -> str:
        """The last line of what it, or one before it in this life, said on stderr; none if it is silent."""
        try:
            said = last_text(self._work.life.files.stderr, most_bytes=_MOST_READ_BYTES)
        except OSError:
            return ""
        lines = said.strip().splitlines()
        return lines[-1][:_MOST_WORDS] if lines else ""

    def tell(self, data: bytes) -> None:
        """Put `data` into its standard input as soon as it takes it; never waits."""
        self._buffer += data
        self.flush()

    def hang_up(self) -> None:
        """End its standard input after what is to be told: it ends when it is done."""
        self._is_ending = True
        self.flush()

    def flush(self) -> None:
        """Go on writing what is to be told."""
        try:
            while self._buffer and self._stdin >= 0:
                del self._buffer[: os.write(self._stdin, self._buffer)]
        except BlockingIOError:
            return
        except OSError:  # it reads no more: its end will tell why
            self._buffer.clear()
        if self._is_ending and self._process.stdin is not None and self._stdin >= 0:
            self._stdin = -1
            with suppress(OSError):
                self._process.stdin.close()

    def wait(self, timeout_s: float = POLL_S) -> None:
        """Wait for its end, the bell or the end of the time; shorter where there is more to tell."""
        self.flush()
        self._rest(POLL_S if self._buffer else timeout_s)

    def _rest(self, longest_s: float) -> None:
        """Wait for its end or the bell, `longest_s` at most; less where the system tells of no end."""
        pidfd = self._target.pidfd
        self._work.wait(
            [pidfd] if pidfd >= 0 else [], longest_s if pidfd >= 0 else min(longest_s, _BLIND_LOOK_S)
        )

    def end(self, grace_s: float, *, is_mute: bool = False) -> None:
        """End it and all that it started, wherever they went: TERM, `grace_s`, KILL.

        `is_mute`: it is killed at once and says nothing of its calls; what it started has the grace.
        Its input stays open until then: Claude Code would take its end for the answer to what it asked last.
        """
        deadline_s = time.monotonic() + grace_s
        if self.code is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL if is_mute else signal.SIGTERM)
        while self.code is None and time.monotonic() < deadline_s:
            self._rest(_BLIND_LOOK_S)
        end_descendants(grace_s=max(0.0, deadline_s - time.monotonic()))
        self._process.wait()

    def close(self) -> None:
        """End what is left of it at once and let go of everything."""
        if self.code is None:
            self.end(0.0)
        self._work.pulse.may_reap = False
        self._work.tell_program(None)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
            self._stdin = -1
        self._target.close()


def session_lock(session: Path) -> int:
    """The lock of a session, held by whoever has the descriptor. Raises BadInput, StorageError."""
    path = session / LOCK_NAME
    deadline_s = time.monotonic() + _PATIENCE_S
    try:
        descriptor = disk.create(path, os.O_RDWR | os.O_CREAT, atomic.FILE_MODE)  # no link: it is the agent's
    except OSError as cause:
        raise storage_error("create", path, cause) from cause
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError as cause:
            if cause.errno not in (errno.EAGAIN, errno.EACCES) or time.monotonic() > deadline_s:
                os.close(descriptor)
                text = (
                    f"{path.parent.name}/{LOCK_NAME} is held: another process works on this session; end it"
                )
                raise BadInput(text) from cause
        time.sleep(0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launching:
    """The launching says what is started, and how."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    sandbox: Sandbox
    around: Callable[[Sequence[str]], Sequence[str]]
    secret: tuple[str, str] | None


def _start(work: Work, start: _Launching, *, events: int, lock: int) -> subprocess.Popen[bytes]:
    program = Program(argv=tuple(start.argv), folder=work.folder())
    environment, passed = dict(start.environment), [work.life.control_fd, lock]
    environment["PWD"] = str(program.folder)  # some believe it more than where they are
    if start.secret is not None:
        passed.append(_readable_once(start.secret[1]))
        environment[start.secret[0]] = str(passed[-1])
    try:
        with start.sandbox.launch(program.argv, environment) as launch:
            return subprocess.Popen(
                start.around(launch.argv),
                stdin=subprocess.PIPE,
                stdout=events,
                cwd=program.folder,
                env=launch.environment,
                pass_fds=(*passed, *launch.descriptors),
                start_new_session=True,
                umask=work.life.umask,
            )
    except (OSError, ValueError) as cause:
        raise BadInput(start_error(program, cause)) from cause
    finally:
        for descriptor in passed[2:]:
            os.close(descriptor)


def _readable_once(text: str) -> int:
    """Open the end of a pipe that has `text`, a few hundred bytes at most."""
    reading, writing = os.pipe()
    try:
        os.write(writing, text.encode())
    finally:
        os.close(writing)
    return reading


def open_events(path: Path) -> int:
    """Open a descriptor to append to `path`, whose name is durable: records will rely on what is in it.

    Raises StorageError.
    """
    is_new = not exists(path)
    try:
        descriptor = disk.create(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, atomic.FILE_MODE)
    except OSError as cause:
        raise storage_error("create", path, cause) from cause
    if is_new:
        atomic.fsync_folder(path.parent)
    return descriptor
