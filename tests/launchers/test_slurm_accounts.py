"""How a job ended is told in Slurm's words, and by its accounts where its queue has forgotten it."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from orchestra import Orchestra, PlacedOrchestra
from processes import kill
from slurm_accounts import KeptAccounts
from slurm_cluster import SlurmCluster, running_cluster

from maos_sup.launchers.slurm.accounting import Accountant, is_off, read_accounts
from maos_sup.launchers.slurm.calling import Answer
from maos_sup.launchers.slurm.commands import Job, Naming, NoListing
from state_layout.lives.attempts import read_exit
from state_layout.paths import Tree

GATED = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
HEAD = "JobID|State|ExitCode|NodeList|Reason|ReqMem|JobName|WorkDir"
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(scope="module")
def accounted() -> Iterator[SlurmCluster]:
    """A cluster that keeps accounts, and whose queue forgets at once."""
    with running_cluster(accounts=KeptAccounts) as made:
        yield made


@pytest.fixture
def team(accounted: SlurmCluster, tmp_path: Path) -> Iterator[PlacedOrchestra]:
    made = PlacedOrchestra(tmp_path)
    made.environment |= accounted.environment
    try:
        yield made
    finally:
        made.end_all()


def read(tmp_path: Path, *lines: str) -> list[Job]:
    naming = Naming(Tree(tmp_path), "x", tasks=lambda token: (("ann", 1), ("bob", 2)))
    return [*read_accounts("\n".join([HEAD, *lines, ""]), naming)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("7|OUT_OF_MEMORY|0:125|n1|None|1Gn|x.ann.3", "slurm job 7 on n1: out of memory: asked for 1G"),
        ("7|TIMEOUT|0:0|n1|None|0|x.ann.3", "slurm job 7 on n1: its time was over"),
        ("7|NODE_FAIL|1:0|n1|None|0|x.ann.3", "slurm job 7 on n1: its node was lost"),
        (f"7|CANCELLED by {os.getuid()}|0:0|n1|None|0|x.ann.3", f"slurm job 7 on n1: cancelled by {ME}"),
        ("7|CANCELLED by 999999|0:0|None assigned|None|0|x.ann.3", "slurm job 7: cancelled by 999999"),
        ("7|PREEMPTED|0:0|n1|None|0|x.ann.3", "slurm job 7 on n1: preempted"),
        ("7|FAILED|76:0|n1|None|0|x.ann.3", "slurm job 7 on n1: failed (exit code 76)"),
        ("7|FAILED|0:9|n1|None|0|x.ann.3", "slurm job 7 on n1: failed (signal 9)"),
        ("7|COMPLETED|0:0|n1|None|0|x.ann.3", ""),
        ("8_1|TIMEOUT|0:0|n1|None|0|x.+token", "slurm job 8_1 on n1: its time was over"),
    ],
)
def test_how_a_job_ended_is_told_in_words(tmp_path: Path, line: str, words: str) -> None:
    [job] = read(tmp_path, f"{line}|{tmp_path}")
    assert job.ended == words
    assert (job.agent, job.attempt) == (("bob", 2) if "+" in line else ("ann", 3))


def test_jobs_of_others_are_none_of_ours(tmp_path: Path) -> None:
    line = "7|TIMEOUT|0:0|n1|None|0"
    assert read(tmp_path, f"{line}|y.ann.3|{tmp_path}", f"{line}|x.ann.3|/elsewhere", "7|TIMEOUT") == []


def test_what_is_no_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoListing, match="welcome"):
        [*read_accounts("welcome to the cluster\n", Naming(Tree(tmp_path), "x", tasks=lambda token: ()))]


def test_what_is_known_of_one_attempt_is_not_believed_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "sacct"
    line = f"7|TIMEOUT|0:0|n1|None|0|x.ann.1|{tmp_path}"
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' '{HEAD}' '{line}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    told = threading.Event()
    accountant = Accountant(Naming(Tree(tmp_path), "x", tasks=lambda token: ()), told=told.set)
    try:
        assert accountant.end_of("ann", attempt=1, id_="7") is None
        assert told.wait(30)
        known = accountant.end_of("ann", attempt=1, id_="7")
        assert known is not None
        assert known.state == "TIMEOUT"
        assert accountant.end_of("ann", attempt=2, id_="7") is None
        assert accountant.end_of("ann", attempt=1, id_="9") is None
    finally:
        accountant.close()


def test_where_no_accounts_are_kept_it_is_known(cluster: SlurmCluster) -> None:
    with pytest.raises(AssertionError, match="accounting storage is disabled") as told:
        cluster.ask("sacct", "--jobs=1")
    assert is_off(Answer(code=1, error=str(told.value)))
    assert is_off(Answer(code=None, is_missing=True))
    assert not is_off(Answer(code=1, error="sacct: error: slurmdbd: Connection refused"))


def test_a_cancelled_job_says_so_in_the_record_of_its_attempt(
    placed_team: Orchestra, cluster: SlurmCluster
) -> None:
    agent = {"kind": "command", "shell": GATED, "env_from": {"OUT": "OUT"}}
    placed_team.start({"ann": agent}, launcher="slurm", place={"mem_gib": 0.1})
    placed_team.wait_alive("ann")
    kill(*placed_team.pids().values())
    placed_team.wait(lambda: placed_team.attempts()["ann"] == 2, "it goes on")
    told = read_exit(placed_team.tree, "ann", 1)
    assert told is not None
    assert str(told["detail"]).startswith("attempt 1 died: slurm job ")
    assert "failed (" in str(told["detail"])
    placed_team.say("go")
    placed_team.wait_rest("done")
    placed_team.assert_sound()


def lose(team: Orchestra, cluster: SlurmCluster, *, lease_s: float) -> None:
    """Have an agent die while nobody looks, until the queue has forgotten its job; then go on."""
    agent = {"kind": "command", "shell": GATED, "env_from": {"OUT": "OUT"}}
    team.start({"ann": agent}, launcher="slurm", place={"mem_gib": 0.1}, intervals={"lease_s": lease_s})
    team.wait_alive("ann")
    supervisor = team.supervisor()
    assert supervisor is not None
    kill(supervisor)
    kill(*team.pids().values())
    team.wait(
        lambda: not cluster.ask("squeue", "--noheader", "--states=all"),
        "the queue has forgotten it",
        deadline_s=120,
    )
    team.resume()
    team.wait(lambda: team.attempts()["ann"] == 2, "it goes on")


def test_an_end_that_the_queue_has_forgotten_is_told_by_accounts(
    team: Orchestra, accounted: SlurmCluster
) -> None:
    """Nobody waits for its lease, which would last longer than this test."""
    lose(team, accounted, lease_s=1000)
    told = read_exit(team.tree, "ann", 1)
    assert told is not None
    assert str(told["detail"]).startswith("attempt 1 died: slurm job ")
    team.say("go")
    team.wait_rest("done")
    team.assert_sound()


def test_a_shared_folder_is_tried_with_the_accounts_of_its_cluster(team: Orchestra) -> None:
    done = team.cli("check", "--shared", str(team.folder), "--hosts", "n1,n2", expect=0)
    assert "ok    sacct    how a job ended is known when squeue has forgotten it" in done.stdout


@pytest.mark.parametrize("line", ["sleep 1000", "exit 1", "echo welcome to the cluster", "exec true"])
def test_where_sacct_does_not_tell_the_lease_does(
    team: Orchestra, accounted: SlurmCluster, tmp_path: Path, line: str
) -> None:
    folder = tmp_path / "before"
    folder.mkdir()
    script = folder / "sacct"
    script.write_text(f"#!/bin/sh\ntouch {folder}/called\n{line}\n")
    script.chmod(0o755)
    team.environment["PATH"] = f"{folder}:{team.environment['PATH']}"
    lose(team, accounted, lease_s=3)
    assert (folder / "called").exists()
    told = read_exit(team.tree, "ann", 1)
    assert told is not None
    assert told["detail"] is None
    team.say("go")
    team.wait_rest("done")
    team.assert_sound()
