"""Ways to copy a living tree, as people do it: file by file, no snapshot. That files vanish is fine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Copy = Callable[[Path, Path], None]


def copy_with_cp(tree: Path, target: Path) -> None:
    """`cp -a`."""
    _call(["cp", "-a", str(tree), str(target)], fine={0, 1})


def copy_with_rsync(tree: Path, target: Path) -> None:
    """`rsync -a`, twice, as one does to shorten the second pass; without `run/`."""
    for _ in range(2):
        _call(["rsync", "-a", "--exclude", "/run", f"{tree}/", str(target)], fine={0, 23, 24})


def copy_with_tar(tree: Path, target: Path) -> None:
    """`tar c | tar x`."""
    target.mkdir()
    archive = target.with_suffix(".tar")
    _call(["tar", "-C", str(tree), "-cf", str(archive), "."], fine={0, 1, 2})
    _call(["tar", "-C", str(target), "-xf", str(archive)], fine={0})
    archive.unlink()


def copy_with_python(tree: Path, target: Path) -> None:
    """`shutil.copytree`: reads each file in one go, keeps no identity."""
    try:
        shutil.copytree(tree, target)
    except shutil.Error as error:
        assert all("No such file" in str(entry[2]) for entry in error.args[0]), error


def ways() -> list[Copy]:
    """The ways that this machine has."""
    found = [copy_with_cp, copy_with_tar, copy_with_python]
    return [*found, copy_with_rsync] if shutil.which("rsync") else found


def _call(argv: list[str], *, fine: set[int]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode not in fine:
        pytest.fail(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr}")
