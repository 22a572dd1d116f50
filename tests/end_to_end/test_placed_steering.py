"""Steering agents that Slurm places: what `test_steering` says of those that live here is so of them."""

from __future__ import annotations

import pytest
from orchestra import PlacedOrchestra
from test_steering import (
    test_a_paused_task_lets_the_next_one_begin,
    test_a_question_is_answered_by_touching_a_file,
    test_cancel_by_command_ends_a_task_and_the_agent_goes_on,
    test_files_dropped_into_spec_add_an_agent_and_a_task,
    test_one_agent_pauses_while_the_other_goes_on,
    test_pause_and_start_by_command,
    test_peoples_mail_reaches_the_agent_by_command_and_by_echo,
    test_retry_runs_a_failed_task_again,
    test_skip_lets_what_needs_a_failed_task_begin,
)

__all__ = [
    "test_a_paused_task_lets_the_next_one_begin",
    "test_a_question_is_answered_by_touching_a_file",
    "test_cancel_by_command_ends_a_task_and_the_agent_goes_on",
    "test_files_dropped_into_spec_add_an_agent_and_a_task",
    "test_one_agent_pauses_while_the_other_goes_on",
    "test_pause_and_start_by_command",
    "test_peoples_mail_reaches_the_agent_by_command_and_by_echo",
    "test_retry_runs_a_failed_task_again",
    "test_skip_lets_what_needs_a_failed_task_begin",
]


@pytest.fixture
def orchestra(placed_team: PlacedOrchestra) -> PlacedOrchestra:
    return placed_team


def test_what_an_agent_elsewhere_writes_is_followed(orchestra: PlacedOrchestra) -> None:
    team = orchestra
    team.start({"ann": 'echo "on $SLURMD_NODENAME"; while [ ! -e "$OUT/go" ]; do sleep 0.05; done; echo end'})
    team.wait_alive()
    follower = team.begin_cli("logs", str(team.root), "-f")
    assert follower.stdout is not None
    assert "on n" in follower.stdout.readline()
    team.say("go")
    assert "end" in follower.stdout.readline()
    team.wait_rest("done")
    follower.communicate(timeout=60)
