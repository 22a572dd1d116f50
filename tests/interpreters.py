"""Finds the Pythons that are promised (pyproject.toml), other than the one that runs the tests.

They are looked for on PATH (`python3.13`), among the versions of pyenv and those that uv installed. One that
lies elsewhere is tried with `PATH=/opt/python-3.14/bin:$PATH`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestra import REPOSITORY

UV = Path(sys.executable).with_name("uv")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
_CLASSIFIER = re.compile(r'"Programming Language :: Python :: (3\.\d+)"')
PROMISED = _CLASSIFIER.findall((REPOSITORY / "pyproject.toml").read_text())
_ASK = """
import sys, sysconfig
print(f"{sys.version_info.major}.{sys.version_info.minor}", sysconfig.get_config_var("Py_GIL_DISABLED") or 0)
"""


def find(version: str) -> Path | None:
    """Find an interpreter of this version (`3.13`) that runs and has a global lock; None if there is none."""
    return next((path for path in _candidates(version) if _answer(path) == f"{version} 0"), None)


def with_dependencies(python: Path, folder: Path) -> Path | str:
    """Make a virtual environment with what a user needs; its interpreter, or why there is none."""
    for words in (
        ("venv", "--quiet", "--python", python, folder),
        ("pip", "install", "--quiet", "--python", folder, "--editable", REPOSITORY),
    ):
        done = subprocess.run(
            [UV, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            return f"uv {words[0]} failed: {done.stderr.strip()}"
    return folder / "bin" / "python"


def _candidates(version: str) -> Iterator[Path]:
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    yield from (folder / f"python{version}" for folder in folders)
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python")).expanduser()
    for place in (*pyenv.glob(f"{version}.*"), *uv.glob(f"cpython-{version}.*")):
        yield place / "bin" / f"python{version}"


def _answer(path: Path) -> str:
    """Ask a Python for its version; nothing from one that is not there, or a shim that knows none."""
    if not os.access(path, os.X_OK):
        return ""
    done = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()
