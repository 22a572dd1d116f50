"""Says what the figures were measured on: machine, system, versions. Facts only, read when asked for."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from pathlib import Path

import maos_sup
from bench.peers.install import versions

_WRITTEN = ("RESULTS.md", "chart.svg")  # by a run, as it goes


def load_text() -> str:
    """The load of the machine now."""
    return ", ".join(f"{value:.2f}" for value in os.getloadavg())


def machine_lines() -> list[str]:
    """A line for each thing that a figure depends on."""
    peers = [f"{name} {version}" for name, version in sorted(versions().items())]
    return [
        f"{os.cpu_count()} cores, {_cpu()}, {_memory_gb():.0f} GB of memory",
        f"{platform.system()} {platform.release()}, {_file_system(Path.cwd())}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        f"maos-sup {maos_sup.__version__}{_commit()}",
        f"peers: {', '.join(peers) or 'none is installed'}",
    ]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _file_system(folder: Path) -> str:
    """The type and options of the file system that `folder` is on."""
    found = ("", "an unknown file system")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, type_, options, *_ = line.split()
        is_around = place == "/" or f"{folder}/".startswith(f"{place}/")
        if is_around and len(place) >= len(found[0]):
            found = (place, f"{type_} ({options})")
    return found[1]


def _commit() -> str:
    """The commit, and whether anything but what is written here differs from it."""
    known = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", *(f":!bench/{name}" for name in _WRITTEN))
    return f", commit {known}{'-dirty' if changed else ''}" if known else ""


def _git(*arguments: str) -> str:
    asked = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return asked.stdout.strip()
