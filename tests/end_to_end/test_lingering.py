"""Agents that stay while their tasks wait for those of others: real processes, the real command line."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from orchestra import Orchestra
from processes import is_running

LONG = {"linger_s": 600.0}  # longer than any test: who stays in vain is found by that
APPEND = 'echo "$MAOS_TASK_ID" >> "$OUT/order"'
TWO = [
    {"id": "one", "agent": "ann"},
    {"id": "gate", "agent": "bob", "needs": ["one"], "want": "pause"},
    {"id": "two", "agent": "ann", "needs": ["gate"]},
]


def begin(orchestra: Orchestra, **more: object) -> int:
    """Start a team in which ann stays, since bob's task is paused; her process."""
    orchestra.start({"ann": APPEND, "bob": APPEND}, TWO, **{"intervals": LONG, **more})
    return staying(orchestra)


def staying(orchestra: Orchestra) -> int:
    orchestra.wait(
        lambda: orchestra.task("one")["phase"] == "done" and orchestra.agent("ann")["phase"] == "waiting",
        "ann waits",
    )
    pid: int | None = orchestra.agent("ann")["pid"]
    assert pid is not None
    return pid


def open_gate(orchestra: Orchestra) -> None:
    orchestra.do("set", "tasks/gate.want", "run")


def in_order(orchestra: Orchestra) -> list[str]:
    return (orchestra.word("order") or "").split()


def test_a_chain_goes_from_agent_to_agent_without_a_start(orchestra: Orchestra) -> None:
    names = ["ann", "bob", "cid"]
    tasks = [
        {"id": f"t{n:02}", "agent": names[n % 3], "needs": [f"t{n - 1:02}"] if n else []} for n in range(30)
    ]
    done = orchestra.run(dict.fromkeys(names, APPEND), tasks, intervals=LONG)
    assert done.returncode == 0, done.stderr
    assert in_order(orchestra) == [task["id"] for task in tasks]
    assert orchestra.attempts() == dict.fromkeys(names, 1)
    assert all(task["attempts"] == 1 for task in orchestra.status()["tasks"])
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_who_stays_gives_way_to_whom_has_a_task(orchestra: Orchestra) -> None:
    names = ["ann", "bob", "cid"]
    tasks = [
        {"id": f"t{n:02}", "agent": names[n % 3], "needs": [f"t{n - 1:02}"] if n else []} for n in range(9)
    ]
    alone = f'exec 9>>"$OUT/slot"; flock -n 9 || echo "$MAOS_AGENT" >> "$OUT/crowd"; {APPEND}'
    done = orchestra.run(dict.fromkeys(names, alone), tasks, intervals=LONG, limits={"max_agents": 1})
    assert done.returncode == 0, done.stderr
    assert in_order(orchestra) == [task["id"] for task in tasks]
    assert orchestra.word("crowd") is None
    assert orchestra.attempts() == dict.fromkeys(names, 3)
    assert all(agent["restarts"] == 0 for agent in orchestra.status()["agents"])
    orchestra.assert_sound()


def test_two_that_hand_over_to_each_other_starve_nobody(orchestra: Orchestra) -> None:
    tasks = [
        {"id": f"t{n:02}", "agent": ["ann", "bob"][n % 2], "needs": [f"t{n - 1:02}"] if n else []}
        for n in range(40)
    ]
    tasks.append({"id": "urgent", "agent": "zoe", "needs": ["t02"]})
    done = orchestra.run(
        dict.fromkeys(["ann", "bob", "zoe"], APPEND), tasks, intervals=LONG, limits={"max_agents": 2}
    )
    assert done.returncode == 0, done.stderr
    assert in_order(orchestra).index("urgent") < 30


def test_frozen_agent_that_stays_holds_its_slot_until_it_is_found_to_hang(orchestra: Orchestra) -> None:
    pid = begin(orchestra, limits={"max_agents": 1, "hang_s": 3.0})
    os.kill(pid, signal.SIGSTOP)
    open_gate(orchestra)
    orchestra.wait_rest("done", deadline_s=60)
    assert in_order(orchestra) == ["one", "gate", "two"]
    assert not is_running(pid)
    orchestra.assert_sound()


def test_need_that_is_met_is_told_at_once(orchestra: Orchestra) -> None:
    pid = begin(orchestra)
    assert orchestra.status()["phase"] == "running"
    open_gate(orchestra)
    orchestra.wait_rest("done")
    assert in_order(orchestra) == ["one", "gate", "two"]
    assert orchestra.attempts() == {"ann": 1, "bob": 1}
    assert not is_running(pid)


def test_need_that_is_skipped_is_told_at_once(orchestra: Orchestra) -> None:
    begin(orchestra)
    orchestra.do("skip", "--task", "gate")
    orchestra.wait_rest("done")
    assert in_order(orchestra) == ["one", "two"]
    assert orchestra.attempts() == {"ann": 1, "bob": 0}


def test_need_that_is_cancelled_ends_who_waits(orchestra: Orchestra) -> None:
    pid = begin(orchestra)
    orchestra.do("set", "tasks/gate.want", "cancel")
    orchestra.wait(lambda: not is_running(pid), "ann has ended")
    orchestra.wait(lambda: not orchestra.supervisor(), "the supervisor has ended")
    assert orchestra.task("two")["phase"] == "blocked"


def test_nobody_stays_for_what_can_come_no_more(orchestra: Orchestra) -> None:
    """What ann waits for waits itself for what fails: that only the supervisor knows."""
    once = {"max": 0, "window_s": 60, "backoff_s": 0.1, "backoff_max_s": 0.2}
    bad = f'{APPEND}; [ "$MAOS_TASK_ID" != breaks ]'
    done = orchestra.run(
        {"ann": APPEND, "bob": APPEND, "cid": {"kind": "command", "shell": bad, "restart": once}},
        [
            {"id": "one", "agent": "ann"},
            {"id": "begins", "agent": "bob"},
            {"id": "breaks", "agent": "cid", "needs": ["one", "begins"]},
            {"id": "between", "agent": "bob", "needs": ["breaks"]},
            {"id": "last", "agent": "ann", "needs": ["between"]},
        ],
        intervals=LONG,
    )
    assert done.returncode == 3, done.stderr
    phases = {task["id"]: task["phase"] for task in orchestra.status()["tasks"]}
    assert (phases["breaks"], phases["between"], phases["last"]) == ("failed", "blocked", "blocked")
    assert orchestra.status()["phase"] == "failed"
    orchestra.assert_nothing_left()


def test_failure_that_stops_all_ends_who_stays(orchestra: Orchestra) -> None:
    tasks = [*TWO, {"id": "breaks", "agent": "cid", "needs": ["one"]}]
    once = {"max": 0, "window_s": 60, "backoff_s": 0.1, "backoff_max_s": 0.2}
    done = orchestra.run(
        {"ann": APPEND, "bob": APPEND, "cid": {"kind": "command", "shell": "exit 1", "restart": once}},
        tasks,
        intervals=LONG,
        limits={"on_failure": "stop"},
    )
    assert done.returncode == 3, done.stderr
    orchestra.assert_nothing_left()


def test_killed_while_it_stays_it_comes_again_for_its_task(orchestra: Orchestra) -> None:
    pid = begin(orchestra)
    os.kill(pid, signal.SIGKILL)
    orchestra.wait(lambda: orchestra.agent("ann")["restarts"] == 1, "its death is noticed")
    assert orchestra.agent("ann")["phase"] == "waiting"
    open_gate(orchestra)
    orchestra.wait_rest("done")
    assert in_order(orchestra) == ["one", "gate", "two"]
    assert orchestra.attempts() == {"ann": 2, "bob": 1}
    orchestra.assert_sound()


def test_next_supervisor_adopts_and_calls_who_stays(orchestra: Orchestra) -> None:
    begin(orchestra)
    killed = orchestra.supervisor()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    orchestra.wait(lambda: not is_running(killed), "the supervisor is gone")
    open_gate(orchestra)
    orchestra.resume()
    orchestra.wait_rest("done")
    assert in_order(orchestra) == ["one", "gate", "two"]
    assert orchestra.attempts() == {"ann": 1, "bob": 1}


def test_who_stays_calls_a_killed_supervisor_back(orchestra: Orchestra) -> None:
    """Nobody else lives that could settle a task and find itself alone."""
    begin(orchestra)
    killed = orchestra.supervisor()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    orchestra.wait(lambda: not is_running(killed), "the supervisor is gone")
    open_gate(orchestra)
    orchestra.wait_rest("done")
    assert in_order(orchestra) == ["one", "gate", "two"]
    assert orchestra.attempts() == {"ann": 1, "bob": 1}
    orchestra.assert_sound()


def test_everybody_is_killed_while_one_stays(orchestra: Orchestra) -> None:
    pid, supervisor = begin(orchestra), orchestra.supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    orchestra.wait(lambda: orchestra.phase() == "interrupted", "nobody lives")
    open_gate(orchestra)
    orchestra.resume()
    orchestra.wait_rest("done")
    assert in_order(orchestra) == ["one", "gate", "two"]
    orchestra.assert_sound()


@pytest.mark.parametrize("want", ["pause", "stop"])
def test_it_obeys_while_it_stays(orchestra: Orchestra, want: str) -> None:
    pid = begin(orchestra)
    orchestra.do(want)
    orchestra.wait(lambda: not is_running(pid), "ann has ended")
    open_gate(orchestra)
    orchestra.resume()
    orchestra.wait_rest("done")
    assert in_order(orchestra) == ["one", "gate", "two"]
    assert all(agent["restarts"] == 0 for agent in orchestra.status()["agents"])


def test_edit_of_itself_makes_it_begin_anew(orchestra: Orchestra) -> None:
    pid = begin(orchestra)
    orchestra.do("set", "agents/ann.env.COLOUR", "red")
    orchestra.wait(lambda: not is_running(pid), "ann has ended")
    open_gate(orchestra)
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 2, "bob": 1}


def test_copy_that_is_made_meanwhile_goes_on_and_so_does_the_original(
    orchestra: Orchestra, tmp_path: Path
) -> None:
    pid = begin(orchestra)
    copy = Orchestra(tmp_path, root=tmp_path / "copy", id=orchestra.id)
    shutil.copytree(orchestra.root, copy.root)
    copy.resume()
    open_gate(copy)
    copy.wait_rest("done")
    assert copy.attempts() == {"ann": 2, "bob": 1}
    assert is_running(pid)
    open_gate(orchestra)
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 1, "bob": 1}
    copy.assert_sound()


def test_nobody_stays_where_that_is_not_wanted(orchestra: Orchestra) -> None:
    orchestra.start({"ann": APPEND, "bob": APPEND}, TWO, intervals={"linger_s": 0})
    orchestra.wait(lambda: orchestra.task("one")["phase"] == "done", "one is done")
    orchestra.wait(lambda: orchestra.agent("ann")["pid"] is None, "ann has ended")
    assert orchestra.agent("ann")["phase"] == "waiting"
    open_gate(orchestra)
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 2, "bob": 1}
