"""Chooses what confines a program and starts it so.

What confines begins in an environment of the agent's own making; the program's variables come in behind the
confinement, out of a descriptor. For a command may export what loaders and interpreters obey, and the next
command finds it: it must not act on what confines that one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from maos_sup.agents.sandbox import landlock
from maos_sup.agents.sandbox.bounds import NO_BOUNDS, Bounds, is_reached_through
from state_layout.errors import BadInput

LANDLOCK, BUBBLEWRAP, NONE = "landlock", "bubblewrap", "none"
_SYSTEM = (  # the first seven hold programs
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/etc", "/proc", "/sys", "/nix", "/snap"),
)
_RESOLVERS = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager")
_DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"),
    *("/dev/tty", "/dev/shm", "/dev/fd"),
)
_BESIDE_PROGRAMS = ("lib", "lib64", "libexec", "include")
_OF_HOME = (".gitconfig", ".config/git")
_PROBE_PATIENCE_S = 20
_ACROSS = "GIT_DISCOVERY_ACROSS_FILESYSTEM"  # what is mounted for it looks like one to git
_LIBRARIES = "LD_LIBRARY_PATH"  # an interpreter may need it to start


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A launch says what is started, in which environment, with which descriptors."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox confines programs: `kind`, and the paths they may read (and execute) or also write.

    Of what they may write, `kept` stays as it is; so does `guarded` where the kind can see to it.
    """

    kind: str
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()

    def confined(self, argv: Sequence[str]) -> list[str]:
        """Make of `argv` a command that runs confined, in the environment that its starter finds or makes.

        For environments that no confined program had a hand in; else use `launch`.
        """
        if self.kind == LANDLOCK:
            return [*_landlock(json.dumps(self._rules())), *argv]
        if self.kind == BUBBLEWRAP:
            return [_bwrap(), *self._binds(), "--", *argv]
        return list(argv)

    @contextmanager
    def launch(self, argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[Launch]:
        """Make what to start so that `argv` runs confined, with `environment` as its own."""
        own = {_ACROSS: "1"} | {
            name: value for name, value in environment.items() if name and "=" not in name
        }
        if self.kind == LANDLOCK:
            told = json.dumps(self._rules() | {"environment": own}).encode()
            with _readable(told) as descriptor:
                started = [*_landlock(str(descriptor)), *argv]
                yield Launch(argv=tuple(started), environment=self._bare(), descriptors=(descriptor,))
        elif self.kind == BUBBLEWRAP:
            variables = [word for pair in own.items() for word in ("--setenv", *pair)]
            words = [*self._binds(), "--clearenv", *variables]
            with _readable(b"".join(os.fsencode(word) + b"\0" for word in words)) as descriptor:
                started = [_bwrap(), "--args", str(descriptor), "--", *argv]
                yield Launch(argv=tuple(started), environment=self._bare(), descriptors=(descriptor,))
        else:
            yield Launch(argv=tuple(argv), environment=dict(environment))

    def _bare(self) -> dict[str, str]:
        """Make the environment of what confines: libraries only, of folders that nobody confined writes."""
        told = os.environ.get(_LIBRARIES, "").split(os.pathsep)
        folders = [name for name in told if name.startswith("/") and not self._may_be_written(name)]
        return {_LIBRARIES: os.pathsep.join(folders)} if folders else {}

    def _may_be_written(self, name: str) -> bool:
        return any(Path(os.path.realpath(name)).is_relative_to(path) for path in self.write)

    def _rules(self) -> dict[str, object]:
        told = {"read": self.read, "write": self.write, "kept": self.kept, "guarded": self.guarded}
        return told | {"apart": can_part()}

    def _binds(self) -> list[str]:
        argv = ["--unshare-pid", "--unshare-ipc", "--new-session", "--die-with-parent", *_capabilities()]
        argv += ["--tmpfs", "/tmp"]
        for path in self.read:
            if not path.startswith(("/proc", "/dev")):
                argv += ["--ro-bind-try", path, path]
        argv += ["--proc", "/proc", "--dev", "/dev"]
        held = {*self.kept, *self.guarded}
        for path in landlock.neighbour_mounts().order(self.write, [*held]):
            argv += ["--ro-bind-try" if path in held else "--bind-try", path, path]
        return [*argv, "--remount-ro", "/"]


UNCONFINED = Sandbox(kind=NONE)


def choose(asked: str | None) -> str:
    """Choose the sandbox: what is asked for, else Landlock where the kernel has it, else none.

    Raises BadInput for one that is asked for and not there.
    """
    if asked == BUBBLEWRAP and shutil.which("bwrap") is None:
        raise BadInput("sandbox 'bubblewrap' is asked for, but there is no bwrap; install it, or use another")
    if asked == LANDLOCK and not landlock.abi():
        raise BadInput("sandbox 'landlock' is asked for, but this kernel has none; use another or 'none'")
    return asked or (LANDLOCK if landlock.abi() else NONE)


def reach_if(asked: str | None, paths: Sequence[str]) -> tuple[str, ...] | None:
    """Give `paths` where programs are confined, None where they are not."""
    if asked is None:
        asked = LANDLOCK if landlock.abi() else NONE
    return None if asked == NONE else tuple(paths)


@cache
def can_part() -> bool:
    """A confined program can have a mount namespace of its own here."""
    rules = json.dumps({"read": [], "write": [], "apart": True})
    try:
        done = subprocess.run(
            _landlock(rules),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            timeout=_PROBE_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def make_sandbox(
    asked: str | None,
    *,
    read: Sequence[Path],
    write: Sequence[Path],
    environment: Mapping[str, str],
    bounds: Bounds = NO_BOUNDS,
) -> Sandbox:
    """Make a sandbox for the system's programs; `read` and `write` are what they work on, as is what
    `bounds` says.

    Raises BadInput.
    """
    writable = [*map(os.path.realpath, [*write, *bounds.write])]
    told = [*map(str, read), *bounds.read]
    readable = [path for path in told if not is_reached_through(path, writable, kept=bounds.kept)]
    system = [*_SYSTEM, *_RESOLVERS, *_programs(environment)]
    return Sandbox(
        kind=choose(asked),
        read=tuple(dict.fromkeys([*system, *readable])),
        write=tuple(dict.fromkeys([*_DEVICES, *writable])),
        kept=bounds.kept,
        guarded=bounds.guarded,
    )


def _landlock(rules: str) -> list[str]:
    return [sys.executable, "-I", "-S", landlock.__file__, rules, "--"]


def _bwrap() -> str:
    return shutil.which("bwrap") or "bwrap"


def _capabilities() -> list[str]:
    """Say what root may do in there; bubblewrap leaves it all, the right to mount anew among it."""
    if os.geteuid() != 0:
        return []
    return ["--cap-drop", "ALL", *(word for name in landlock.CAPABILITIES for word in ("--cap-add", name))]


@contextmanager
def _readable(data: bytes) -> Iterator[int]:
    """A descriptor to read `data` from: a file, so that nothing blocks on a pipe."""
    with (
        tempfile.TemporaryFile()
        if not hasattr(os, "memfd_create")
        else os.fdopen(os.memfd_create("rules"), "w+b") as file
    ):
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _programs(environment: Mapping[str, str]) -> list[str]:
    """List where programs lie that are found by PATH, with the libraries beside them, and our own Python."""
    folders = [sys.prefix, sys.base_prefix]
    for name in environment.get("PATH", os.defpath).split(os.pathsep):
        if name and Path(name).is_absolute() and not name.startswith(_SYSTEM[:7]):
            around = Path(name).parent
            folders += [str(around)] if Path(name).name == "shims" else [name]
            folders += [str(around / beside) for beside in _BESIDE_PROGRAMS]
    home = environment.get("HOME")
    return folders + ([str(Path(home) / name) for name in _OF_HOME] if home else [])
