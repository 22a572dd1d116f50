"""A writer that was suspended, or cut off, wakes up beside its successor: nothing that it writes counts.

Two attempts of one agent, each as a job on another machine lives, in pid namespaces of their own where this
user may make them: so neither can see, or end, the other. No Slurm is needed for that.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from orchestra import Orchestra, wait_for
from processes import children_of, state_of

from maos_sup.agents.placed import FENCED
from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.plan import build_tree, load_plan
from state_layout.files.journal import Reader
from state_layout.host.marks import MARK_VARIABLE, blank_mark
from state_layout.lives.attempts import all_lines
from state_layout.lives.leases import read_lease

HERE = Path(__file__).parent
BOOT = "from maos_sup.launchers.zygote import execute; execute()"
NUMBERS = """
n=0
while [ ! -e "$OUT/finish" ]; do n=$((n+1)); echo "found: $MAOS_ATTEMPT.$n"; sleep 0.02; done
"""


class Rivals:
    """Attempts of the agent `ann`, each on a machine of its own."""

    def __init__(self, team: Orchestra) -> None:
        self.team, self.tree = team, team.tree
        self.living = list[subprocess.Popen[bytes]]()

    def begin(
        self, attempt: int, *, stop: str = "", is_apart: bool = True, **variables: str
    ) -> subprocess.Popen[bytes]:
        """Begin an attempt; with `stop` it stops in the middle of an append."""
        environment = {
            **self.team.environment,
            "MAOS_SUP_ATTEMPT": str(attempt),
            "MAOS_SUP_LAUNCHER": "test",
            "MAOS_SUP_JOB": str(attempt),
            "MAOS_SUP_TEST_STOP": stop,
            "PYTHONPATH": f"{self.team.environment['PYTHONPATH']}:{HERE}",
            MARK_VARIABLE: blank_mark(),
            **variables,
        }
        agent = [sys.executable, "-P", "-c", BOOT, "fenced_entry:main", str(self.tree.root), "ann"]
        with (self.team.folder / f"attempt-{attempt}.out").open("ab") as out:
            process = subprocess.Popen(
                [*(_apart() if is_apart else ()), *agent],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.living.append(process)
        return process

    def agent_of(self, process: subprocess.Popen[bytes]) -> int:
        """The pid of the agent that `process` runs, seen from here."""
        [init] = wait_for(lambda: children_of(process.pid), "its machine runs")
        [agent] = wait_for(lambda: children_of(init), "it runs")
        return agent

    def wait_lines(self, attempt: int, count: int) -> None:
        """Wait until the attempt has journaled so many lines."""
        journal = self.tree.agent("ann").attempt(attempt).journal
        wait_for(
            lambda: journal.exists() and journal.read_bytes().count(b"\n") >= count,
            f"{count} lines of attempt {attempt}",
            told=lambda: (self.team.folder / f"attempt-{attempt}.out").read_text(),
        )

    def finish(self, process: subprocess.Popen[bytes]) -> None:
        """Let the agent come to its end."""
        (self.team.outside / "finish").touch()
        assert process.wait(60) == 0, (self.team.folder / "attempt-2.out").read_text()

    def end(self) -> None:
        for process in self.living:
            if process.poll() is None:
                process.kill()  # and its machine with it
                process.wait()


def _apart() -> list[str]:
    """A machine of its own, as far as processes can tell. Its first process hears no signal of its own."""
    return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh"]


@pytest.fixture
def rivals(orchestra: Orchestra) -> Iterator[Rivals]:
    if shutil.which("unshare") is None or os.getuid() != 0:
        pytest.skip("only root may make pid namespaces here: the successor would end its rival at once")
    ann = {"kind": "command", "shell": NUMBERS, "env": {"OUT": str(orchestra.outside)}}
    ann["task"] = "count"
    plan = orchestra.plan({"ann": ann}, intervals={"lease_s": 2, "save_s": 0.1})
    build_tree(load_plan(plan, kinds=kind_shapes()), orchestra.root)
    made = Rivals(orchestra)
    try:
        yield made
    finally:
        made.end()


def assert_one_counts(rivals: Rivals) -> None:
    """Every message was journaled once, by a line that counts, and is in the mail once; all chains hold."""
    tree = rivals.tree
    sent = []
    for line in all_lines(tree, "ann"):
        fields = line.fields()
        if fields["type"] == "sent":
            sent += [message["text"] for message in fields["sent"]]
    reader = Reader(tree.mail_file("all", "ann"))
    mailed = [json.loads(line.raw)["text"] for line in reader]
    assert reader.damage is None
    assert mailed == sent
    assert len(set(sent)) == len(sent)
    done = rivals.team.cli("check", "--json", str(tree.root))
    told = [each for each in json.loads(done.stdout)["problems"] if each["finding"] != "lives_missing"]
    assert {each["finding"] for each in told} <= {"void"}  # no supervisor was needed
    assert all(each["what"].startswith("1 line ") for each in told)  # the one that was being written


@pytest.mark.parametrize("part", ["/mail/", "/0001/journal"])
@pytest.mark.parametrize("number", [3, 8])
def test_a_writer_stopped_within_an_append_wakes_up_fenced(rivals: Rivals, part: str, number: int) -> None:
    first = rivals.begin(1, stop=f"{part}:{number}")
    wait_for(lambda: state_of(rivals.agent_of(first)) == "T", "the first one stands")
    second = rivals.begin(2)
    rivals.wait_lines(2, 10)
    os.kill(rivals.agent_of(first), signal.SIGCONT)
    assert first.wait(30) == FENCED
    rivals.finish(second)
    assert_one_counts(rivals)


def test_a_writer_suspended_anywhere_wakes_up_fenced(rivals: Rivals) -> None:
    chance = random.Random(15)
    before = rivals.begin(1)
    for attempt in range(2, 8):
        rivals.wait_lines(attempt - 1, chance.randrange(4, 15))
        os.kill(rivals.agent_of(before), signal.SIGSTOP)
        after = rivals.begin(attempt)
        rivals.wait_lines(attempt, 4)
        os.kill(rivals.agent_of(before), signal.SIGCONT)
        assert before.wait(30) == FENCED
        before = after
    rivals.finish(before)
    assert_one_counts(rivals)


@pytest.mark.parametrize("system", ["linux", "portable"])
def test_a_writer_suspended_on_the_same_machine_is_ended_by_its_successor(
    rivals: Rivals, system: str
) -> None:
    first = rivals.begin(1, is_apart=False, MAOS_SUP_SYSTEM=system)
    rivals.wait_lines(1, 4)
    first.send_signal(signal.SIGSTOP)
    second = rivals.begin(2, is_apart=False, MAOS_SUP_SYSTEM=system)
    rivals.wait_lines(2, 4)
    assert first.wait(30) == -signal.SIGKILL
    rivals.finish(second)
    assert_one_counts(rivals)


def test_of_two_jobs_for_one_attempt_the_second_leaves_without_a_word(rivals: Rivals) -> None:
    first = rivals.begin(1)
    rivals.wait_lines(1, 4)
    second = rivals.begin(1)
    assert second.wait(30) == 0
    lease = read_lease(rivals.tree.agent("ann").attempt(1))
    assert lease is not None
    assert lease.launcher == "test"
    rivals.finish(first)
    assert_one_counts(rivals)


def test_a_writer_that_cannot_renew_its_lease_stops(rivals: Rivals) -> None:
    first = rivals.begin(1)
    rivals.wait_lines(1, 4)
    pid = rivals.agent_of(first)
    os.kill(pid, signal.SIGSTOP)
    lease = rivals.tree.agent("ann").attempt(1).lease
    stood = lease.stat().st_mtime_ns
    wait_for(lambda: _seconds_since(stood) > 2.5, "its lease has run out")
    os.kill(pid, signal.SIGCONT)
    assert first.wait(30) == FENCED
    assert not rivals.tree.agent("ann").attempt(1).exit.exists()


def _seconds_since(stamp_ns: int) -> float:
    probe = Path(os.environ.get("TMPDIR", "/tmp")) / f"fence-{os.getpid()}"
    probe.touch()
    try:
        return (probe.stat().st_mtime_ns - stamp_ns) / 1e9
    finally:
        probe.unlink()
