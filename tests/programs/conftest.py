"""A cast: a real program, a loopback server and an orchestration; all ended after the test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from orchestra import Orchestra
from real_cast import Cast, on_stage
from real_rows import ALL_VARIABLE, IS_LONG, ROWS


@pytest.fixture
def at_home(request: pytest.FixtureRequest) -> Iterator[Orchestra]:
    """An orchestration as people have it: not in the folder for temporary files.

    There codex refuses a home, and gemini settings, as others may write beside them; who wants that is marked
    with `open_folder`.
    """
    cache = Path.home() / ".cache" / "maos-sup-tests"
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_open = request.node.get_closest_marker("open_folder") is not None
    folder = Path(tempfile.mkdtemp(dir=None if is_open else cache))
    if is_open:
        folder.chmod(0o777)
    made = Orchestra(folder)
    try:
        yield made
    finally:
        made.end_all()
        shutil.rmtree(folder, ignore_errors=True)


SHORTEST = {"task_with_a_call", "its_own_session["}  # a call, a message, the team, money; kill -9
NOT_IN_SHORT = {  # by program: the cells that each run leaves out, for their starts; all is in the long form
    "codex": {"tree_alone"},
}


def is_tried(profile: str, test: str) -> bool:
    """This run tries the cell: slow starters have few in the short form, all with the variable."""
    if IS_LONG:
        return True
    left_out = NOT_IN_SHORT.get(profile)
    if left_out is not None:
        return not any(part in test for part in left_out)
    return any(part in test for part in SHORTEST)


@pytest.fixture(params=list(ROWS))
def cast(request: pytest.FixtureRequest, at_home: Orchestra, program: Callable[[str], str]) -> Iterator[Cast]:
    """The cast of each row whose program is installed."""
    row = ROWS[request.param]
    if not is_tried(row.profile, request.node.name):
        pytest.skip(f"the long form of the matrix: {ALL_VARIABLE}=all (make programs-matrix)")
    with on_stage(row, at_home, program) as made:
        yield made
