"""The short form of the proof: some hundred states, some planted bugs. `make proof` is the long form."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import pytest

from .jobs import in_parallel
from .mutations import BUGS
from .plant import plant
from .prove import Catch, Outcome, catch, prove_orchestration, prove_script, record
from .states import differences

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
SHORT_BUGS = [
    "a replaced file is not synced",
    "a rename before its data",
    "the folder of a file made once is not synced",
    "a journal's sync does nothing",
    "the hash of a line is not looked at",
]


def test_every_change_of_the_disk_is_recorded(tmp_path: Path) -> None:
    history = record(tmp_path, "script-1", 1)
    assert not history.unfinished
    assert not differences(history, tmp_path / "script-1")


def test_no_power_cut_breaks_a_promise() -> None:
    jobs = [(f"script-{seed}", partial(prove_script, seed, 100)) for seed in (1, 2, 3)]
    for name, outcome in in_parallel(jobs, width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))
        assert outcome.states == 100


def test_orchestration_survives_power_cuts() -> None:
    """Recorded from real processes, a model among them; two of the states are resumed with real ones."""
    for name, outcome in in_parallel([("orchestration-2", partial(prove_orchestration, 2, 60, 2))], width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))
        assert (outcome.states, outcome.resumed) == (60, 2)


def test_planted_bugs_are_caught() -> None:
    for name, caught in in_parallel([(name, partial(catch, name, 1)) for name in SHORT_BUGS], width=1):
        assert isinstance(caught, Catch), f"{name}: {caught}"
        assert caught.violation is not None, name


@pytest.mark.parametrize("name", BUGS)
def test_bug_can_be_planted(name: str) -> None:
    """The text that it changes is still there, once."""
    for _, result in in_parallel([(name, partial(plant, BUGS[name]))], width=1):
        assert result is None, result


def test_bug_that_is_not_there_any_more_is_an_error() -> None:
    bug = dataclasses.replace(next(iter(BUGS.values())), old="no such text")
    with pytest.raises(LookupError, match="no such text"):
        plant(bug)
