"""What holds where the mechanisms of Linux are not to be had: all runs by psutil, watchdog and polling.

The tests run with all hidden that only Linux has (names of Python, system calls, /proc), as a stand-in for
another system; two also with the portable mechanisms on this system as it is, as MAOS_SUP_SYSTEM asks for.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from orchestra import REPOSITORY, Orchestra
from processes import kill

from state_layout.host.stats import ProcessStat, all_pids, read_stat

BOTH = pytest.mark.parametrize("other", ["portable", "hidden"], indirect=True)
HIDDEN = Path(__file__).parent / "hidden"
GATED = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.05; done; echo end'
DETACHED = "setsid sh -c 'echo $$ > \"$OUT/child\"; exec sleep 100000' & " + GATED
STEPS = """
    def work(ctx):
        for number in range(6):
            ctx.step(f"step-{number}", note, number)

    def note(number):
        import os, time
        with open(os.environ["OUT"] + "/steps", "a") as file:
            file.write(f"{number}\\n")
        time.sleep(0.2)
"""


class Other(Orchestra):
    """An orchestration on another system; how it stands is asked there, too."""

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.cli("status", str(self.root), "--json", expect=0).stdout)
        return told


@pytest.fixture
def other(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Other]:
    """An orchestration whose processes have the portable mechanisms, and nothing else unless asked."""
    made = Other(tmp_path)
    made.environment["MAOS_SUP_SYSTEM"] = "portable"
    if getattr(request, "param", "hidden") == "hidden":
        made.environment["PYTHONPATH"] = f"{HIDDEN}{os.pathsep}{REPOSITORY}"
    try:
        yield made
    finally:
        made.end_all()


@BOTH
def test_what_is_hidden_is_hidden(other: Other) -> None:
    code = (
        "import os, select, sys; from state_layout.host.kernel import is_linux, read_raw\n"
        "try: read_raw('/proc/self/stat'); told = 'seen'\n"
        "except FileNotFoundError: told = 'hidden'\n"
        "print(is_linux(), told, hasattr(os, 'pidfd_open'), hasattr(select, 'epoll'))"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=other.environment, capture_output=True, text=True, check=True)
    has_it_all = str(HIDDEN) not in other.environment["PYTHONPATH"]
    assert done.stdout.split() == [
        "False",
        "seen" if has_it_all else "hidden",
        str(has_it_all),
        str(has_it_all),
    ]


def test_what_a_system_lacks_is_said_in_words(other: Other) -> None:
    told = other.cli("version", "--system", expect=0).stdout
    assert "system: portable" in told
    assert "no   orphans come to their agent (subreaper): what detaches itself is found by the mark" in told
    done = other.run({"ann": "echo hello"})
    assert done.returncode == 0 and "maos-sup version --system" in done.stderr


@BOTH
def test_a_supervisor_that_is_killed_is_replaced_and_restarts_none(other: Other) -> None:
    other.start({"ann": GATED, "bob": GATED})
    before = other.wait_alive()
    kill(the_supervisor(other))
    other.resume()
    other.wait(lambda: other.supervisor(), "the next supervisor")
    other.wait(lambda: other.pids() == before, "it has adopted both")
    kill(before["ann"])
    other.wait(lambda: other.attempts()["ann"] == 2 and other.agent("ann")["pid"], "ann lives again")
    other.say("go")
    other.wait_rest("done")
    assert other.attempts() == {"ann": 2, "bob": 1}
    other.assert_nothing_left()
    other.assert_sound()


def test_steps_are_done_once_whoever_is_killed(other: Other) -> None:
    other.file("work.py", STEPS)
    patient = {"max": 100, "backoff_s": 0.05, "backoff_max_s": 0.1}
    other.start({"ann": {"kind": "python", "callable": "work:work", "restart": patient}}, files=["work.py"])
    other.wait(lambda: (other.word("steps") or "").count("\n") >= 2, "two steps")
    kill(the_supervisor(other), *other.pids().values())
    other.resume()
    other.wait_rest("done", deadline_s=60)
    numbers = [int(line) for line in (other.word("steps") or "").split()]
    assert sorted(set(numbers)) == [*range(6)]
    assert len(numbers) <= 7, "only the one under way may have begun twice"
    other.assert_sound()


def test_stop_ends_what_went_into_a_session_of_its_own(other: Other) -> None:
    other.start({"ann": DETACHED})
    other.wait_word("child")
    child = int(other.word("child") or 0)
    other.do("stop")
    other.wait_rest("stopped")
    other.wait(lambda: _is_over(child), "what was detached is over")
    other.assert_nothing_left()


def test_what_a_dead_agent_left_is_ended(other: Other) -> None:
    other.start({"ann": DETACHED})
    pids, child = other.wait_alive(), int(other.wait_word("child"))
    kill(pids["ann"])
    other.wait(lambda: _is_over(child), "what was detached is over")
    other.say("go")
    other.wait_rest("done")
    other.assert_nothing_left()


def test_agents_are_seen_though_their_run_folder_was_deleted(other: Other) -> None:
    """No mark tells whose they are there, and no table of locks: they say again where they work."""
    other.start({"ann": GATED})
    before = other.wait_alive()
    kill(the_supervisor(other))
    other.delete_run()
    other.wait(lambda: other.pids() == before, "ann is seen without a supervisor")
    other.resume()
    other.say("go")
    other.wait_rest("done")
    assert other.attempts() == {"ann": 1}


def test_an_edit_is_noticed(other: Other) -> None:
    other.start({"ann": GATED}, intervals={"tick_s": 5.0})
    other.wait_alive()
    spec = other.tree.agent_spec("ann")
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"want": "stop"}))
    other.wait(lambda: not other.pids(), "it stopped")
    other.do("start", "--agent", "ann")
    other.say("go")
    other.wait_rest("done")


def test_processes_read_alike_by_both_ways(orchestra: Orchestra) -> None:
    """The handles that one way writes are believed by the other."""
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    code = (
        "import json, sys; from msgspec.structs import asdict\n"
        "from state_layout.host.stats import read_stat\n"
        "print(json.dumps(asdict(read_stat(int(sys.argv[1])))))"
    )
    environment = {**orchestra.environment, "MAOS_SUP_SYSTEM": "portable"}
    words = [sys.executable, "-c", code, str(program.pid)]
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        assert ProcessStat(**json.loads(done.stdout)) == read_stat(program.pid)
        assert program.pid in all_pids()
        program.send_signal(signal.SIGKILL)
        orchestra.wait(lambda: (found := read_stat(program.pid)) is not None and found.is_gone, "it is dead")
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["state"] == "Z"
    finally:
        program.kill()
        program.wait()


def the_supervisor(other: Other) -> int:
    pid = other.supervisor()
    assert pid
    return pid


def _is_over(pid: int) -> bool:
    found = read_stat(pid)
    return found is None or found.is_gone
