"""One supervisor at work on many programs: who runs, what it costs, how it ends.

Every process of a stage has a mark in its environment, and each program leaves a file `<name>.<pid>` once it
runs; so all supervisors are seen by the same eyes, and nothing outlives the stage.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.figures import scratch
from bench.orchestras import pss_mb, until
from bench.peers import install
from bench.peers.supervisors import OURS, Supervisor
from state_layout.host.identity import read_handle
from state_layout.paths import Tree

MARK = "BENCH_STAGE"
_PROGRAM = """\
if [ -n "$BENCH_LEAK" ]; then
    setsid sh -c ': > "$0.$$"; exec sleep 100000' "$BENCH_UP/../grown/$1" </dev/null >/dev/null 2>&1 &
fi
: > "$BENCH_UP/$1.$$"
exec sleep 100000
"""


class Stage:
    """A supervisor with `names` to run; `start` it, look, `halt` it."""

    def __init__(self, supervisor: Supervisor, folder: Path, names: list[str], *, leaks: bool) -> None:
        self.names, self._supervisor, self._folder = names, supervisor, folder
        self._up, self._grown = folder / "up", folder / "grown"
        self._up.mkdir()
        self._grown.mkdir()
        program = folder / "program.sh"
        program.write_text(_PROGRAM)
        commands = {name: ["/bin/sh", str(program), name] for name in names}
        (folder / "own").mkdir()
        self._command = supervisor.prepare(folder / "own", commands)
        self._mark = uuid.uuid4().hex
        more = {MARK: self._mark, "BENCH_UP": str(self._up)} | ({"BENCH_LEAK": "1"} if leaks else {})
        self._environment = install.environment() | more
        self._process: subprocess.Popen[bytes] | None = None

    # -- acts

    def start(self) -> None:
        """Start the supervisor; does not wait."""
        with (self._folder / "supervisor.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_supervisor(self) -> None:
        """SIGKILL to the supervisor alone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def halt(self, *, deadline_s: float) -> float | None:
        """Ask for an orderly end; seconds until supervisor and programs are gone, None if not in time."""
        if self._process is None:
            return None
        programs = self.programs()
        began_s = time.perf_counter()
        self._process.send_signal(self._supervisor.halt)
        try:
            self._process.wait(deadline_s)
            until(lambda: not any(map(lives, programs)), deadline_s)
        except (subprocess.TimeoutExpired, TimeoutError):
            return None
        return time.perf_counter() - began_s

    def end(self) -> None:
        """SIGKILL whatever is left, until nothing is."""
        for _ in range(200):
            left = self._marked()
            if not left:
                break
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self._process is not None:
                self._process.poll()

    # -- looks

    def are_up(self, count: int) -> bool:
        """At least `count` programs have ever begun."""
        return len(os.listdir(self._up)) >= count  # noqa: PTH208 - a poll: names are all we want

    def begun(self) -> int:
        """Count the programs that have ever begun."""
        return len(os.listdir(self._up))  # noqa: PTH208 - as above

    def watched_pid(self, name: str) -> int:
        """The process that the supervisor watches for `name`: the program; with us, its agent."""
        if self._supervisor.name != OURS:
            return max(_pids(self._up, name))
        found = read_handle(Tree(self._folder / "own" / "tree").handle(name))
        if found is None:
            raise LookupError(f"{name}: has no process")
        return found.pid

    def programs(self) -> set[int]:
        """The programs that run now."""
        return {pid for pid in _pids(self._up) if lives(pid)}

    def grown(self) -> tuple[int, int]:
        """Of the grandchildren that programs set free: how many live, how many there were."""
        pids = _pids(self._grown)
        return sum(map(lives, pids)), len(pids)

    def own_processes(self) -> set[int]:
        """All processes of the stage but the programs: what supervising takes."""
        return self._marked() - _pids(self._up) - _pids(self._grown)

    def has_ended(self) -> bool:
        """The supervisor has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    @property
    def supervisor_pid(self) -> int:
        """The supervisor's own process."""
        return 0 if self._process is None else self._process.pid

    def last_words(self) -> str:
        """The last line that the supervisor wrote."""
        lines = (self._folder / "supervisor.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _marked(self) -> set[int]:
        return {pid for pid in _all_pids() if f"{MARK}={self._mark}".encode() in _environ(pid) and lives(pid)}


@contextmanager
def staged(supervisor: Supervisor, count: int, *, leaks: bool = False) -> Iterator[Stage]:
    """A stage on which all `count` programs run; at the end nothing of it is left."""
    with scratch() as folder:
        stage = Stage(supervisor, folder, [f"a{number}" for number in range(count)], leaks=leaks)
        try:
            yield stage
        finally:
            stage.end()


def await_or_tell(stage: Stage, condition: Callable[[], bool], deadline_s: float = 30.0) -> float:
    """As `until`, but what the supervisor said last is in the error."""
    try:
        moment_s = until(lambda: condition() or stage.has_ended(), deadline_s)
    except TimeoutError:
        raise TimeoutError(f"not within {deadline_s:.0f} s; it says: {stage.last_words()}") from None
    if stage.has_ended():
        raise RuntimeError(f"it ended: {stage.last_words()}")
    return moment_s


def lives(pid: int) -> bool:
    """The process `pid` is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def cpu_ns(pids: set[int]) -> int:
    """Nanoseconds of CPU that the threads of `pids` have used."""
    used = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with suppress(OSError):
                used += int((thread / "schedstat").read_text().split()[0])
    return used


def memory_mb(pids: set[int]) -> float:
    """Their proportional memory, together."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            total += pss_mb(pid)
    return total


def _pids(folder: Path, name: str | None = None) -> set[int]:
    files = (path.name.rpartition(".") for path in folder.iterdir())
    return {int(pid) for of, _, pid in files if name in (None, of)}


def _all_pids() -> Iterator[int]:
    yield from (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())  # noqa: PTH208 - names


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
