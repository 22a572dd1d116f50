"""What a program leaves running ends with it, though it forks faster than anybody can look."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stage import Stage, shell, wait_for

Make = Callable[..., Stage]

# Each generation is born, and its parent gone, within `pause_s`. All share one open, locked file.
FORKER = """
import fcntl, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = os.open(os.environ["OUT"] + "/held", os.O_RDWR | os.O_CREAT)
fcntl.flock(held, fcntl.LOCK_EX)
if os.fork():
    while not os.path.exists(os.environ["OUT"] + "/away"):
        time.sleep(0.01)
    {last}
os.setsid()
{hide}
while not os.path.exists({enough!r}):
    if os.fork():
        if not os.path.exists(os.environ.get("OUT", "") + "/away"):
            open(out + "/away", "w").close()
        os._exit(0)
    {pause}
"""
HIDES = {
    "its own session": "out = os.environ['OUT']",
    "a session each": "out = os.environ['OUT']; fork = os.fork; os.fork = lambda: fork() or os.setsid()",
}
PAUSES = {"without a pause": "pass", "with pauses": "time.sleep(0.0005)"}


@pytest.fixture(autouse=True)
def enough(tmp_path: Path) -> Iterator[None]:
    """No family outlives its test, whatever came of it."""
    yield
    (tmp_path / "enough").touch()


def forker(folder: Path, *, hide: str, pause: str, last: str) -> str:
    """A command that leaves a family behind which forks for ever."""
    path = folder / "forker.py"
    path.write_text(
        FORKER.format(hide=HIDES[hide], pause=PAUSES[pause], last=last, enough=str(folder / "enough"))
    )
    return f"exec {sys.executable} -S {path}"


def is_held(stage: Stage) -> bool:
    """Somebody of the family lives."""
    descriptor = os.open(stage.outside / "held", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@pytest.mark.parametrize("hide", HIDES)
@pytest.mark.parametrize("pause", PAUSES)
def test_family_that_forks_for_ever_ends_with_its_program(
    stage: Make, tmp_path: Path, hide: str, pause: str
) -> None:
    command = forker(tmp_path, hide=hide, pause=pause, last="sys.exit(0)")
    one = stage({"ann": shell(command, limits={"stop_grace_s": 0.3})})
    assert one.run("ann") == 0
    assert one.status("ann")["tasks"]["ann"]["phase"] == "done"
    assert not is_held(one)


@pytest.mark.parametrize("pause", PAUSES)
def test_family_that_forks_for_ever_ends_when_stop_is_wanted(stage: Make, tmp_path: Path, pause: str) -> None:
    command = forker(tmp_path, hide="a session each", pause=pause, last="time.sleep(1000)")
    one = stage({"ann": shell(command, limits={"stop_grace_s": 0.3})})
    life = one.live("ann")
    wait_for((one.outside / "away").exists, "the family has left home")
    one.edit("agents/ann.json", want="stop")
    assert life.wait() == 0
    assert not is_held(one)


def test_family_that_forks_for_ever_ends_when_the_time_is_over(stage: Make, tmp_path: Path) -> None:
    command = forker(tmp_path, hide="its own session", pause="with pauses", last="time.sleep(1000)")
    one = stage(
        {"ann": shell(command, limits={"stop_grace_s": 0.3, "timeout_s": 1.0})},
    )
    one.run("ann")
    assert one.status("ann")["tasks"]["ann"]["phase"] in ("failed", "interrupted")
    assert not is_held(one)
