"""The short form of the proof: some hundred states, some planted bugs. `make proof` is the long form."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import pytest

from .jobs import JobFailed, in_parallel
from .mutations import BUGS
from .plant import plant
from .prove import (
    GROUP,
    SHARED,
    Catch,
    Outcome,
    catch,
    prove_orchestration,
    prove_rewinds,
    prove_rivals,
    prove_script,
    prove_workspaces,
    record,
)
from .real_disk import one_round
from .states import differences

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
SHORT_BUGS = [
    "a replaced file is not synced",
    "a rename before its data",
    "the folder of a file made once is not synced",
    "a journal's sync does nothing",
    "the hash of a line is not looked at",
    "a rewind is called done before it is",
    "a checkpoint names lines that are not durable",
    "a change is not synced",
    "a put does not compare",
    "a message leaves before the moment is over",
    "a workspace that was removed is not on record as to be made",
]


def test_every_change_of_the_disk_is_recorded(tmp_path: Path) -> None:
    history = record(tmp_path, "script-1", 1)
    assert not history.unfinished
    assert not differences(history, tmp_path / "script-1")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_power_cut_breaks_a_promise(seed: int) -> None:
    for name, outcome in in_parallel([("script", partial(prove_script, seed, 70))], width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))
        assert outcome.states == 70


def test_orchestration_survives_power_cuts() -> None:
    """Recorded from real processes, a model among them; one of the states is resumed with real ones."""
    for name, outcome in in_parallel([("orchestration-2", partial(prove_orchestration, 2, 40, 1))], width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))
        assert (outcome.states, outcome.resumed) == (40, 1)


def test_rewinds_survive_power_cuts_in_their_middle() -> None:
    for name, outcome in in_parallel([("rewinds", partial(prove_rewinds, 2, 30))], width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))
        assert outcome.states == 30


def test_shared_state_survives_power_cuts() -> None:
    for name, outcome in in_parallel([("shared", partial(prove_script, 1, 60, run=SHARED))], width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))
        assert outcome.states == 60


def test_what_is_durable_later_is_lost_whole_or_not_at_all() -> None:
    for name, outcome in in_parallel([("group", partial(prove_script, 1, 60, run=GROUP))], width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))
        assert outcome.states == 60


def test_rivals_for_a_lock_money_and_a_spec() -> None:
    for name, outcome in in_parallel([("rivals", prove_rivals)], width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))


def test_kills_leave_workspaces_whole() -> None:
    for name, outcome in in_parallel([("workspaces", prove_workspaces)], width=1):
        assert isinstance(outcome, Outcome), f"{name}: {outcome}"
        assert not outcome.violations, "\n".join(map(str, outcome.violations))


def test_ext4_that_is_shut_down_keeps_every_promise() -> None:
    for _, result in in_parallel([("ext4", partial(one_round, 1))], width=1):
        if isinstance(result, JobFailed) and "NotAllowed" in str(result):
            pytest.skip(str(result).splitlines()[-1])
        assert not isinstance(result, JobFailed), result
        acknowledged, broken = result
        assert (acknowledged > 0, broken) == (True, [])


def test_planted_bugs_are_caught() -> None:
    for name, caught in in_parallel([(name, partial(catch, name, 1)) for name in SHORT_BUGS], width=1):
        assert isinstance(caught, Catch), f"{name}: {caught}"
        assert caught.violation is not None, name


def test_each_bug_can_be_planted() -> None:
    """The text that it changes is still there, once."""
    jobs = [(name, partial(plant, bug)) for name, bug in BUGS.items()]
    failed = [f"{name}: {result}" for name, result in in_parallel(jobs, width=1) if result is not None]
    assert not failed, "\n".join(failed)
    assert len(BUGS) >= 40


def test_bug_that_is_not_there_any_more_is_an_error() -> None:
    bug = dataclasses.replace(next(iter(BUGS.values())), old="no such text")
    with pytest.raises(LookupError, match="no such text"):
        plant(bug)
