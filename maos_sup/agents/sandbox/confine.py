"""Chooses what confines a program and puts it before the program's arguments."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maos_sup.agents.sandbox import landlock
from state_layout.errors import BadInput
from state_layout.files import codec

LANDLOCK, BUBBLEWRAP, NONE = "landlock", "bubblewrap", "none"
_SYSTEM = (  # the first seven hold programs
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/etc", "/proc", "/sys", "/nix", "/snap"),
)
_RESOLVERS = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager")
_DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"),
    *("/dev/pts", "/dev/shm", "/dev/fd"),
)
_BESIDE_PROGRAMS = ("lib", "lib64", "libexec", "include")
_OF_HOME = (".gitconfig", ".config/git")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What confines programs: `kind`, and the paths they may read (and execute) or also write."""

    kind: str
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()

    def confined(self, argv: Sequence[str]) -> list[str]:
        """`argv` so that it runs confined."""
        if self.kind == LANDLOCK:
            rules = codec.encode({"read": self.read, "write": self.write}).decode()
            return [sys.executable, "-I", "-S", landlock.__file__, rules, "--", *argv]
        if self.kind == BUBBLEWRAP:
            return [*_bubblewrap(self.read, self.write), *argv]
        return list(argv)


def choose(asked: str | None) -> str:
    """Which sandbox it is to be: what is asked for, else Landlock where the kernel has it, else none.

    Raises BadInput for one that is asked for and not there.
    """
    if asked == BUBBLEWRAP and shutil.which("bwrap") is None:
        raise BadInput("sandbox 'bubblewrap' is asked for, but there is no bwrap; install it, or use another")
    if asked == LANDLOCK and not landlock.abi():
        raise BadInput("sandbox 'landlock' is asked for, but this kernel has none; use another or 'none'")
    return asked or (LANDLOCK if landlock.abi() else NONE)


def make_sandbox(
    asked: str | None, *, read: Sequence[Path], write: Sequence[Path], environment: Mapping[str, str]
) -> Sandbox:
    """A sandbox for the system's programs; `read` and `write` are what they work on. Raises BadInput."""
    readable = [*_SYSTEM, *_RESOLVERS, *_programs(environment), *map(str, read)]
    writable = [*_DEVICES, *map(str, write)]
    return Sandbox(kind=choose(asked), read=tuple(readable), write=tuple(writable))


def _programs(environment: Mapping[str, str]) -> list[str]:
    """Where programs lie that are found by PATH, with the libraries beside them, and our own Python."""
    folders = [sys.prefix, sys.base_prefix]
    for name in environment.get("PATH", os.defpath).split(os.pathsep):
        if name and Path(name).is_absolute() and not name.startswith(_SYSTEM[:7]):
            around = Path(name).parent
            folders += [str(around)] if Path(name).name == "shims" else [name]
            folders += [str(around / beside) for beside in _BESIDE_PROGRAMS]
    home = environment.get("HOME")
    return folders + ([str(Path(home) / name) for name in _OF_HOME] if home else [])


def _bubblewrap(read: Sequence[str], write: Sequence[str]) -> list[str]:
    argv = ["bwrap", "--unshare-pid", "--unshare-ipc", "--new-session", "--die-with-parent"]
    for path in read:
        if not path.startswith(("/proc", "/dev")):
            argv += ["--ro-bind-try", path, path]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    for path in write:
        if not path.startswith("/dev"):
            argv += ["--bind-try", path, path]
    return [*argv, "--"]
