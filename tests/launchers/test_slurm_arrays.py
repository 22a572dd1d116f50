"""Agents that want the same as one job array: each task is its agent, found again whoever died meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from orchestra import Orchestra
from processes import is_running, kill
from slurm_cluster import SlurmCluster

from maos_sup.launchers.base import Submission
from maos_sup.launchers.slurm.arrays import Arrays, read_tasks
from state_layout.lives.leases import read_lease
from state_layout.paths import Tree

GATED = 'echo "begin $MAOS_ATTEMPT as $MAOS_AGENT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
NAMES = [f"agent{number}" for number in range(6)]
FAST = {"max": 100, "window_s": 1, "backoff_s": 0.05, "backoff_max_s": 0.1}


@pytest.fixture
def team(placed_team: Orchestra) -> Orchestra:
    return placed_team


def start(team: Orchestra) -> None:
    agent = {"kind": "command", "shell": GATED, "env_from": {"OUT": "OUT"}, "restart": FAST}
    place = {"mem_gib": 0.1, "array": True}
    limits = {"max_agents": 50, "stop_grace_s": 2}
    team.start({name: agent for name in NAMES}, launcher="slurm", place=place, limits=limits)


def jobs(team: Orchestra, cluster: SlurmCluster, *, states: str = "all") -> list[tuple[str, str]]:
    """Ids and names of the team's jobs, each task by itself."""
    listing = cluster.ask("squeue", "--noheader", "--array", f"--states={states}", "--format=%i %j")
    pairs = [tuple(line.split(" ", 1)) for line in listing.splitlines()]
    return sorted((id_, name) for id_, name in pairs if name.startswith(f"{team.status()['id']}."))


def records(team: Orchestra) -> list[tuple[tuple[str, int], ...]]:
    return [read_tasks(path) for path in sorted(team.tree.arrays.iterdir())]


def test_agents_that_want_the_same_are_tasks_of_one_array(team: Orchestra, cluster: SlurmCluster) -> None:
    start(team)
    team.wait_alive()
    (record,) = records(team)
    assert sorted(record) == [(name, 1) for name in NAMES]
    found = jobs(team, cluster)
    (token,) = {name.partition(".+")[2] for _, name in found}
    assert team.tree.array(token).exists()
    for id_, _ in found:
        agent, _ = record[int(id_.partition("_")[2])]
        lease = read_lease(team.tree.agent(agent).attempt(1))
        assert lease is not None
        assert lease.job == id_
        running = f"slurm job {id_}: running on n"
        team.wait(lambda: running in str(team.agent(agent)["where"]), "the queue says that it runs")  # noqa: B023
        assert team.output(agent).startswith("begin 1 as " + agent)
    team.say("go")
    team.wait_rest("done")
    assert set(team.attempts().values()) == {1}
    assert len(jobs(team, cluster)) == len(NAMES)
    team.assert_sound()


def test_the_next_supervisor_finds_the_tasks_and_submits_none_again(
    team: Orchestra, cluster: SlurmCluster
) -> None:
    start(team)
    team.wait(lambda: jobs(team, cluster), "the array is there")
    supervisor = team.supervisor()
    assert supervisor
    kill(supervisor)  # before or after it heard the number
    team.wait(lambda: team.supervisor() is None, "the supervisor is dead")
    team.resume()
    team.wait_alive()
    team.say("go")
    team.wait_rest("done")
    assert set(team.attempts().values()) == {1}
    assert sorted(task for record in records(team) for task in record) == [(name, 1) for name in NAMES]
    assert len(jobs(team, cluster)) == len(NAMES)


def test_a_task_that_is_killed_goes_on_alone_and_a_stop_ends_all_at_a_safe_point(
    team: Orchestra, cluster: SlurmCluster
) -> None:
    start(team)
    before = team.wait_alive()
    kill(before[NAMES[2]])
    team.wait(lambda: team.attempts()[NAMES[2]] == 2 and team.pids().get(NAMES[2]), "its next attempt")
    after = team.pids()
    assert {name: after[name] for name in NAMES if name != NAMES[2]} == {
        name: pid for name, pid in before.items() if name != NAMES[2]
    }
    team.do("stop")
    team.wait_rest("stopped")
    assert not any(is_running(pid) for pid in after.values())
    for name, attempt in team.attempts().items():
        assert json.loads(team.tree.agent(name).attempt(attempt).exit.read_text())["by"] == "agent"
    assert not jobs(team, cluster, states="pending,running")


def test_an_array_that_is_tried_again_is_written_once(tmp_path: Path) -> None:
    (tmp_path / "supervisor").mkdir()
    arrays = Arrays(Tree(tmp_path))
    batch = [Submission(agent=name, attempt=1, tree_root=str(tmp_path)) for name in NAMES]
    token = arrays.write(batch)
    assert arrays.write(batch) == token
    assert arrays.write(batch[1:]) != token
    assert len(list(Tree(tmp_path).arrays.iterdir())) == 2
    assert list(Arrays(Tree(tmp_path)).tasks(token)) == [(name, 1) for name in NAMES]
    assert arrays.tasks("0" * 12) == ()
