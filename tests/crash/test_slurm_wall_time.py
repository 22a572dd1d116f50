"""A job that comes near its wall time stops at a safe point, and its agent goes on as the next attempt."""

from __future__ import annotations

import json

import pytest
from orchestra import Orchestra
from slurm_cluster import SlurmCluster

WAITING = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'


@pytest.mark.timeout(600)
def test_an_agent_outlives_the_wall_time_of_its_job(placed_team: Orchestra, cluster: SlurmCluster) -> None:
    team = placed_team
    ann = {"kind": "command", "shell": WAITING, "env_from": {"OUT": "OUT"}}
    team.start({"ann": ann}, launcher="slurm", place={"mem_gib": 0.1, "time": "1"})  # the least there is
    team.wait_alive()
    attempts = team.tree.agent("ann")
    team.wait(lambda: attempts.attempt(2).journal.exists(), "the next attempt", deadline_s=60)
    team.say("go")
    team.wait_rest("done")
    assert team.attempts() == {"ann": 2}
    ended = json.loads(attempts.attempt(1).exit.read_text())
    assert ended["by"] == "agent", ended
    prefix = team.status()["id"]
    states = {name: state for name, state in cluster.jobs(states="all").items() if name.startswith(prefix)}
    assert states == {f"{prefix}.ann.1": "COMPLETED", f"{prefix}.ann.2": "COMPLETED"}
    team.assert_sound()
