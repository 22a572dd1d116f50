"""`make ... PYTHON=` takes the Python that is named, or says that the environment has another one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from interpreters import OWN, PROMISED, UV, find
from orchestra import REPOSITORY

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def other() -> Path:
    """A Python of another version than the one that runs the tests."""
    found = next(filter(None, (find(version) for version in PROMISED if version != OWN)), None)
    if found is None:
        pytest.skip(f"no other Python than {OWN} is here")
    return found


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Call make where an environment of this Python is ready."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / ".venv"], check=True)
    for name in (".base", ".made"):
        (tmp_path / ".venv" / name).touch()

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *words], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
        )

    return call


def test_another_python_is_not_tried_in_silence(make: Make, other: Path) -> None:
    told = make("venv", f"PYTHON={other}")
    assert told.returncode != 0
    assert f".venv has Python {OWN}." in told.stderr
    assert "VENV=" in told.stderr


def test_an_environment_of_the_same_python_is_kept(make: Make) -> None:
    for words in ((), (f"PYTHON={sys.executable}",)):
        told = make("venv", *words)
        assert (told.returncode, "making" in told.stdout) == (0, False), told.stderr


def test_another_folder_is_made_of_the_python_that_is_named(make: Make, other: Path) -> None:
    told = make("-n", "venv", f"PYTHON={other}", "VENV=there")
    assert f"{other} -m venv --clear there" in told.stdout
    assert "there/bin/python -m pip install" in told.stdout
