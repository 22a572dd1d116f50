"""Failing system calls, injected into living processes: the file is not trusted again, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from disks import failing, injected
from orchestra import Orchestra
from processes import is_running
from troupe import Troupe
from verdict import problems

GATED = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'


@pytest.mark.linux("the exit code of a process that is no child is known")
@pytest.mark.parametrize("agent", ["theo", "will"])
def test_an_agent_whose_sync_failed_ends_and_the_next_one_goes_on(
    troupe: Troupe, agent: str, tmp_path: Path
) -> None:
    troupe.begin()
    troupe.wait_progress()
    for number in range(3):
        pid = troupe.wait_alive(agent)[agent]
        log = tmp_path / f"strace-{number}"
        with failing(pid, log, when="1"):
            troupe.wait(lambda pid=pid: not is_running(pid), "the agent has ended")
        assert injected(log) >= 1
        troupe.wait_progress()
    exits = [json.loads(path.read_text()) for path in troupe.tree.agent(agent).attempts.glob("*/exit.json")]
    assert [ended["reason"] for ended in exits].count("poisoned") == 3, exits
    assert any("Input/output error" in str(ended["detail"]) for ended in exits)
    troupe.finish()
    troupe.wait_rest("done")
    assert problems(troupe) == []
    troupe.assert_nothing_left()
    troupe.assert_sound()


def test_a_supervisor_whose_sync_failed_says_so_and_goes_on(orchestra: Orchestra, tmp_path: Path) -> None:
    orchestra.start({"ann": GATED, "bob": GATED})
    before = orchestra.wait_alive()
    first = orchestra.supervisor()
    assert first
    log = tmp_path / "strace"
    with failing(first, log):
        orchestra.do("set", "limits.max_agents", "3")
        orchestra.wait(lambda: injected(log), "a sync fails")
        told = orchestra.wait(lambda: orchestra.status()["notes"], "status tells of it")
        assert "Input/output error" in str(told)
    orchestra.wait(lambda: not orchestra.status()["notes"], "the complaint is over")
    assert orchestra.pids() == before
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 1, "bob": 1}
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_an_end_that_could_not_be_written_for_want_of_room_is_written_later(
    orchestra: Orchestra, tmp_path: Path
) -> None:
    never_again = {"kind": "command", "shell": GATED, "restart": {"max": 0}}
    orchestra.start({"ann": never_again, "bob": GATED})
    orchestra.wait_alive()
    supervisor, log = orchestra.supervisor(), tmp_path / "strace"
    assert supervisor
    exit_of_ann = orchestra.tree.agent("ann").attempt(1).exit
    with failing(supervisor, log, call="linkat", error="ENOSPC", when="1"):
        os.kill(orchestra.pids()["ann"], signal.SIGKILL)
        orchestra.wait(exit_of_ann.exists, "the end is written")
    assert injected(log) == 1
    told = json.loads(exit_of_ann.read_text())
    assert (told["by"], told["reason"]) == ("supervisor", "lost")
    orchestra.say("go")
    orchestra.wait_rest("failed")
    assert orchestra.attempts() == {"ann": 1, "bob": 1}
    orchestra.assert_nothing_left()
    orchestra.assert_sound()
