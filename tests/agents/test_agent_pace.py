"""How often an agent looks at its program's output: not at all where the kernel tells of the next write."""

from __future__ import annotations

from pathlib import Path

import pytest

from maos_sup.agents.pulse.pace import SHORTEST_LOOK_S, Pace
from state_layout.host.kernel import is_linux

pytestmark = pytest.mark.skipif(not is_linux(), reason="only Linux tells of writes")


def test_one_look_that_found_nothing_is_enough_to_rest(tmp_path: Path) -> None:
    pace = Pace(tmp_path)
    pace.rest()
    assert not pace.is_resting  # something may come at once: it has just begun
    pace.slow_down()
    pace.rest()
    assert pace.is_resting
    pace.close()


def test_a_write_ends_the_rest_and_looks_follow_soon(tmp_path: Path) -> None:
    file = tmp_path / "stdout.log"
    file.touch()
    pace = Pace(tmp_path)
    pace.slow_down()
    pace.rest()
    assert not pace.hear()
    file.write_text("line\n")
    assert pace.hear()
    pace.hurry()
    assert not pace.is_resting
    assert pace.idle_s == SHORTEST_LOOK_S
    pace.close()
