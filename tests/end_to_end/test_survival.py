"""Whatever is killed: the others go on, nothing runs twice, nothing is left over. kill -9 throughout."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from orchestra import Orchestra, wait_for
from processes import children_of, command_line, is_running, kill, state_of

from state_layout.host.triggers import trigger_folder, trigger_path

GATED = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
FAST = {"max": 100, "window_s": 1, "backoff_s": 0.05, "backoff_max_s": 0.1}
# Children in sessions of their own: one with a living parent, one whose parent is gone, one with a new name.
HIDERS = """
setsid sleep 600 &
(setsid sh -c 'sleep 600; :' &)
setsid sh -c '(sleep 600; :) & exec sleep 600' &
"""


def shell(line: str, **more: object) -> dict[str, object]:
    return {"kind": "command", "shell": line, **more}


def published_life(orchestra: Orchestra) -> int:
    """The life of the supervisor that published last."""
    return int(json.loads(orchestra.tree.supervisor_status.read_text())["life"])


def test_twenty_agents_keep_their_processes_when_the_supervisor_is_killed(orchestra: Orchestra) -> None:
    names = [f"agent{number:02d}" for number in range(20)]
    orchestra.start(dict.fromkeys(names, GATED), limits={"max_agents": 20})
    before = orchestra.wait_alive()
    orchestra.wait(lambda: all(map(orchestra.program, names)), "all programs run")
    programs = {name: orchestra.program(name) for name in names}
    first = orchestra.supervisor()
    assert first and len(before) == 20
    kill(first)
    orchestra.wait(lambda: orchestra.supervisor() is None, "the supervisor is dead")
    assert orchestra.pids() == before
    orchestra.resume()
    orchestra.wait(lambda: orchestra.supervisor() not in (None, first), "another supervisor")
    orchestra.wait(lambda: published_life(orchestra) == 2, "it has looked around")
    assert {(event["agent"], event["attempt"]) for event in orchestra.events("adopted")} == {
        (n, 1) for n in names
    }
    assert orchestra.pids() == before
    assert {name: orchestra.program(name) for name in names} == programs
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert set(orchestra.attempts().values()) == {1}
    assert all(agent["restarts"] == 0 for agent in orchestra.status()["agents"])
    assert {orchestra.output(name) for name in names} == {"begin 1\nend\n"}
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_a_dead_supervisor_is_replaced_by_an_agent_that_settles_a_task(orchestra: Orchestra) -> None:
    tasks = [{"id": "one", "agent": "ann"}, {"id": "two", "agent": "bob", "needs": ["one"]}]
    orchestra.start({"ann": GATED, "bob": "echo hi"}, tasks)
    orchestra.wait_alive("ann")
    first = orchestra.supervisor()
    assert first
    kill(first)
    orchestra.wait(lambda: orchestra.supervisor() is None, "the supervisor is dead")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert [task["phase"] for task in orchestra.status()["tasks"]] == ["done", "done"]
    assert orchestra.attempts() == {"ann": 1, "bob": 1}
    orchestra.assert_nothing_left()


def test_agents_pause_with_no_supervisor_alive(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED})
    orchestra.wait_alive()
    kill(orchestra.supervisor() or 0)
    orchestra.wait(lambda: orchestra.supervisor() is None, "the supervisor is dead")
    orchestra.do("pause")
    orchestra.wait(lambda: not orchestra.pids(), "the agent is gone")
    assert orchestra.phase() == "paused"
    assert orchestra.supervisor() is None
    orchestra.say("go")
    orchestra.resume()
    orchestra.wait_rest("done")


def test_a_second_supervisor_says_who_holds_the_tree(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED})
    orchestra.wait_alive()
    first = orchestra.supervisor()
    done = orchestra.cli("supervise", str(orchestra.root))
    assert done.returncode == 11
    assert f"process {first}" in done.stderr
    assert orchestra.supervisor() == first
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_two_resumes_at_once_make_one_supervisor(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED})
    before = orchestra.wait_alive()
    kill(orchestra.supervisor() or 0)
    both = [orchestra.begin_cli("resume", str(orchestra.root), "--detach") for _ in range(2)]
    assert [process.wait(30) for process in both] == [0, 0], [process.communicate() for process in both]
    for process in both:
        process.communicate()

    def supervisors() -> list[int]:
        return [pid for pid, line in orchestra.leftovers().items() if "maos_sup supervise" in line]

    orchestra.wait(lambda: len(supervisors()) == 1, "one of them gives way")
    assert supervisors() == [orchestra.supervisor()]
    assert orchestra.pids() == before
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_stop_ends_children_that_hid_in_sessions_of_their_own(orchestra: Orchestra) -> None:
    orchestra.start({"ann": HIDERS + 'touch "$OUT/hidden"; sleep 600'}, limits={"stop_grace_s": 0.5})
    orchestra.wait_word("hidden")
    orchestra.wait(lambda: len(orchestra.marked()) >= 7, "all of them run")
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    orchestra.assert_nothing_left()


def test_children_that_ignore_the_end_are_killed(orchestra: Orchestra) -> None:
    child = "setsid sh -c \"trap '' TERM HUP INT; sleep 600; sleep 600\""
    line = f"{child} & trap '' TERM; touch \"$OUT/on\"; sleep 600; sleep 600"
    orchestra.start({"ann": line}, limits={"stop_grace_s": 0.3})
    orchestra.wait_word("on")
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    orchestra.assert_nothing_left()


def test_what_a_killed_agent_left_running_ends_before_the_next_attempt(orchestra: Orchestra) -> None:
    line = HIDERS + 'touch "$OUT/hidden-$MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done'
    orchestra.start({"ann": shell(line, restart=FAST)})
    for attempt in range(1, 4):
        orchestra.wait_word(f"hidden-{attempt}")
        kill(orchestra.pids()["ann"])
    orchestra.wait_word("hidden-4")
    assert {mark.rpartition(":")[2] for mark in orchestra.marked().values()} == {"4"}
    orchestra.say("go")
    orchestra.wait_rest("done")
    orchestra.assert_nothing_left()


def test_what_a_program_wrote_after_its_agent_died_is_not_lost(orchestra: Orchestra) -> None:
    orchestra.file(
        "writes.py",
        """
        import os, pathlib, sys, time
        out = pathlib.Path(os.environ["OUT"])
        if os.environ["MAOS_ATTEMPT"] == "1":
            agent = os.getppid()
            (out / "ready").touch()
            while os.getppid() == agent:
                time.sleep(0.001)
            print("found: after its death", flush=True)     # nobody listens now
            control = int(os.environ["MAOS_CONTROL_FD"])
            os.write(control, b'{"send": {"to": "bob", "text": "from the grave"}}\\n')
            (out / "wrote").touch()
            time.sleep(600)
        """,
    )
    orchestra.file("ears.py", "def main(ctx):\n    return [ctx.receive().text for _ in range(2)]\n")
    agents = {
        "ann": {"kind": "command", "command": ["python3", "writes.py"], "restart": FAST},
        "bob": {"kind": "python", "callable": "ears:main"},
    }
    orchestra.start(agents)
    orchestra.wait_word("ready")
    supervisor = orchestra.supervisor() or 0
    kill(supervisor, with_signal=signal.SIGSTOP)  # or what it leaves is ended before it has written
    kill(orchestra.pids()["ann"])
    orchestra.wait_word("wrote")
    kill(supervisor, with_signal=signal.SIGCONT)
    status = orchestra.wait_rest("done")
    heard = next(task["result"] for task in status["tasks"] if task["id"] == "bob")
    assert sorted(heard) == ["after its death", "from the grave"]


def test_steps_are_done_exactly_once_over_kills(orchestra: Orchestra) -> None:
    orchestra.file(
        "steps.py",
        """
        import os, pathlib, time

        OUT = pathlib.Path(os.environ["OUT"])

        def main(ctx):
            total = 0
            for number in range(200):
                total += ctx.step(f"add-{number}", add, ctx, number)
            return {"total": total, "kept": ctx.state["total"]}

        def add(ctx, number):
            ctx.state["total"] = ctx.state.get("total", 0) + number
            ctx.send("bob", body=number)
            with open(OUT / "calls", "a") as file:
                file.write(f"{number}\\n")
            time.sleep(0.01)
            return number
        """,
    )
    orchestra.file("sums.py", "def main(ctx):\n    return [ctx.receive().body for _ in range(200)]\n")
    agents = {
        "ann": {"kind": "python", "callable": "steps:main", "restart": FAST},
        "bob": {"kind": "python", "callable": "sums:main", "restart": FAST},
    }
    orchestra.start(agents, intervals={"checkpoint_s": 0.3})
    killed = 0

    def calls() -> list[str]:
        return (orchestra.word("calls") or "").split()

    for least in range(20, 181, 20):
        orchestra.wait(lambda least=least: len(calls()) >= least, f"{least} calls")
        pids = orchestra.pids()
        kill(*pids.values())
        killed += len(pids)
    orchestra.wait_rest("done")
    results = {task["id"]: task["result"] for task in orchestra.status()["tasks"]}
    assert results["ann"] == {"total": sum(range(200)), "kept": sum(range(200))}
    assert results["bob"] == list(range(200))
    again = [number for number, times in Counter(calls()).items() if times > 1]
    assert len(again) <= 9, "only a step that was cut short is called again"
    assert killed >= 9
    orchestra.assert_sound()


def test_a_hung_agent_is_killed_and_replaced_and_a_silent_program_is_not(orchestra: Orchestra) -> None:
    agents = {"ann": shell(GATED, restart=FAST), "bob": 'while [ ! -e "$OUT/go" ]; do sleep 0.2; done'}
    orchestra.start(agents, limits={"hang_s": 1})
    before = orchestra.wait_alive()
    kill(before["ann"], with_signal=signal.SIGSTOP)
    orchestra.wait(lambda: not is_running(before["ann"]), "the hung one is killed")
    orchestra.wait(
        lambda: orchestra.agent("ann")["attempt"] == 2 and orchestra.agent("ann")["pid"], "replaced"
    )
    assert "no beat" in json.dumps(orchestra.events("end"))
    assert orchestra.pids()["bob"] == before["bob"]
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 2, "bob": 1}
    orchestra.assert_nothing_left()


def test_a_stopped_program_is_not_a_hung_agent(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED}, limits={"hang_s": 0.6})
    before = orchestra.wait_alive()
    program = orchestra.wait(lambda: orchestra.program("ann"), "its program")
    kill(program, with_signal=signal.SIGSTOP)
    beats = orchestra.tree.beat("ann")
    first = int(beats.read_text().split()[0].removeprefix("beat="))
    orchestra.wait(lambda: int(beats.read_text().split()[0].removeprefix("beat=")) > first + 8, "many beats")
    assert (state_of(program), orchestra.pids()) == ("T", before)
    kill(program, with_signal=signal.SIGCONT)
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 1}


def test_run_is_made_again_when_it_is_deleted(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED, "bob": GATED})
    before = orchestra.wait_alive()
    first = orchestra.supervisor()
    orchestra.delete_run()
    orchestra.wait(
        lambda: orchestra.pids() == before and orchestra.supervisor() == first, "all are seen again"
    )
    kill(first or 0)
    orchestra.delete_run()
    orchestra.wait(lambda: orchestra.pids() == before, "the agents are seen without a supervisor")
    orchestra.resume()
    orchestra.wait(lambda: orchestra.pids() == before, "both are adopted")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert set(orchestra.attempts().values()) == {1}
    assert orchestra.output("ann") == "begin 1\nend\n"
    orchestra.assert_nothing_left()


def test_what_a_quiet_agent_did_is_known_after_run_was_deleted(orchestra: Orchestra) -> None:
    line = 'case $MAOS_TASK_ID in long) while [ ! -e "$OUT/go" ]; do sleep 0.1; done;; esac'
    tasks = [
        {"id": "first", "agent": "ann"},
        {"id": "long", "agent": "ann", "needs": ["first"]},
        {"id": "next", "agent": "bob", "needs": ["first"], "want": "pause"},
    ]
    orchestra.start({"ann": line, "bob": "echo hi"}, tasks)
    orchestra.wait(lambda: orchestra.task("long")["phase"] == "running", "the long task runs")
    kill(orchestra.supervisor() or 0)
    orchestra.delete_run()
    orchestra.do("start", "--task", "next")
    orchestra.resume()
    orchestra.wait(lambda: orchestra.task("next")["phase"] == "done", "what needs the first task is done")
    assert orchestra.status()["notes"] == []
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 1, "bob": 1}


@pytest.mark.linux("agents are forked")
def test_agents_go_on_without_their_zygote(orchestra: Orchestra) -> None:
    later = [{"id": "now", "agent": "ann"}, {"id": "later", "agent": "bob", "needs": ["now"]}]
    orchestra.start({"ann": GATED, "bob": "echo hi"}, later)
    before = orchestra.wait_alive("ann")
    zygotes = [pid for pid in children_of(orchestra.supervisor() or 0) if "zygote" in command_line(pid)]
    assert len(zygotes) == 1
    kill(*zygotes)
    orchestra.wait(lambda: not is_running(zygotes[0]), "it is dead")
    assert orchestra.pids() == before
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 1, "bob": 1}
    orchestra.assert_nothing_left()


def test_everything_killed_at_once_goes_on_where_it_was(orchestra: Orchestra) -> None:
    orchestra.start({"ann": shell(GATED, restart=FAST), "bob": shell(GATED, restart=FAST)})
    orchestra.wait_alive()
    orchestra.wait(
        lambda: "begin" in orchestra.output("ann") and "begin" in orchestra.output("bob"), "at work"
    )
    orchestra.end_all()
    assert orchestra.phase() == "interrupted"
    told = orchestra.do("status")
    assert "ann" in told
    orchestra.say("go")
    orchestra.resume()
    orchestra.wait_rest("done")
    assert orchestra.output("ann") == "begin 1\nbegin 2\nend\n"
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_a_program_that_is_killed_is_a_failed_attempt_and_the_agent_tries_again(orchestra: Orchestra) -> None:
    orchestra.start({"ann": shell(GATED, restart=FAST)})
    orchestra.wait_alive()
    kill(orchestra.wait(lambda: orchestra.program("ann"), "its program"))
    orchestra.wait(lambda: "begin 2" in orchestra.output("ann"), "the second attempt")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert any("SIGKILL" in event["reason"] for event in orchestra.events("restart"))


def test_a_tree_that_is_moved_while_it_runs_goes_on_in_its_new_place(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED, "bob": GATED})
    orchestra.wait_alive()
    orchestra.wait(
        lambda: "begin" in orchestra.output("ann") and "begin" in orchestra.output("bob"), "at work"
    )
    moved = Orchestra(orchestra.folder, root=orchestra.folder / "moved", id=orchestra.id)
    orchestra.root.rename(moved.root)
    wait_for(lambda: not orchestra.leftovers(), "all ends where the tree is gone", told=moved.told)
    orchestra.say("go")
    moved.resume()
    moved.wait_rest("done")
    assert moved.output("ann").splitlines() == ["begin 1", "begin 2", "end"]
    moved.assert_nothing_left()
    moved.assert_sound()


def test_triggers_are_made_again_when_their_folder_is_deleted(
    orchestra: Orchestra, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        if name in orchestra.environment:
            monkeypatch.setenv(name, orchestra.environment[name])
        else:
            monkeypatch.delenv(name, raising=False)
    orchestra.start({"ann": GATED}, intervals={"tick_s": 0.1})
    orchestra.wait_alive()
    for _ in range(2):
        shutil.rmtree(trigger_folder(orchestra.tree))
        orchestra.wait(lambda: listens(trigger_path(orchestra.tree, "supervisor")), "it can be pulled")
    orchestra.say("go")
    orchestra.wait_rest("done")
    orchestra.assert_sound()


def listens(fifo: Path) -> bool:
    """Somebody reads: else it cannot be opened for writing."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
