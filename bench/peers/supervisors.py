"""Tells each supervisor to keep the same programs running: its files, its command, its signal to stop.

Settings are each one's defaults, but for what this needs (a folder of its own, programs that come back).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.orchestras import make
from bench.peers import install

Commands = dict[str, list[str]]  # by name of the program
OURS = "maos-sup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """`prepare` writes what it reads into a folder and gives its command; `halt` asks it to stop all."""

    name: str
    prepare: Callable[[Path, Commands], list[str]]
    halt: signal.Signals = signal.SIGTERM


def _ours(folder: Path, commands: Commands) -> list[str]:
    agents = {name: {"kind": "command", "command": command} for name, command in commands.items()}
    tree = make(folder / "tree", agents)
    return [sys.executable, "-P", "-m", "maos_sup", "supervise", str(tree.root)]


def _s6(folder: Path, commands: Commands) -> list[str]:
    """s6 looks for its other programs in /usr/bin only: an unpacked one sees itself there, alone.

    Each program says that it is ready, or s6 would wait a second before it is started again.
    """
    _run_scripts(folder, commands, ready="echo >&3\nexec 3>&-\n")
    for name in commands:
        (folder / "services" / name / "notification-fd").write_text("3\n")
    command = [install.program("s6-svscan"), "-c", str(2 * len(commands)), str(folder / "services")]
    if not command[0].startswith(str(install.UNPACKED)):
        return command
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = 'mount -t overlay bench -o "lowerdir=$0:/usr/bin" /usr/bin && exec "$@"'
    folder_of_programs = str(Path(command[0]).parent)
    return ["unshare", *as_root, "--mount", "/bin/sh", "-c", script, folder_of_programs, *command]


def _runit(folder: Path, commands: Commands) -> list[str]:
    _run_scripts(folder, commands)
    return [install.program("runsvdir"), str(folder / "services")]


def _run_scripts(folder: Path, commands: Commands, *, ready: str = "") -> None:
    """A folder a program with an executable `run`, as daemontools began it."""
    for name, command in commands.items():
        service = folder / "services" / name
        service.mkdir(parents=True)
        run = service / "run"
        run.write_text(f"#!/bin/sh\n{ready}exec {' '.join(command)}\n")
        run.chmod(0o755)


def _dinit(folder: Path, commands: Commands) -> list[str]:
    services = folder / "services"
    services.mkdir()
    for name, command in commands.items():
        text = f"type = process\ncommand = {' '.join(command)}\nrestart = true\n"
        (services / name).write_text(text)
    waits = "".join(f"waits-for = {name}\n" for name in commands)
    (services / "boot").write_text(f"type = internal\n{waits}")
    socket = str(folder / "dinit.socket")
    return [install.program("dinit"), "--user", "--quiet", "-d", str(services), "-p", socket, "boot"]


def _supervisord(folder: Path, commands: Commands) -> list[str]:
    install.require("supervisord")
    parts = [
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/supervisord.log\npidfile={folder}/supervisord.pid\n"
        f"childlogdir={folder}\n"
    ]
    parts += [
        f"[program:{name}]\ncommand={' '.join(command)}\nautorestart=true\n"
        for name, command in commands.items()
    ]
    config = folder / "supervisord.conf"
    config.write_text("\n".join(parts))
    return [install.program("supervisord"), "-c", str(config)]


def _circus(folder: Path, commands: Commands) -> list[str]:
    install.require("circus")
    sockets = "".join(
        f"{key} = ipc://{folder}/{key}\n" for key in ("endpoint", "pubsub_endpoint", "stats_endpoint")
    )
    parts = [f"[circus]\n{sockets}"]
    parts += [
        f"[watcher:{name}]\ncmd = {' '.join(command)}\ncopy_env = True\n"
        for name, command in commands.items()
    ]
    config = folder / "circus.ini"
    config.write_text("\n".join(parts))
    return [install.program("circusd"), str(config)]


SUPERVISORS = (
    Supervisor(name=OURS, prepare=_ours),
    Supervisor(name="s6", prepare=_s6),
    Supervisor(name="runit", prepare=_runit, halt=signal.SIGHUP),
    Supervisor(name="dinit", prepare=_dinit),
    Supervisor(name="supervisord", prepare=_supervisord),
    Supervisor(name="circus", prepare=_circus),
)
