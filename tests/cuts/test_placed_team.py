"""A team that Slurm places goes back, and is forked, as one that lives here: the same facts once more."""

from __future__ import annotations

import pytest
from orchestra import PlacedOrchestra
from test_living_team import (
    test_forks_of_a_living_team_finish_each_with_totals_of_its_own,
    test_living_team_goes_back_whoever_is_killed_and_finishes_exactly_once,
)

__all__ = [
    "test_forks_of_a_living_team_finish_each_with_totals_of_its_own",
    "test_living_team_goes_back_whoever_is_killed_and_finishes_exactly_once",
]


@pytest.fixture
def orchestra(placed_team: PlacedOrchestra) -> PlacedOrchestra:
    return placed_team
