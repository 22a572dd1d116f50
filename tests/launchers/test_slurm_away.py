"""Slurm that is not there, goes away, or lets jobs wait: what is said, and that a stop is a stop."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra
from ready import is_ready
from slurm_cluster import SlurmCluster

from maos_sup.core.model import Process
from maos_sup.launchers.slurm.launcher import SlurmLauncher
from state_layout.paths import Tree

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


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder with Slurm's commands of a machine that knows no cluster, and what a plan's shell needs."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for name in ("squeue", "sbatch", "scancel"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name}: fatal: no configuration source' >&2\nexit 1\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_cluster_that_never_answered_keeps_no_supervisor_after_a_stop(
    team: Orchestra, commands: Path
) -> None:
    team.environment["PATH"] = f"{commands}:{os.environ['PATH']}"
    start(team, {"ann": "echo hi", "bob": "echo hi"})
    team.wait(lambda: "no configuration source" in where(team, "ann"), "it is said that nobody answers")
    team.do("stop")
    team.wait(lambda: team.supervisor() is None, "nothing is left to wait for")
    assert team.status()["phase"] == "stopped"
    assert not team.tree.job_log("ann").exists()


@pytest.mark.parametrize("left", ["run/jobs/ann.log", "supervisor/arrays/0a.json"])
def test_a_job_that_may_have_been_submitted_is_unknown_while_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: Path, left: str
) -> None:
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    tree = Tree(tmp_path / "tree")
    tree.root.mkdir()
    launcher = SlurmLauncher(tree, orchestration="x", entry="nothing:main")
    try:
        while not launcher._clerk.look()[0].trouble:
            is_ready(launcher.fileno(), 1.0)
            launcher.poll()
        assert launcher.says("ann", launcher="slurm", attempt=0) is None
        (tree.root / left).parent.mkdir(parents=True)
        (tree.root / left).touch()
        assert launcher.says("ann", launcher="slurm", attempt=0) is Process.UNKNOWN
    finally:
        launcher.close()


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
