"""Agents end with all that descends from them, all at once, and nobody waits for it."""

from __future__ import annotations

import os
import signal
import time

from lab import IDLE, Lab, runs, started

DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
GRANDCHILD = started("['sleep', '1000']", "child.pid")


def test_agent_that_hears_ends_by_itself(any_lab: Lab) -> None:
    polite = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\n" + IDLE
    any_lab.start("bob", polite)
    any_lab.launcher.cancel(["bob"], grace_s=30)
    any_lab.wait_quietly(lambda: not any_lab.launcher.living())
    assert any_lab.ended("bob").exit_code == 4


def test_agent_that_does_not_hear_is_killed_after_its_grace(any_lab: Lab) -> None:
    any_lab.start("bob", DEAF + IDLE)
    began_s = time.monotonic()
    any_lab.launcher.cancel(["bob"], grace_s=0.3)
    any_lab.wait_quietly(lambda: not any_lab.launcher.living())
    assert time.monotonic() - began_s >= 0.3  # never early
    assert any_lab.ended("bob").signal == signal.SIGKILL


def test_stopped_agent_hears_the_request(lab: Lab) -> None:
    pid = lab.start("bob")
    os.kill(pid, signal.SIGSTOP)
    lab.launcher.cancel(["bob"], grace_s=30)
    assert lab.ended("bob").signal == signal.SIGTERM


def test_many_deaf_agents_share_one_deadline(lab: Lab) -> None:
    names = [f"a{number}" for number in range(20)]
    for name in names:
        lab.start(name, DEAF + IDLE)
    lab.launcher.cancel(names, grace_s=2)
    lab.wait_quietly(lambda: not lab.launcher.living())


def test_no_grace_kills_at_the_next_poll(lab: Lab) -> None:
    pid = lab.start("bob", DEAF + IDLE)
    lab.launcher.cancel(["bob"], grace_s=0)
    lab.wait_quietly(lambda: not lab.launcher.living())
    assert not runs(pid)


def test_second_request_may_shorten_the_grace_not_extend_it(lab: Lab) -> None:
    lab.start("bob", DEAF + IDLE)
    lab.launcher.cancel(["bob"], grace_s=0.1)
    lab.launcher.cancel(["bob"], grace_s=100)
    lab.wait_quietly(lambda: not lab.launcher.living())
    lab.start("bob", DEAF + IDLE)
    lab.launcher.cancel(["bob"], grace_s=100)
    lab.launcher.cancel(["bob"], grace_s=0)
    lab.wait_quietly(lambda: not lab.launcher.living())


def test_descendants_in_other_sessions_end_with_a_deaf_agent(any_lab: Lab) -> None:
    script = DEAF + "from subprocess import Popen\n" + GRANDCHILD
    script += started("['env', '-i', 'sh', '-c', 'sleep 1000; :']", "bare.pid")
    any_lab.start("bob", script + IDLE)
    child, bare = any_lab.number("child.pid"), any_lab.number("bare.pid")
    any_lab.launcher.cancel(["bob"], grace_s=0.1)
    any_lab.wait_quietly(lambda: not any_lab.launcher.living())
    any_lab.wait(lambda: not runs(child) and not runs(bare))


def test_orphan_in_the_session_of_a_deaf_agent_ends_with_it(lab: Lab) -> None:
    orphan = (
        "import os\nif not os.fork():\n    if os.fork(): os._exit(0)\n"
        "    (root / 'orphan.pid').write_text(f'{os.getpid()}\\n')\n"
        "    os.execvpe('sleep', ['sleep', '1000'], {})\n"
    )
    lab.start("bob", DEAF + orphan + IDLE)
    pid = lab.number("orphan.pid")
    lab.launcher.cancel(["bob"], grace_s=0)
    lab.wait_quietly(lambda: not lab.launcher.living())
    lab.wait(lambda: not runs(pid))


def test_other_agents_are_left_alone(lab: Lab) -> None:
    alice = lab.start("alice", GRANDCHILD + IDLE)
    child = lab.number("child.pid")
    lab.start("bob", DEAF + IDLE)
    lab.launcher.cancel(["bob", "nobody"], grace_s=0)
    lab.wait_quietly(lambda: lab.launcher.living() == {"alice"})
    assert runs(alice) and runs(child)
    lab.launcher.cancel(["alice"], grace_s=0)
    lab.wait(lambda: not runs(child))


def test_agent_that_is_still_being_started_is_ended_too(any_lab: Lab) -> None:
    any_lab.submit("bob", IDLE)
    any_lab.launcher.cancel(["bob"], grace_s=30)
    any_lab.wait_quietly(lambda: not any_lab.launcher.living())
    assert any_lab.ended("bob").signal in (signal.SIGTERM, None)


def test_deaf_agent_that_is_still_being_started_is_killed(lab: Lab) -> None:
    lab.submit("bob", DEAF + IDLE)
    lab.launcher.cancel(["bob"], grace_s=0)
    lab.wait_quietly(lambda: not lab.launcher.living())
    assert lab.ended("bob").signal in (signal.SIGTERM, signal.SIGKILL)


def test_supervisor_that_an_agent_started_is_left_alone(lab: Lab) -> None:
    lab.path("nested.py").write_text(
        "import sys, time\nfrom pathlib import Path\nfrom state_layout.host.marks import wear_none\n"
        "wear_none()\nPath(sys.argv[1]).touch()\ntime.sleep(1000)\n"
    )
    nested = "import sys\n" + started(
        "[sys.executable, str(root / 'nested.py'), str(root / 'nested')]",
        "nested.pid",
        env=f"{{**os.environ, 'MAOS_MARK': '{lab.mark('bob')}'}}",
    )
    lab.start("bob", DEAF + nested + IDLE)
    lab.wait(lambda: lab.path("nested").exists())
    pid = lab.number("nested.pid")
    lab.launcher.cancel(["bob"], grace_s=0)
    lab.wait_quietly(lambda: not lab.launcher.living())
    lab.launcher.sweep({lab.mark("bob")})
    assert runs(pid)
    os.kill(pid, signal.SIGKILL)
