"""Two hosts whose cable is cut, and whose disk hangs: each line counts once, and the work goes on.

What was cut off ends by itself, with its programs, before others take its place. What its disk was asked to
do comes to pass when it answers again, beside the successor: it counts for nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Company
from orchestra import REPOSITORY, VARIABLE, wait_for
from processes import command_line, environment_of, with_variable
from slurm_cluster import SlurmCluster, running_cluster
from two_hosts import TwoHosts, two_hosts
from verdict import problems

from state_layout.lives.leases import read_lease

ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "1"))
WAYS = ("cable", "disk", "both")


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[TwoHosts]:
    shared = tmp_path / "shared"
    shared.mkdir()
    with two_hosts(tmp_path, shared) as made:
        yield made


@pytest.fixture
def apart(hosts: TwoHosts) -> Iterator[SlurmCluster]:
    """A cluster of which each node is a host."""
    with running_cluster(slurmd_timeout_s=6, hosts=hosts) as made:
        yield made


@pytest.fixture
def company(hosts: TwoHosts, apart: SlurmCluster, tmp_path: Path) -> Iterator[Company]:
    made = Company(tmp_path, root=hosts.shared / "tree")
    made.environment |= apart.environment
    made.before = hosts.begin("n1")
    try:
        yield made
    finally:
        hosts.let_disk_go_on()
        made.end_all()


def far_ones(company: Company) -> dict[str, int]:
    """The agents of the second host, and their attempts."""
    found = {}
    for name in company.talkers:
        number = company.agent(name)["attempt"]
        lease = read_lease(company.tree.agent(name).attempt(number)) if number else None
        if lease is not None and lease.host == "n2":
            found[name] = number
    return found


def programs_of(company: Company, agents: dict[str, int]) -> dict[int, str]:
    """The programs that run on in the name of these attempts."""
    marks = tuple(f":{name}:{attempt}" for name, attempt in agents.items())
    found = {}
    for pid in with_variable(f"{VARIABLE}={company.id}"):
        mark = next((word for word in environment_of(pid) if word.startswith(b"MAOS_MARK=")), b"")
        if mark.decode().rstrip().endswith(marks) and not command_line(pid).startswith("maos-sup agent"):
            found[pid] = command_line(pid)
    return found


def send_somebody_far(company: Company, cluster: SlurmCluster) -> dict[str, int]:
    """Find who works on the second host; if nobody does, all begin anew until somebody does."""
    for _ in range(20):
        far = far_ones(company)
        if far:
            return far
        cluster.ask("scancel", "--user", str(os.getuid()))
        company.wait_progress(deadline_s=60)
    raise AssertionError("nobody works on the second host")


def test_what_a_folder_promises_is_tried_from_both_hosts(company: Company) -> None:
    done = company.cli("check", "--shared", str(company.root.parent), "--hosts", "n1,n2", "--json")
    assert done.returncode == 0, done.stderr
    levels = {each["name"]: each["level"] for each in json.loads(done.stdout)["found"]}
    assert levels == {
        "mkdir": "ok",
        "rename": "ok",
        "append": "ok",
        "fsync": "ok",
        "flock": "note",
        "sacct": "note",
    }


@pytest.mark.timeout(300 + 400 * ROUNDS)
def test_nothing_counts_of_who_was_cut_off_and_the_work_goes_on_once(
    company: Company, hosts: TwoHosts, apart: SlurmCluster
) -> None:
    company.staff(6)
    company.begin(pace_s=0.05)
    company.wait_progress(deadline_s=60)
    try:
        with apart.tended():
            for number in range(ROUNDS * len(WAYS)):
                way = WAYS[number % len(WAYS)]
                far = send_somebody_far(company, apart)
                if way != "disk":
                    hosts.cut()
                if way != "cable":
                    hosts.hang_disk()
                    wait_for(
                        lambda far=far: not programs_of(company, far),
                        "who was cut off ends with its programs",
                        told=lambda far=far: str(programs_of(company, far)),
                    )
                if way != "disk":
                    apart.wait_nodes("down", 1)
                if way == "both":
                    company.wait(
                        lambda far=far: all(company.agent(name)["attempt"] > far[name] for name in far),
                        "others took their places",
                        deadline_s=60,
                    )
                if way != "disk":
                    company.wait_progress(deadline_s=60)
                hosts.let_disk_go_on()
                hosts.mend()
                company.wait_progress(deadline_s=60)
        company.finish()
        company.wait_rest("done", deadline_s=60)
    except BaseException:
        print(apart.told())  # noqa: T201 - shown where it fails
        raise
    assert problems(company) == []
    wait_for(lambda: not apart.jobs(), "no job is left in the queue")
    company.assert_sound()


@pytest.mark.timeout(900)
def test_a_supervisor_on_another_host_is_seen_and_its_host_may_lose_power(
    company: Company, hosts: TwoHosts, apart: SlurmCluster
) -> None:
    """What commands here see of it is its lease: neither its processes nor its lock."""
    company.staff(6)
    script = company.folder / "supervisor.sbatch"
    text = (REPOSITORY / "examples/slurm/supervisor.sbatch").read_text()
    script.write_text(text.replace("now+60", "now+1").replace("maos-sup supervise", "$MAOS_SUP_TEST_COMMAND"))
    company.environment["MAOS_SUP_TEST_COMMAND"] = f"{sys.executable} -m maos_sup supervise"
    company.begin(pace_s=0.05, starts=False)
    done = company.call("sbatch", "--nodelist=n2", str(script), str(company.root))
    assert done.returncode == 0, done.stderr
    company.wait_progress(deadline_s=60)
    seen = company.status()["supervisor"]
    assert seen["pid"], company.told()
    assert any(
        "runs elsewhere: process" in note and "on n2, slurm job" in note for note in company.status()["notes"]
    )
    refused = company.cli("resume", str(company.root), "--detach", expect=11)
    assert "is supervised already, elsewhere" in refused.stderr
    far = send_somebody_far(company, apart)
    apart.kill_daemon("n2")  # and all that runs there
    company.wait(
        lambda: all(company.agent(name)["attempt"] > far[name] for name in far),
        "a supervisor on the first host, who has others take their places",
        deadline_s=90,
    )
    company.wait_progress(deadline_s=60)
    apart.start_node("n2")
    company.finish()
    company.wait_rest("done", deadline_s=60)
    assert problems(company) == []
    wait_for(lambda: not apart.jobs(), "no job is left in the queue", deadline_s=60)
    company.assert_sound()
