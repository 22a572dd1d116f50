"""Measures what a person at the terminal waits for: the words typed most, the view's first frame, its share.

The view runs in a pseudo-terminal of 120x40, as a terminal emulator would open it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import ROUNDS, Row, Section, not_run, scratch, sized, spread
from bench.orchestras import make, supervised, until
from bench.peers import install
from maos_sup.views.status import status_of
from state_layout.paths import Tree

EACH_ROUND = 4
AGENTS = 8
PATIENCE_S = 30.0
MOST_FRAME_MS, MOST_SHARE = 600, 0.05
OURS = [str(Path(sys.executable).parent / "maos-sup")]  # what people type
CHATTY = "while :; do i=0; while [ $i -lt 10 ]; do echo line $i of many; i=$((i+1)); done; sleep 0.1; done"


def measure() -> list[Section]:
    """The table of this file."""
    with scratch() as folder:
        agents = {f"agent-{n}": {"kind": "command", "shell": "sleep 100000"} for n in range(AGENTS)}
        tree = make(folder / "tree", agents | {"chatty": {"kind": "command", "shell": CHATTY}})
        with supervised(tree):
            until(lambda: status_of(tree)["counts"]["alive"] == AGENTS + 1)
            rows = [*_commands(tree, folder), *_frames(tree), _share(tree)]
    note = (
        f"{AGENTS} agents that sleep and one that writes a hundred lines a second. Whole processes, in turns."
    )
    return [Section(title="Terminal", note=note, rows=rows)]


def _commands(tree: Tree, folder: Path) -> Iterator[Row]:
    commands = {
        "`maos-sup --help`": [*OURS, "--help"],
        "`maos-sup status`": [*OURS, "status", str(tree.root)],
    }
    with _supervisord() as (control, why):
        if control is not None:
            commands["`supervisorctl --help`"] = [control[0], "--help"]
            commands["`supervisorctl status`"] = [*control, "status"]
        times_ms: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS * EACH_ROUND):
            for name, command in commands.items():
                times_ms[name].append(_command_ms(command, folder))
    for name, times in times_ms.items():
        peer = times_ms.get(name.replace("maos-sup", "supervisorctl"))
        if peer is None or peer is times:
            yield Row(name=name, value=spread(times, "ms"))
            continue
        ratio = statistics.median(times) / statistics.median(peer)
        value, told = spread(times, "ms"), f"{ratio:.2f}x supervisorctl"
        yield Row(name=name, value=value, ratio=told, target="< 1x supervisorctl", met=ratio < 1)
    if why is not None:
        yield not_run("`supervisorctl`", why)


@contextmanager
def _supervisord() -> Iterator[tuple[list[str] | None, str | None]]:
    """A living supervisord with as many programs: the command that speaks to it, or why there is none."""
    try:
        install.require("supervisord")
        programs = [install.program(name) for name in ("supervisord", "supervisorctl")]
    except install.Absent as cause:
        yield None, str(cause)
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-"))  # the name of a socket may not be long
    config, socket = folder / "supervisord.conf", folder / "socket"
    parts = [
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\nchildlogdir={folder}\n",
        f"[unix_http_server]\nfile={socket}\n[supervisorctl]\nserverurl=unix://{socket}\n",
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
        *(f"[program:agent-{n}]\ncommand=sleep 100000\n" for n in range(AGENTS + 1)),
    ]
    config.write_text("\n".join(parts))
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen([programs[0], "-c", str(config)], stdout=nowhere, stderr=nowhere)
    try:
        control = [programs[1], "-c", str(config)]
        until(lambda: socket.exists() and _says_running(control))
        yield control, None
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _says_running(control: list[str]) -> bool:
    said = subprocess.run([*control, "status"], capture_output=True, text=True, check=False).stdout
    return said.count("RUNNING") == AGENTS + 1


def _frames(tree: Tree) -> Iterator[Row]:
    first_ms, agents_ms = [], []
    for _ in range(ROUNDS * EACH_ROUND):
        with _view(tree) as view:
            first_ms.append(view.wait_ms(b"\x1b[?1049h"))
            agents_ms.append(view.wait_ms(b"agent-7"))
    yield Row(name="`maos-sup attach`: the screen is ours", value=spread(first_ms, "ms"))
    middle = statistics.median(agents_ms)
    yield Row(
        name="`maos-sup attach`: the first frame with all agents",
        value=spread(agents_ms, "ms"),
        target=f"<= {MOST_FRAME_MS} ms",
        met=middle <= MOST_FRAME_MS,
    )


def _share(tree: Tree) -> Row:
    """Measure how much of a core the view takes while an agent writes."""
    watched_s = sized(20, 5)
    with _view(tree) as view:
        view.wait_ms(b"agent-7")
        view.read_for(2.0)
        before_s = view.cpu_s()
        view.read_for(watched_s)
        share = (view.cpu_s() - before_s) / watched_s
    name = "`maos-sup attach` while an agent writes 100 lines/s"
    target = f"<= {MOST_SHARE:.0%}"
    return Row(name=name, value=f"{share:.1%} of a core", target=target, met=share <= MOST_SHARE)


class _View:
    """`attach` in a pseudo-terminal, from the moment it is started."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid, self._descriptor, self._seen = pid, descriptor, b""
        self._began_s = time.perf_counter()

    def wait_ms(self, wanted: bytes) -> float:
        """Wait for `wanted`; say how long after the start it has come. Raises TimeoutError."""
        while wanted not in self._seen:
            if time.perf_counter() - self._began_s > PATIENCE_S:
                raise TimeoutError(f"{wanted!r} does not come")
            self._read(1.0)
        return 1000 * (time.perf_counter() - self._began_s)

    def read_for(self, seconds: float) -> None:
        """Read on, as a terminal does."""
        end_s = time.perf_counter() + seconds
        while (left_s := end_s - time.perf_counter()) > 0:
            self._read(left_s)

    def cpu_s(self) -> float:
        """Tell how many seconds of the processor the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read(self, patience_s: float) -> None:
        if select.select([self._descriptor], [], [], patience_s)[0]:
            self._seen = self._seen[-65536:] + os.read(self._descriptor, 65536)


@contextmanager
def _view(tree: Tree) -> Iterator[_View]:
    pid, descriptor = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
        os.execv(OURS[0], [*OURS, "attach", str(tree.root)])
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    try:
        yield _View(pid, descriptor)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(descriptor)


def _command_ms(command: list[str], folder: Path) -> float:
    began_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return 1000 * (time.perf_counter() - began_s)
