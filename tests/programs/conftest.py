"""A cast: a real program, a loopback server and an orchestration; all ended after the test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from orchestra import Orchestra
from processes import can_bubblewrap
from real_cast import Cast
from real_rows import ROWS


@pytest.fixture
def at_home() -> Iterator[Orchestra]:
    """An orchestration as people have it: not in the folder for temporary files.

    There codex refuses a home, and gemini settings, as others may write beside them.
    """
    cache = Path.home() / ".cache" / "maos-sup-tests"
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(dir=cache))
    made = Orchestra(folder)
    try:
        yield made
    finally:
        made.end_all()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=list(ROWS))
def cast(request: pytest.FixtureRequest, at_home: Orchestra, program: Callable[[str], str]) -> Iterator[Cast]:
    """The cast of each row whose program is installed."""
    row = ROWS[request.param]
    path = program(row.program)
    if row.profile == "codex" and not can_bubblewrap():
        pytest.skip("codex confines its commands with bubblewrap, which does not work here")
    made = Cast(row, at_home, path)
    try:
        yield made
    finally:
        made.close()
