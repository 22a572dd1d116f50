"""The zygote forks a spare process ahead: it is the next agent, and nothing else than an agent."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from lab import Lab, runs

from maos_sup.launchers.local import LocalLauncher
from maos_sup.system.processes import read_children
from state_layout.host.stats import read_stat

pytestmark = pytest.mark.linux("a process that forks agents")


def zygote_of(lab: Lab) -> int:
    assert isinstance(lab.launcher, LocalLauncher)
    (zygote,) = [pid for pid in read_children(os.getpid()) if b"zygote" in title_of(pid)]
    return zygote


def title_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def spares_of(zygote: int) -> list[int]:
    return [pid for pid in read_children(zygote) if title_of(pid).startswith(b"maos-sup spare")]


def spare_of(lab: Lab) -> int:
    """The spare process, once there is one."""
    zygote = zygote_of(lab)
    lab.wait(lambda: len(spares_of(zygote)) == 1)
    return spares_of(zygote)[0]


def descriptors_of(pid: int) -> list[str]:
    """What `pid` has open, by number."""
    folder = Path(f"/proc/{pid}/fd")
    return sorted(f"{path.name} {path.readlink()}" for path in folder.iterdir())


def test_spare_process_is_the_next_agent_and_another_one_follows(lab: Lab) -> None:
    first = lab.start("bob")
    spare = spare_of(lab)
    assert lab.start("alice") == spare
    stat = read_stat(spare)
    assert stat is not None
    assert stat.session == spare
    assert title_of(spare).startswith(b"maos-sup agent alice")
    assert descriptors_of(spare) == descriptors_of(first)
    assert spare_of(lab) not in (spare, first)
    os.kill(spare, signal.SIGKILL)
    assert lab.ended("alice").signal == signal.SIGKILL
    assert runs(first)


def test_agents_start_without_a_spare_that_was_killed(lab: Lab) -> None:
    lab.start("bob")
    spare = spare_of(lab)
    os.kill(spare, signal.SIGKILL)
    lab.wait(lambda: not runs(spare))
    pid = lab.start("alice")
    assert pid != spare
    assert runs(pid)


def test_many_that_start_at_once_are_one_of_the_spare_and_others(lab: Lab) -> None:
    lab.start("bob")
    spare = spare_of(lab)
    names = [f"a{number}" for number in range(9)]
    for name in names:
        lab.write(name)
        lab.submit(name)
    lab.wait(lambda: {*names} <= {path.stem for path in lab.tree.root.glob("*.up")})
    pids = [lab.observed(name).pid for name in names]
    assert len({*pids}) == 9
    assert spare in pids


def test_spare_ends_with_its_zygote_that_is_killed(lab: Lab) -> None:
    lab.start("bob")
    spare = spare_of(lab)
    os.kill(zygote_of(lab), signal.SIGKILL)
    lab.wait(lambda: not runs(spare))


def test_spare_is_gone_when_the_launcher_is_closed(lab: Lab) -> None:
    lab.start("bob")
    spare = spare_of(lab)
    lab.close()
    assert not runs(spare)
