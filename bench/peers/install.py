"""Puts the peers into `.bench-venv`: Python packages by pip, each by itself; programs from Debian's packages.

Debian's packages are only unpacked there, not installed: no root, and the machine stays as it was. A peer
that cannot be had is `Absent` with a reason, and a row of the report; nothing fails for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VENV = Path(".bench-venv").absolute()
PYTHON = VENV / "bin" / "python"
UNPACKED = VENV / "debian"
_KNOWN = VENV / "peers.json"
_PATIENCE_S = 300
_PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


class Absent(Exception):
    """A peer is not here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromPip:
    """A peer from the Python package index; `more` is installed with it, `alone`: in a folder of its own."""

    package: str
    more: tuple[str, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDebian:
    """A peer that Debian packages; `program` is what is started."""

    package: str
    program: str


PEERS: dict[str, FromPip | FromDebian] = {
    "langgraph-checkpoint-sqlite": FromPip(package="langgraph-checkpoint-sqlite"),
    "langgraph": FromPip(package="langgraph"),
    "stepback": FromPip(package="stepback"),
    "dbos": FromPip(package="dbos"),
    "maos-cli": FromPip(package="maos-cli"),
    "supervisord": FromPip(package="supervisor", more=("setuptools<81",)),
    "circus": FromPip(package="circus"),
    "prefect": FromPip(package="prefect", alone=True),  # some hundred packages that others must not get
    "luigi": FromPip(package="luigi", more=("setuptools<81",)),
    "s6": FromDebian(package="s6", program="s6-svscan"),
    "runit": FromDebian(package="runit", program="runsvdir"),
    "dinit": FromDebian(package="dinit", program="dinit"),
}


def install_all() -> Iterator[tuple[str, str]]:
    """Install what is missing; yield (peer, reason) for what cannot be had."""
    known = _known()
    for name, peer in PEERS.items():
        if name in known and "version" in known[name]:
            continue
        try:
            known[name] = {"version": _pip(peer) if isinstance(peer, FromPip) else _debian(peer)}
        except (OSError, subprocess.SubprocessError, Absent) as cause:
            known[name] = {"why": _short(cause)}
            yield name, known[name]["why"]
        VENV.mkdir(exist_ok=True)
        _KNOWN.write_text(json.dumps(known, indent=1))


def versions() -> dict[str, str]:
    """The peers that are here."""
    return {name: said["version"] for name, said in _known().items() if "version" in said}


def require(name: str) -> None:
    """Raise Absent unless peer `name` is here."""
    said = _known().get(name, {"why": "not installed; `make bench` installs it"})
    if "why" in said:
        raise Absent(said["why"])


def program(name: str) -> str:
    """Find a peer's program: in `.bench-venv`, else on this machine. Raises Absent."""
    alone = [_folder(peer) / "bin" for peer in PEERS.values() if isinstance(peer, FromPip) and peer.alone]
    folders = [VENV / "bin", *alone, UNPACKED / "usr/bin", UNPACKED / "usr/sbin", UNPACKED / "sbin"]
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        raise Absent(f"there is no program {name}")
    return found


def environment() -> dict[str, str]:
    """Ours, with what unpacked programs need to find their libraries and each other."""
    libraries = sorted({str(path.parent) for path in UNPACKED.glob("**/*.so*")})
    path = [str(UNPACKED / "usr/bin"), str(UNPACKED / "usr/sbin"), str(VENV / "bin"), os.environ["PATH"]]
    more = {"PATH": os.pathsep.join(path)}
    if libraries:
        more["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
    return os.environ | more


def _pip(peer: FromPip) -> str:
    python = _folder(peer) / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(_folder(peer))])
    _run([str(python), *_PIP, peer.package, *peer.more])
    asked = f"import importlib.metadata as m; print(m.version({peer.package!r}))"
    return _run([str(python), "-c", asked]).strip()


def _folder(peer: FromPip) -> Path:
    """The virtual environment of a peer."""
    return VENV / "alone" / peer.package if peer.alone else VENV


def _debian(peer: FromDebian) -> str:
    """Unpack the package and the libraries it needs, unless this machine has the program."""
    if shutil.which(peer.program):
        return "of this machine"
    needed = [peer.package, *_libraries(peer.package)]
    folder = UNPACKED / "packages" / peer.package
    folder.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "download", *needed], cwd=folder)
    for archive in sorted(folder.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(archive), str(UNPACKED)])
    archive = next(folder.glob(f"{peer.package}_*.deb"))
    return _run(["dpkg-deb", "--field", str(archive), "Version"]).strip()


def _libraries(package: str) -> list[str]:
    """The libraries of its own that `package` depends on."""
    said = _run(["apt-cache", "depends", package])
    names = [line.split()[-1] for line in said.splitlines() if line.strip().startswith("Depends: lib")]
    return [name for name in names if name != "libc6"]


def _run(command: list[str], cwd: Path | None = None) -> str:
    """Give what `command` prints. Raises Absent with its last words."""
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.strip() and "WARNING" not in line]
        raise Absent(words[-1] if words else f"{command[0]} ended with exit code {done.returncode}")
    return done.stdout


def _known() -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(_KNOWN.read_text())
        return found
    except (OSError, ValueError):
        return {}


def _short(cause: Exception) -> str:
    return " ".join(str(cause).split())[:200]
