"""The supervisor as a job of its own: its successor goes on when its wall time comes, agents live on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from orchestra import REPOSITORY, Orchestra
from slurm_cluster import SlurmCluster

from state_layout.lives.leases import read_lease

SCRIPT = REPOSITORY / "examples/slurm/supervisor.sbatch"
WAITING = (
    'echo "begin $MAOS_ATTEMPT $SLURM_JOB_NAME $SLURM_MEM_PER_NODE"; '
    'while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
)


def short_script(team: Orchestra) -> Path:
    """The example with the shortest wall time there is, as a person edits it; `maos-sup` is found."""
    bin_ = team.folder / "bin"
    bin_.mkdir()
    (bin_ / "maos-sup").symlink_to(Path(shutil.which("maos-sup", path=str(REPOSITORY / ".venv/bin")) or ""))
    team.environment["PATH"] = f"{bin_}:{team.environment['PATH']}"
    text = SCRIPT.read_text().replace("--time=1-00:00:00", "--time=1").replace("TERM@120", "TERM@30")
    path = team.folder / "supervisor.sbatch"
    path.write_text(text)
    return path


def begin(team: Orchestra, script: Path) -> None:
    done = team.call("sbatch", f"--chdir={team.folder}", str(script), str(team.root))
    assert done.returncode == 0, done.stderr


def supervisors(cluster: SlurmCluster, state: str) -> list[str]:
    """The ids of the jobs of supervisors in this state."""
    lines = cluster.ask("squeue", "--noheader", "--states=all", "--format=%i %T %j").splitlines()
    return [line.split()[0] for line in lines if line.endswith(f" {state} maos-sup-supervisor")]


@pytest.mark.timeout(900)
def test_the_supervisor_outlives_its_job_and_its_agents_notice_nothing(
    placed_team: Orchestra, cluster: SlurmCluster
) -> None:
    team = placed_team
    script = short_script(team)
    agent = {"kind": "command", "shell": WAITING, "env_from": {"OUT": "OUT"}}
    plan = team.plan({"ann": agent, "bob": agent}, launcher="slurm", place={"mem_gib": 0.1})
    team.cli("run", str(plan), "--dir", str(team.root), "--no-start", expect=0)
    assert team.supervisor() is None
    begin(team, script)
    before = team.wait_alive()
    lease = read_lease(team.tree.agent("ann").attempt(1))
    assert lease is not None
    team.wait(lambda: len(team.events("start")) == 2, "the next supervisor", deadline_s=60)
    team.wait(lambda: len(team.events("adopted")) == 2, "it has adopted the agents")
    assert team.pids() == before
    assert supervisors(cluster, "COMPLETED"), "the first was warned, and ended by itself"
    assert supervisors(cluster, "PENDING"), "the next one is in the queue already"
    team.say("go")
    team.wait_rest("done")
    assert team.attempts() == {"ann": 1, "bob": 1}
    names = {f"{team.status()['id']}.{name}.1" for name in ("ann", "bob")}
    began = {team.output(name).splitlines()[0].split()[2] for name in ("ann", "bob")}
    assert began == names, "each job has what is its own in its environment"
    team.wait(lambda: not cluster.jobs(), "no job is left in the queue", deadline_s=60)
    team.assert_sound()


@pytest.mark.timeout(600)
def test_a_supervisor_whose_job_is_cancelled_is_followed_by_the_next_until_it_is_stopped(
    placed_team: Orchestra, cluster: SlurmCluster
) -> None:
    team = placed_team
    script = short_script(team)
    agent = {"kind": "command", "shell": WAITING, "env_from": {"OUT": "OUT"}}
    plan = team.plan({"ann": agent}, launcher="slurm", place={"mem_gib": 0.1})
    team.cli("run", str(plan), "--dir", str(team.root), "--no-start", expect=0)
    script.write_text(script.read_text().replace("now+60", "now+1"))
    begin(team, script)
    team.wait_alive()
    [first] = supervisors(cluster, "RUNNING")
    cluster.ask("scancel", first)
    team.wait(lambda: supervisors(cluster, "RUNNING") not in ([], [first]), "the next one", deadline_s=60)
    team.wait_alive()
    team.do("stop")
    team.wait_rest("stopped")
    team.wait(lambda: not cluster.jobs(), "no job is left in the queue", deadline_s=60)
    team.assert_sound()
