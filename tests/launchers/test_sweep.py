"""What dead agents left running is found and ended; nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import IDLE, WORN, Lab, runs, started

from state_layout.host.marks import mark_of
from state_layout.paths import Tree

MARKED = "{**os.environ, 'MAOS_MARK': '%s'}"


def kill(lab: Lab, agent: str = "bob") -> None:
    """kill -9 an agent and wait until it is seen dead."""
    os.kill(lab.observed(agent).pid, signal.SIGKILL)
    lab.wait(lambda: agent not in lab.launcher.living())


def leave(lab: Lab, command: str, *, agent: str = "bob", attempt: int = 1) -> int:
    """Let an agent start `command` with its mark and die; the pid of what it left."""
    mark = lab.mark(agent, attempt)
    lab.start(agent, started(command, "left.pid", env=MARKED % mark) + IDLE)
    pid = lab.number("left.pid")
    lab.path("left.pid").unlink()
    kill(lab, agent)
    assert runs(pid)
    return pid


@pytest.mark.parametrize(
    "command",
    [
        "['sleep', '1000']",
        "['env', '-u', 'HOME', 'sleep', '1000']",
        "['sh', '-c', 'trap \"\" TERM HUP INT; while :; do sleep 1000; done']",
        "['sh', '-c', 'kill -STOP $$; sleep 1000']",
    ],
)
def test_leftover_is_ended(any_lab: Lab, command: str) -> None:
    pid = leave(any_lab, command)
    assert any_lab.launcher.sweep({any_lab.mark("bob")}).left == ()
    assert not runs(pid)


def test_daemon_that_forked_twice_is_ended(any_lab: Lab) -> None:
    script = f"(setsid sh -c 'echo $$ > {any_lab.path('daemon.pid')}; exec sleep 1000' &) &"
    leave(any_lab, f"['sh', '-c', {script!r} + ' sleep 1000']")
    pid = any_lab.number("daemon.pid")
    assert any_lab.launcher.sweep({any_lab.mark("bob")}).ended >= 2
    assert not runs(pid)


def test_child_without_an_environment_ends_with_its_parent(any_lab: Lab) -> None:
    script = f"env -i setsid sh -c 'echo $$ > {any_lab.path('bare.pid')}; exec sleep 1000' & sleep 1000"
    leave(any_lab, f"['sh', '-c', {script!r}]")
    pid = any_lab.number("bare.pid")
    any_lab.launcher.sweep({any_lab.mark("bob")})
    assert not runs(pid)


@pytest.mark.linux("a dead agent that is kept until its session was looked at")
def test_process_without_an_environment_in_the_session_of_a_dead_agent_is_ended(lab: Lab) -> None:
    bare = (
        "import subprocess\nbare = subprocess.Popen(['sleep', '1000'], env={})\n"
        "(root / 'bare.pid').write_text(f'{bare.pid}\\n')\n"
    )
    lab.start("bob", bare + IDLE)
    pid = lab.number("bare.pid")
    kill(lab)
    lab.launcher.sweep({lab.mark("alice")})
    assert runs(pid)
    lab.launcher.sweep({lab.mark("bob")})
    assert not runs(pid)


def test_forked_child_of_an_agent_that_wears_its_mark_is_ended(any_lab: Lab) -> None:
    fork = (
        "import os, signal\nif not os.fork():\n    os.setsid()\n"
        "    (root / 'fork.pid').write_text(f'{os.getpid()}\\n')\n"
        "    while True: signal.pause()\n"
    )
    any_lab.start("bob", WORN + fork + IDLE)
    pid = any_lab.number("fork.pid")
    kill(any_lab)
    any_lab.launcher.sweep({any_lab.mark("bob")})
    assert not runs(pid)


def test_other_attempts_agents_and_copies_are_not_touched(any_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    strangers = {
        any_lab.mark("bob", 2),
        any_lab.mark("bob", 11),
        any_lab.mark("alice", 1),
        mark_of(Tree(tmp_path / "copy"), "bob", 1),
        any_lab.mark("bob", 1) + "x",
        "-",
        "",
    }
    processes = [
        subprocess.Popen(["sleep", "1000"], env={**os.environ, "MAOS_MARK": mark}, start_new_session=True)
        for mark in strangers
    ]
    pid = leave(any_lab, "['sleep', '1000']")
    any_lab.launcher.sweep({any_lab.mark("bob")})
    assert not runs(pid)
    assert [process.poll() for process in processes] == [None] * len(strangers)
    for process in processes:
        process.kill()
        process.wait()


def test_orphan_of_a_living_agent_is_not_touched(lab: Lab) -> None:
    shell = f"setsid sh -c 'echo $$ > {lab.path('daemon.pid')}; exec sleep 1000' &"
    lab.start("alice", started(f"['sh', '-c', {shell!r}]", "shell.pid") + IDLE)
    pid = lab.number("daemon.pid")
    leave(lab, "['sleep', '1000']")
    lab.launcher.sweep({lab.mark("bob")})
    assert runs(pid)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.linux("a process that forks agents")
def test_leftover_is_found_after_the_zygote_died(lab: Lab) -> None:
    pid = leave(lab, "['sleep', '1000']")
    from test_zygote import zygote_of

    zygote = zygote_of(lab)
    os.kill(zygote, signal.SIGKILL)
    lab.wait(lambda: zygote_of(lab) not in (0, zygote))
    lab.launcher.sweep({lab.mark("bob")})
    assert not runs(pid)


@pytest.mark.parametrize("started_here", [False, True])
def test_leftover_of_an_earlier_supervisor_is_found_anywhere(lab: Lab, *, started_here: bool) -> None:
    """Its parent is neither the zygote nor this launcher's process."""
    if started_here:
        lab.start("alice")
    shell = f"MAOS_MARK={lab.mark('bob')} setsid sleep 1000 & echo $! > {lab.path('far.pid')}; wait"
    with subprocess.Popen(["sh", "-c", shell], start_new_session=True) as holder:
        pid = lab.number("far.pid")
        assert lab.launcher.sweep({lab.mark("bob"), lab.mark("alice")}).ended == 1
        assert not runs(pid)
        assert holder.wait() == 0


def test_leftover_of_an_adopted_agent_is_found_anywhere(lab: Lab) -> None:
    from test_adoption import write_handle

    shell = f"MAOS_MARK={lab.mark('bob')} setsid sleep 1000 & echo $! > {lab.path('far.pid')}; wait"
    with subprocess.Popen(["sh", "-c", shell], start_new_session=True) as holder:
        pid = lab.number("far.pid")
        with subprocess.Popen(["sleep", "1000"]) as agent:
            write_handle(lab.tree, "bob", agent.pid)
            lab.launcher.adopt("bob")
            agent.kill()
            lab.wait(lambda: not lab.launcher.living())
        lab.launcher.sweep({lab.mark("bob")})
        assert not runs(pid)
        holder.wait()


def test_hundred_leftovers_of_many_agents_are_ended_at_once(lab: Lab) -> None:
    names = [f"a{number}" for number in range(10)]
    for name in names:
        script = "\n".join(
            started("['sleep', '1000']", f"{name}.{n}", env=MARKED % lab.mark(name)) for n in range(10)
        )
        lab.start(name, script + IDLE)
    pids = [lab.number(f"{name}.{n}") for name in names for n in range(10)]
    lab.launcher.cancel(names, grace_s=30)
    lab.wait(lambda: not lab.launcher.living())
    swept = lab.launcher.sweep({lab.mark(name) for name in names})
    assert (swept.ended, swept.left) == (100, ())
    assert not any(runs(pid) for pid in pids)


def test_sweeping_again_finds_nothing(any_lab: Lab) -> None:
    leave(any_lab, "['sleep', '1000']")
    assert any_lab.launcher.sweep({any_lab.mark("bob")}).ended == 1
    assert any_lab.launcher.sweep({any_lab.mark("bob")}).ended == 0


def test_supervisor_that_wears_a_mark_to_be_swept_is_spared(
    new_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = new_lab()
    pid = lab.start("alice")
    lab.launcher.sweep({"-", lab.mark("bob")})
    assert runs(pid) and lab.launcher.living() == {"alice"}
