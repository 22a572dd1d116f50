"""Calls the command for tests of imports, and lets other processes stand in its way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from maos_sup.cli import main
from state_layout.paths import Tree


def imported(capsys: pytest.CaptureFixture[str], database: Path, *more: str) -> dict[str, Any]:
    """Give what `import maos` tells as JSON."""
    capsys.readouterr()
    assert main(["import", "maos", str(database), "--json", *more]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def trees(told: dict[str, Any]) -> dict[str, Tree]:
    return {each["maos_id"]: Tree(Path(each["directory"])) for each in told["orchestrations"]}


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    """The one line that tells why an import was refused."""
    capsys.readouterr()
    assert main(["import", "maos", *words]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error, error
    return error


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@contextmanager
def helper(*lines: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs these lines of Python, has said so, and lives on."""
    text = "\n".join(["import sqlite3, sys, os", *lines, "print('ready', flush=True)", "sys.stdin.read()"])
    argv = [sys.executable, "-c", text]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()
