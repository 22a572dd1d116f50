"""The earlier commit whose figures stand beside ours, and how python is started in it or in ours."""

from __future__ import annotations

import os
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

FORMER = "570a033"


def us() -> dict[str, str]:
    """The environment in which python finds ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAOS_SUP")}


def former() -> dict[str, str] | str:
    """The environment in which python finds the earlier commit; why there is none."""
    folder = Path(".bench-venv").absolute() / FORMER
    if not (folder / "bench").is_dir():  # what is asked of both builds is asked in its words
        archive = subprocess.run(
            ["git", "archive", FORMER, "maos_sup", "state_layout", "bench"], capture_output=True, check=False
        )
        if archive.returncode:
            return f"this repository has no commit {FORMER}"
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
    return us() | {"PYTHONPATH": str(folder)}
