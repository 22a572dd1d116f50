"""What a job of an agent is to Slurm: its environment, its output, its warning, and no second run."""

from __future__ import annotations

import os
import re
import signal
import stat
from pathlib import Path

import pytest
from orchestra import Orchestra
from processes import environment_of
from slurm_cluster import SlurmCluster

from maos_sup.launchers.slurm.commands import make_log, submit_command
from state_layout.errors import StorageError
from state_layout.lives.leases import read_lease
from state_layout.records import Placement

GATED = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
KNOWN = re.compile(
    r"MAOS_\w+|SLURM_\w+|SLURMD_\w+|SLURM\w*|LC_\w+|PATH|HOME|USER|LOGNAME|SHELL|LANG|TZ|VIRTUAL_ENV|PYTHONPATH|"
    r"OUT|HOSTNAME|TMPDIR|ENVIRONMENT|PWD|OLDPWD|_"
)


@pytest.fixture
def team(placed_team: Orchestra) -> Orchestra:
    placed_team.environment["SECRET_OF_THE_LOGIN_NODE"] = "hidden"
    return placed_team


@pytest.fixture(params=[False, True], ids=["alone", "array"])
def job(request: pytest.FixtureRequest, team: Orchestra, cluster: SlurmCluster) -> dict[str, str]:
    """Give what Slurm shows of the running job of `ann`, alone or as a task of an array."""
    agent = {"kind": "command", "shell": GATED, "env_from": {"OUT": "OUT"}}
    place = {"mem_gib": 0.1, "time": "1:00:00", "array": request.param}
    team.start({"ann": agent, "bob": agent}, launcher="slurm", place=place)
    team.wait_alive()
    lease = read_lease(team.tree.agent("ann").attempt(1))
    assert lease is not None
    assert ("_" in lease.job) is request.param
    shown = cluster.ask("scontrol", "show", "job", lease.job)
    return dict(pair.split("=", 1) for pair in shown.split() if "=" in pair)


def test_its_environment_is_what_was_named(team: Orchestra, job: dict[str, str]) -> None:
    process = team.pids()["ann"]
    names = {entry.partition(b"=")[0].decode() for entry in environment_of(process) if entry}
    assert "SECRET_OF_THE_LOGIN_NODE" not in names
    assert not [name for name in names if not KNOWN.fullmatch(name)]
    assert "OUT" in names


def test_its_output_is_in_the_attempt_and_it_is_not_requeued(team: Orchestra, job: dict[str, str]) -> None:
    assert job["Requeue"] == "0"
    assert job["WorkDir"] == str(team.root)
    assert job["StdOut"].startswith(str(team.root / "run/jobs"))
    assert team.tree.agent("ann").attempt(1).stdout.read_text() == "begin 1\n"


def test_what_slurm_writes_of_it_is_for_its_owner_alone(team: Orchestra, job: dict[str, str]) -> None:
    assert stat.S_IMODE(Path(job["StdOut"]).stat().st_mode) == 0o600
    team.say("go")
    team.wait_rest("done")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (team.root / "run/jobs").iterdir()}
    assert {"ann.log", "bob.log"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_a_log_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    log = tmp_path / "jobs/ann.log"
    log.parent.mkdir()
    log.write_text("before")
    log.chmod(0o644)
    assert make_log(log) == str(log)
    assert (log.read_text(), stat.S_IMODE(log.stat().st_mode)) == ("before", 0o600)


@pytest.mark.timeout(30)
def test_a_pipe_in_place_of_a_log_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ann.log")
    with pytest.raises(StorageError, match=r"ann\.log: cannot write: it is a pipe"):
        make_log(tmp_path / "ann.log")


def test_it_is_followed_and_written_to_from_here(team: Orchestra, job: dict[str, str]) -> None:
    follower = team.begin_cli("logs", str(team.root), "ann", "-f")
    assert follower.stdout is not None
    try:
        team.wait(
            lambda: follower.stdout is not None and "begin 1" in follower.stdout.readline(), "it is shown"
        )
        team.do("send", "ann", "go on")
        team.say("go")
        team.wait(
            lambda: follower.stdout is not None and "end" in follower.stdout.readline(), "it is followed"
        )
    finally:
        os.killpg(follower.pid, signal.SIGKILL)
        follower.communicate()
    team.wait_rest("done")
    assert "go on" in team.do("messages")
    team.assert_sound()


@pytest.mark.parametrize(
    ("time", "seconds"), [("1", 30), ("3", 90), ("4:00", 120), ("4:00:00", 120), ("2-12", 120), (None, None)]
)
def test_it_is_warned_two_minutes_before_its_wall_time(time: str | None, seconds: int | None) -> None:
    argv = submit_command("x", Placement(time=time), root="/tree", log="/log")
    warned = [word for word in argv if word.startswith("--signal")]
    assert warned == ([] if seconds is None else [f"--signal=B:TERM@{seconds}"])
