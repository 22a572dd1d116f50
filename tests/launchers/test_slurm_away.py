"""Slurm that is not there, goes away, or lets jobs wait: what is said, and that a stop is a stop."""

from __future__ import annotations

import json
from typing import Any

import pytest
from orchestra import Orchestra
from slurm_cluster import SlurmCluster

GATED = 'while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
PLACE = {"mem_gib": 0.1}


@pytest.fixture
def team(orchestra: Orchestra) -> Orchestra:
    return orchestra


def where(team: Orchestra, agent: str) -> str:
    return str(team.agent(agent).get("where", ""))


def start(team: Orchestra, agents: dict[str, str], **more: Any) -> None:
    wanted = {
        name: {"kind": "command", "shell": line, "env_from": {"OUT": "OUT"}} for name, line in agents.items()
    }
    team.start(wanted, launcher="slurm", place=PLACE, **more)


def test_a_machine_without_slurm_says_so_and_stops_and_goes_on_by_itself(team: Orchestra) -> None:
    (team.folder / "nothing").mkdir()
    team.environment["PATH"] = str(team.folder / "nothing")
    start(team, {"ann": "echo hi"})
    team.wait(lambda: "squeue cannot be called" in where(team, "ann"), "it is said what is missing")
    team.do("stop")
    team.wait_rest("stopped")
    spec = team.root / "spec/orchestration.json"
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "launcher": "local"}))
    team.do("start")
    team.wait_rest("done")


def test_a_job_that_never_begins_says_why_and_is_stopped(team: Orchestra, cluster: SlurmCluster) -> None:
    team.environment |= cluster.environment
    cluster.ask("scontrol", "update", "partitionname=agents", "state=down")
    start(team, {"ann": "echo hi"})
    team.wait(lambda: "pending (PartitionDown)" in where(team, "ann"), "the reason is told")
    team.do("stop")
    team.wait_rest("stopped")
    assert not cluster.jobs()
    cluster.ask("scontrol", "update", "partitionname=agents", "state=up")


def test_who_is_stopped_while_slurm_is_away_is_not_submitted_later(
    team: Orchestra, cluster: SlurmCluster
) -> None:
    team.environment |= cluster.environment
    tasks = [{"id": "one", "agent": "ann"}, {"id": "two", "agent": "bob", "needs": ["one"]}]
    start(team, {"ann": GATED, "bob": GATED}, tasks=tasks)
    team.wait_alive("ann")
    cluster.kill_daemon("slurmctld")
    team.wait(lambda: "when slurm answered last" in where(team, "ann"), "it is told")
    team.say("go")
    team.wait(lambda: "waits for slurm: " in where(team, "bob"), "the next one cannot be submitted")
    team.do("stop")
    cluster.start_controller()
    cluster.wait_answer()
    team.wait_rest("stopped")
    prefix = team.status()["id"]
    names = [name for name in cluster.jobs(states="all") if name.startswith(prefix)]
    assert names == [f"{prefix}.ann.1"]
