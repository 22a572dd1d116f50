"""kill -9 of everything at random instants, many rounds; then every promise is held against outside ledgers.

`make torture` runs the long form. MAOS_SUP_TORTURE_ROUNDS and MAOS_SUP_TORTURE_SEED choose another.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from chaos import WAYS, Chaos
from troupe import Troupe
from verdict import problems

SHORT_ROUNDS = len(WAYS)
ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", SHORT_ROUNDS))
SEED = int(os.environ.get("MAOS_SUP_TORTURE_SEED", "2"))


@pytest.mark.timeout(120 + 12 * ROUNDS)
def test_nothing_is_lost_doubled_or_left_over_whatever_is_killed(troupe: Troupe) -> None:
    chaos = Chaos(troupe, Random(SEED))
    troupe.begin(sprints=ROUNDS // len(WAYS) + 2)
    troupe.wait_progress()
    try:
        for number in range(1, ROUNDS + 1):
            chaos.round()
            if number % 5 == 0:
                troupe.wait_progress()
        troupe.resume()
        troupe.wait_progress()
        troupe.finish()
        troupe.wait_rest("done", deadline_s=60)
    except BaseException:
        print(f"seed {SEED}, rounds: {' '.join(chaos.rounds_log)}")  # noqa: T201 - shown where it fails
        raise
    assert problems(troupe) == []
    troupe.assert_nothing_left()
    troupe.assert_sound()
