"""Tries the newest versions of the real programs with the tests of the pinned ones, and says what changed.

    make newest                     all of tests/programs/pins.toml
    make newest PROGRAMS="codex"    only these

Not part of continuous integration: it asks the package registry, and finds what others have done. The
newest versions lie in .newest/; a program whose newest version is the pinned one is not run again. To move
on to a version that passes: write it into pins.toml, and into the table of docs/claude_code.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from real_programs import FOLDER_VARIABLE, REPOSITORY, RealProgram, install, pinned

FOLDER = REPOSITORY / ".newest"
CLAUDE = "claude-code"
MATRIX = {
    "codex": "codex",
    "gemini-cli": "gemini",
    "opencode": "opencode",
    "claude-code-router": "ccr",
}  # rows of tests/programs, by program
TESTS_OF_CLAUDE = ("tests/agents/kind_claude", "tests/agents/once/test_claude_code.py")


def newest_version(program: RealProgram) -> str | None:
    """Ask the registry for the newest version; None if it does not say."""
    argv = ["npm", "view", program.package, "version"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def failures(program: RealProgram) -> list[str]:
    """Run the tests of `program` as it lies in FOLDER; each failed test with its first words."""
    report = FOLDER / f"{program.name}.xml"
    report.unlink(missing_ok=True)
    chosen = [*TESTS_OF_CLAUDE] if program.name == CLAUDE else ["tests/programs", "-k", MATRIX[program.name]]
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", *chosen]
    environment = {**os.environ, FOLDER_VARIABLE: str(FOLDER), "MAOS_SUP_PROGRAMS": "all"}
    if program.name == CLAUDE:
        environment["MAOS_SUP_CLAUDE"] = str(program.path)
    done = subprocess.run(argv, cwd=REPOSITORY, env=environment, check=False)
    found = _failed(report)
    return found or ([f"pytest ended with {done.returncode}"] if done.returncode else [])


def _failed(report: Path) -> list[str]:
    try:
        cases = ElementTree.parse(report).getroot().iter("testcase")
    except (OSError, ElementTree.ParseError):
        return [f"{report}: no report"]
    told = []
    for case in cases:
        for trouble in (*case.findall("failure"), *case.findall("error")):
            first = (trouble.get("message") or "").splitlines()[:1]
            told.append(f"{case.get('name')}: {' '.join(first)[:200]}")
    return told


def main(names: list[str]) -> int:
    """Try them; the exit code is 1 if a newer version fails a test that the pinned one is held to."""
    os.environ[FOLDER_VARIABLE] = str(FOLDER)
    programs = {name: one for name, one in pinned().items() if not names or name in names}
    newest = {name: newest_version(one) for name, one in programs.items()}
    newer = {n: version for n, version in newest.items() if version and version != programs[n].version}
    lost = install({n: v for n, v in newer.items() if programs[n].installed_version != v})
    lines, code = [], 0
    for name, program in programs.items():
        if name not in newer:
            lines.append(
                f"{name} {program.version}: {'the newest' if newest[name] else 'no word of a newer one'}"
            )
            continue
        found = ["could not be installed"] if name in lost else failures(program)
        code = 1 if found else code
        lines.append(f"{name} {program.version} -> {newer[name]}: {'as before' if not found else 'changed'}")
        lines += [f"    {each}" for each in found]
    sys.stdout.write("\n".join(lines) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
