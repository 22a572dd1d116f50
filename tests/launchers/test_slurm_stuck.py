"""Slurm's commands hang, fail and print rubbish: nothing changes, it is told, and a stop is a stop."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra
from slurm_cluster import SlurmCluster

GATED = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
PLACE = {"mem_gib": 0.1}
_WRAPPER = """#!/bin/sh
echo "$*" >>{mode}.calls
case $(cat {mode} 2>/dev/null) in
hang) sleep 1000 & wait;;
fail) exit 1;;
rubbish) echo "welcome to the cluster"; exit 0;;
die) {real} "$@" >/dev/null; kill -9 $PPID;;
orphan) cat >{mode}.$$; kill -9 $PPID
    while [ ! -e {mode}.go ]; do sleep 0.1; done
    exec {real} "$@" <{mode}.$$;;
small) echo "sbatch: error: Batch job submission failed: Invalid job array specification" >&2; exit 1;;
lose) {real} "$@" >/dev/null; exit 1;;
*) exec {real} "$@";;
esac
"""


class Wrappers:
    """Scripts that stand before Slurm's commands in PATH, as sites have them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "squeue", "scancel"):
            script = folder / name
            script.write_text(_WRAPPER.format(mode=folder / f"{name}.mode", real=shutil.which(name)))
            script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def set(self, name: str, mode: str) -> None:
        """How `name` behaves from now on; `well` as Slurm's own."""
        aside = self.folder / f"{name}.new"
        aside.write_text(mode)
        aside.rename(self.folder / f"{name}.mode")

    def calls(self, name: str) -> list[str]:
        """What `name` was called with, call by call."""
        path = self.folder / f"{name}.mode.calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def wrappers(tmp_path: Path) -> Wrappers:
    return Wrappers(tmp_path / "wrappers")


@pytest.fixture
def team(placed_team: Orchestra, wrappers: Wrappers) -> Iterator[Orchestra]:
    placed_team.environment["PATH"] = f"{wrappers.folder}:{placed_team.environment['PATH']}"
    yield placed_team
    for name in ("sbatch", "squeue", "scancel"):  # before all is ended
        wrappers.set(name, "well")


def start(
    team: Orchestra, agents: dict[str, str], tasks: list[dict[str, Any]] | None = None, **more: Any
) -> None:
    wanted = {
        name: {"kind": "command", "shell": line, "env_from": {"OUT": "OUT"}} for name, line in agents.items()
    }
    team.start(wanted, tasks, launcher="slurm", **{"place": PLACE, **more})


def jobs(team: Orchestra, cluster: SlurmCluster, *, states: str = "all") -> list[str]:
    """The names of the team's jobs, each task by itself."""
    listing = cluster.ask("squeue", "--noheader", "--array", f"--states={states}", "--format=%j")
    return [name for name in listing.splitlines() if name.startswith(f"{team.status()['id']}.")]


def where(team: Orchestra, agent: str) -> str:
    return str(team.agent(agent).get("where", ""))


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("hang", "squeue does not answer"),
        ("fail", "squeue ended with 1"),
        ("rubbish", "squeue printed no list of jobs but 'welcome"),
    ],
)
def test_a_queue_that_does_not_answer_changes_nothing(
    team: Orchestra, wrappers: Wrappers, mode: str, words: str
) -> None:
    tasks = [{"id": "one", "agent": "ann"}, {"id": "two", "agent": "bob", "needs": ["one"]}]
    start(team, {"ann": GATED, "bob": GATED}, tasks)
    team.wait_alive("ann")
    wrappers.set("squeue", mode)
    team.wait(lambda: "when slurm answered last" in where(team, "ann"), "it is told of who lives")
    team.say("go")
    team.wait(lambda: words in where(team, "bob"), "it is told of who waits")
    assert team.attempts()["ann"] == 1
    wrappers.set("squeue", "well")
    team.wait_rest("done", deadline_s=90)
    assert set(team.attempts().values()) == {1}
    team.assert_sound()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("hang", "sbatch does not answer"),
        ("fail", "sbatch ended with 1"),
        ("rubbish", "sbatch told no number but 'welcome"),
    ],
)
def test_a_submission_that_fails_is_told_tried_again_and_can_be_stopped(
    team: Orchestra, cluster: SlurmCluster, wrappers: Wrappers, mode: str, words: str
) -> None:
    wrappers.set("sbatch", mode)
    start(team, {"ann": GATED})
    team.wait(lambda: words in where(team, "ann"), "it is told")
    team.do("stop")
    team.wait_rest("stopped")
    assert not [name for name in cluster.jobs(states="all") if name.startswith(f"{team.status()['id']}.")]
    wrappers.set("sbatch", "well")
    team.say("go")
    team.do("start")
    team.wait_rest("done")
    assert team.attempts() == {"ann": 1}


def test_a_job_whose_number_was_never_told_is_found_and_not_submitted_again(
    team: Orchestra, cluster: SlurmCluster, wrappers: Wrappers
) -> None:
    wrappers.set("sbatch", "lose")
    start(team, {"ann": GATED, "bob": GATED})
    team.wait_alive()
    team.say("go")
    team.wait_rest("done")
    lines = cluster.ask("squeue", "--noheader", "--states=all", "--format=%j").splitlines()
    prefix = f"{team.status()['id']}."
    assert sorted(line for line in lines if line.startswith(prefix)) == [f"{prefix}ann.1", f"{prefix}bob.1"]


@pytest.mark.parametrize("is_array", [False, True], ids=["alone", "array"])
@pytest.mark.parametrize("mode", ["die", "orphan"])
def test_a_supervisor_killed_while_it_submits_has_nothing_run_twice(
    team: Orchestra, cluster: SlurmCluster, wrappers: Wrappers, mode: str, *, is_array: bool
) -> None:
    """It dies before it hears the number; or its `sbatch` outlives it, and submits beside its successor."""
    wrappers.set("sbatch", mode)
    names = [f"agent{number}" for number in range(5)]
    cluster.ask("scontrol", "update", "partitionname=agents", "state=down")  # no job begins meanwhile
    try:
        start(team, dict.fromkeys(names, GATED), place={**PLACE, "array": is_array})
        team.wait(lambda: wrappers.calls("sbatch") and team.supervisor() is None, "the supervisor is dead")
        wrappers.set("sbatch", "well")
        team.resume()
        team.wait(lambda: all("pending" in where(team, name) for name in names), "all wait in the queue")
        if mode == "orphan":
            (wrappers.folder / "sbatch.mode.go").touch()
            wanted = len(names) + (len(names) if is_array else 1)
            team.wait(lambda: len(jobs(team, cluster)) >= wanted, "the orphan submits too")
    finally:
        cluster.ask("scontrol", "update", "partitionname=agents", "state=up")
    team.wait_alive()
    assert set(team.attempts().values()) == {1}
    team.say("go")
    team.wait_rest("done")
    assert set(team.attempts().values()) == {1}
    assert all(team.output(name) == "begin 1\nend\n" for name in names)
    team.wait(lambda: not jobs(team, cluster, states="pending,running,completing"), "no job is left")
    if mode == "die":
        assert len(jobs(team, cluster)) == len(names)
    team.assert_sound()


def test_a_submission_that_hangs_keeps_no_other_waiting(team: Orchestra, wrappers: Wrappers) -> None:
    """Whoever is submitted, seen and ended meanwhile is so by other commands."""
    tasks = [
        {"id": "one", "agent": "ann"},
        {"id": "two", "agent": "bob", "needs": ["one"]},
        {"id": "three", "agent": "cat"},
    ]
    start(team, {"ann": GATED, "bob": GATED, "cat": GATED}, tasks)
    team.wait_alive("ann", "cat")
    wrappers.set("sbatch", "hang")
    team.say("go")
    team.wait(lambda: team.task("three")["phase"] == "done", "the end of another is seen")
    team.wait(lambda: "sbatch does not answer" in where(team, "bob"), "it is told")
    wrappers.set("sbatch", "well")
    team.wait_rest("done", deadline_s=120)
    team.assert_sound()


@pytest.mark.parametrize(
    ("mode", "words"), [("fail", "scancel ended with 1"), ("hang", "scancel does not answer")]
)
def test_an_end_that_fails_is_told_and_asked_for_again(
    team: Orchestra, cluster: SlurmCluster, wrappers: Wrappers, mode: str, words: str
) -> None:
    start(team, {"ann": f"trap '' TERM; {GATED}"}, limits={"stop_grace_s": 60})
    team.wait_alive("ann")
    wrappers.set("scancel", mode)
    team.do("stop")
    team.wait(lambda: f"not ended yet: {words}" in where(team, "ann"), "it is told")
    wrappers.set("scancel", "well")
    team.say("go")
    team.wait_rest("stopped")
    assert not [name for name in cluster.jobs() if name.startswith(f"{team.status()['id']}.")]


def test_one_question_is_for_all_agents(team: Orchestra, wrappers: Wrappers) -> None:
    names = [f"agent{number}" for number in range(8)]
    start(team, dict.fromkeys(names, GATED))
    team.wait_alive()
    team.say("go")
    team.wait_rest("done")
    (question,) = set(wrappers.calls("squeue"))
    assert not any(name in question for name in names)
    assert len(wrappers.calls("sbatch")) == len(names)


def test_where_arrays_are_not_allowed_the_remedy_is_told(team: Orchestra, wrappers: Wrappers) -> None:
    """Slurm says so in these words where `MaxArraySize` is too small."""
    wrappers.set("sbatch", "small")
    restart = {"max": 1, "backoff_s": 0}
    agent = {"kind": "command", "shell": GATED, "env_from": {"OUT": "OUT"}, "restart": restart}
    place = {**PLACE, "array": True}
    team.start({"ann": agent, "bob": agent}, launcher="slurm", place=place)
    team.wait_rest("failed")
    told = str(team.task("bob")["error"])
    assert "Invalid job array specification" in told
    assert "leave out 'array' in 'place'" in told
