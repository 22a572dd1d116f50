"""Agents as jobs of a real Slurm: to their end, adopted, killed, refused. Two nodes on this host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from orchestra import Orchestra
from processes import is_running, kill
from slurm_cluster import SlurmCluster

from state_layout.lives.leases import read_lease

FAST = {"max": 100, "window_s": 1, "backoff_s": 0.05, "backoff_max_s": 0.1}
GATED = (
    'echo "begin $MAOS_ATTEMPT on $SLURMD_NODENAME"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
)
PLACE = {"mem_gib": 0.1}


@pytest.fixture
def team(placed_team: Orchestra) -> Orchestra:
    return placed_team


def placed(line: str, **more: Any) -> dict[str, Any]:
    return {"kind": "command", "shell": line, "env_from": {"OUT": "OUT"}, "restart": FAST, **more}


def start(team: Orchestra, agents: dict[str, str], tasks: list[dict[str, Any]] | None = None) -> None:
    wanted = {name: placed(line) for name, line in agents.items()}
    limits = {"max_agents": 50, "stop_grace_s": 2, "hang_s": 60}
    team.start(wanted, tasks, launcher="slurm", place=PLACE, limits=limits)


def names_of(team: Orchestra) -> str:
    """Give what the names of its jobs begin with."""
    return f"{team.status()['id']}."


def test_agents_with_needs_and_messages_run_as_jobs(team: Orchestra, cluster: SlurmCluster) -> None:
    tell = "echo 'discovery: {0} was here'; echo 'result: {0}'"
    agents = {name: tell.format(name) for name in ("ann", "bob", "cat")}
    agents["cat"] = "cat; " + agents["cat"]
    tasks = [
        {"id": "one", "agent": "ann"},
        {"id": "two", "agent": "bob", "needs": ["one"]},
        {"id": "three", "agent": "cat", "needs": ["one", "two"]},
    ]
    start(team, agents, tasks)
    team.wait_rest("done")
    assert set(team.attempts().values()) == {1}
    prefix = names_of(team)
    jobs = {name: state for name, state in cluster.jobs(states="all").items() if name.startswith(prefix)}
    assert jobs == {f"{prefix}{name}.1": "COMPLETED" for name in agents}
    for name in agents:
        texts = [
            json.loads(line)["text"] for line in team.tree.mail_file("all", name).read_text().splitlines()
        ]
        assert texts == [f"{name} was here", name]
    team.assert_sound()


def test_the_next_supervisor_adopts_jobs_and_submits_none_again(
    team: Orchestra, cluster: SlurmCluster
) -> None:
    names = [f"agent{number}" for number in range(6)]
    start(team, dict.fromkeys(names, GATED))
    team.wait_alive()
    first = team.supervisor()
    assert first
    kill(first)
    team.wait(lambda: team.supervisor() is None, "the supervisor is dead")
    team.resume()
    team.wait(lambda: len(team.events("adopted")) == len(names), "all are adopted")
    team.say("go")
    team.wait_rest("done")
    assert set(team.attempts().values()) == {1}
    lines = cluster.ask("squeue", "--noheader", "--states=all", "--format=%j").splitlines()
    mine = sorted(line for line in lines if line.startswith(names_of(team)))
    assert mine == [f"{names_of(team)}{name}.1" for name in names]


def test_an_agent_that_is_killed_goes_on_as_the_next_attempt(team: Orchestra) -> None:
    start(team, {"ann": GATED, "bob": GATED})
    before = team.wait_alive()
    kill(before["ann"])
    team.wait(lambda: team.attempts()["ann"] == 2 and team.pids().get("ann"), "the next attempt")
    team.say("go")
    team.wait_rest("done")
    assert team.attempts() == {"ann": 2, "bob": 1}
    assert [event["attempt"] for event in team.events("seal")] == [1]
    team.assert_sound()


def test_a_job_that_a_person_cancels_ends_and_its_agent_goes_on(
    team: Orchestra, cluster: SlurmCluster
) -> None:
    """Slurm has to find the processes of a job to end them; a node where it cannot is drained."""
    start(team, {"ann": GATED})
    pid = team.wait_alive()["ann"]
    cluster.ask("scancel", "--name", f"{names_of(team)}ann.1")
    team.wait(lambda: team.attempts()["ann"] == 2 and team.pids().get("ann"), "the next attempt")
    assert not is_running(pid)
    assert "drain" not in cluster.ask("sinfo", "--noheader", "--Node", "--format=%T")
    team.say("go")
    team.wait_rest("done")
    team.assert_sound()


def test_stop_ends_jobs_at_a_safe_point(team: Orchestra, cluster: SlurmCluster) -> None:
    start(team, {"ann": GATED})
    pid = team.wait_alive()["ann"]
    team.do("stop")
    team.wait_rest("stopped")
    assert not is_running(pid)
    exit_ = json.loads((team.tree.agent("ann").attempt(1).exit).read_text())
    assert exit_["by"] == "agent"
    assert not [name for name in cluster.jobs() if name.startswith(names_of(team))]


def test_what_slurm_refuses_is_told_in_its_words(team: Orchestra) -> None:
    agent = placed("echo hi", place={"partition": "nowhere"}, restart={"max": 1, "backoff_s": 0})
    team.start({"ann": agent}, launcher="slurm")
    team.wait_rest("failed")
    assert "invalid partition" in str(team.task("ann")["error"]).lower()


def test_a_job_says_in_its_lease_where_it_lives(team: Orchestra) -> None:
    start(team, {"ann": GATED})
    team.wait_alive()
    lease = read_lease(team.tree.agent("ann").attempt(1))
    assert lease is not None
    assert lease.host in {"n1", "n2"}
    assert (lease.launcher, lease.job.isdecimal()) == ("slurm", True)
    assert team.output("ann").startswith(f"begin 1 on {lease.host}")
    team.say("go")
    team.wait_rest("done")


def test_a_shared_folder_is_tried_from_two_nodes(team: Orchestra) -> None:
    done = team.cli("check", "--shared", str(team.folder), "--hosts", "n1,n2", "--json")
    assert done.returncode == 0, done.stderr
    found = {each["name"]: each for each in json.loads(done.stdout)["found"]}
    assert "accounting storage is disabled" in found.pop("sacct")["text"]
    assert {each["level"] for each in found.values()} == {"ok"}
