"""A living team of a former build is adopted by this one: nothing restarted, lost or doubled.

The former builds come out of the history of this repository (`git archive`) and run beside this one. FORMER
names the builds whose living teams are to be adopted; the newest stands last.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from orchestra import REPOSITORY
from processes import kill
from troupe import TALKERS, Troupe
from verdict import problems

FORMER = ("570a03347ca7", "806cfcf359df")


@pytest.fixture
def former(tmp_path: Path) -> Callable[[str], Path]:
    """Unpack a former build; its folder. A clone without its history is skipped."""

    def unpack(commit: str) -> Path:
        place = tmp_path / f"build-{commit}"
        packed = tmp_path / "build.tar"
        words = ["git", "-C", str(REPOSITORY), "archive", "--output", str(packed), commit]
        done = subprocess.run(
            [*words, "maos_sup", "state_layout"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"this clone does not hold {commit}: {done.stderr.strip()}")
        place.mkdir()  # `shutil.unpack_archive` wants a filter from 3.12 on, and knows none before 3.11.4
        subprocess.run(["tar", "-xf", packed, "-C", place], check=True)
        return place

    return unpack


@pytest.mark.parametrize("commit", FORMER)
def test_a_living_team_of_a_former_build_is_adopted(
    troupe: Troupe, former: Callable[[str], Path], commit: str
) -> None:
    here = troupe.environment["PYTHONPATH"]
    troupe.environment["PYTHONPATH"] = str(former(commit))
    assert troupe.environment["PYTHONPATH"] in build_in_force(troupe)
    troupe.begin(sprints=2)
    troupe.wait_progress()
    pids, attempts = troupe.wait_alive(*TALKERS), troupe.attempts()
    kill(troupe.supervisor() or 0)
    troupe.environment["PYTHONPATH"] = here
    troupe.resume()
    troupe.wait_progress()
    assert troupe.pids().items() >= {name: pids[name] for name in TALKERS}.items(), "none was restarted"
    assert troupe.attempts() == attempts
    troupe.settle("sprint-000")
    kill(pids["will"], pids["theo"])  # from now on both builds talk with each other
    troupe.wait(lambda: troupe.attempts()["theo"] == attempts["theo"] + 1, "theo lives again")
    troupe.wait_progress()
    troupe.settle("sprint-001")
    troupe.finish()
    troupe.wait_rest("done", deadline_s=60)
    assert problems(troupe) == []
    troupe.assert_nothing_left()
    troupe.assert_sound()


def build_in_force(troupe: Troupe) -> str:
    """The file of the build that the commands of `troupe` run."""
    words = [sys.executable, "-c", "import maos_sup; print(maos_sup.__file__)"]
    return subprocess.run(
        words, env=troupe.environment, cwd=troupe.folder, capture_output=True, text=True, check=True
    ).stdout
