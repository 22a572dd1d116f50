"""The zygote may die at any moment: its agents do not notice, and every request is carried out once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import IDLE, SUPERVISOR, Lab, runs, started

from maos_sup.launchers.local import LocalLauncher, launcher
from maos_sup.system.linux import exit_of
from maos_sup.system.processes import read_children
from state_layout.host.stats import read_stat
from state_layout.paths import Tree

pytestmark = pytest.mark.linux("a process that forks agents")


def zygote_of(lab: Lab) -> int:
    """The pid of the running zygote."""
    assert isinstance(lab.launcher, LocalLauncher)
    zygote = [pid for pid in read_children(os.getpid()) if is_zygote(pid)]
    return zygote[0] if zygote else 0


def is_zygote(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.is_gone and b"zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_agents_outlive_the_zygote_and_another_one_takes_its_place(lab: Lab) -> None:
    pid, zygote = lab.start("bob"), zygote_of(lab)
    os.kill(zygote, signal.SIGKILL)
    lab.wait(lambda: zygote_of(lab) not in (0, zygote))
    assert runs(pid) and lab.launcher.living() == {"bob"}
    assert lab.start("alice") > 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_end_of_an_agent_is_seen_after_its_zygote_died(lab: Lab, number: signal.Signals) -> None:
    pid, zygote = lab.start("bob"), zygote_of(lab)
    os.kill(zygote, signal.SIGKILL)
    lab.wait(lambda: zygote_of(lab) not in (0, zygote))
    os.kill(pid, number)
    lab.wait_quietly(lambda: not lab.launcher.living())
    assert lab.ended("bob").signal == number


def test_agent_and_zygote_that_die_together_are_told(lab: Lab) -> None:
    pid, zygote = lab.start("bob"), zygote_of(lab)
    os.kill(pid, signal.SIGKILL)
    os.kill(zygote, signal.SIGKILL)
    assert lab.ended("bob").signal == signal.SIGKILL
    assert lab.start("bob") != pid


def test_request_that_no_zygote_answered_goes_to_the_next(lab: Lab) -> None:
    lab.start("bob")
    zygote = zygote_of(lab)
    os.kill(zygote, signal.SIGSTOP)
    for name in ("a1", "a2", "a3"):
        lab.submit(name, f"(root / f'{{agent}}.ran').open('a').write('x')\n{IDLE}")
    os.kill(zygote, signal.SIGKILL)
    lab.wait(lambda: all(lab.observed(name).pid for name in ("a1", "a2", "a3")))
    for name in ("a1", "a2", "a3"):
        lab.wait(lambda name=name: lab.path(f"{name}.up").exists())  # type: ignore[misc]
        assert lab.path(f"{name}.ran").read_text() == "x"


def test_what_the_entry_lists_is_there_before_an_agent_begins(lab: Lab) -> None:
    lab.submit("bob", "import sys\ncode = 5 if 'colorsys' in sys.modules else 6")
    assert lab.ended("bob").exit_code == 5


def test_agents_begin_with_the_umask_of_the_supervisor(new_lab: Callable[..., Lab]) -> None:
    before = os.umask(0o027)
    try:
        lab = new_lab()
    finally:
        os.umask(before)
    lab.submit("bob", "import os\ncode = os.umask(0)")
    assert lab.ended("bob").exit_code == 0o027


def test_each_request_is_carried_out_once_however_often_zygotes_die(lab: Lab) -> None:
    names = [f"a{number}" for number in range(40)]
    script = f"import os\n(root / f'{{agent}}.ran').open('a').write(f'{{os.getpid()}}\\n')\n{IDLE}"
    for name in names:
        lab.submit(name, script)
    for _ in range(5):
        before = sum(lab.path(f"{name}.ran").exists() for name in names)
        lab.wait(
            lambda before=before: (
                sum(lab.path(f"{n}.ran").exists() for n in names) > before  # type: ignore[misc]
                or all(lab.path(f"{n}.ran").exists() for n in names)
            )
        )
        if zygote := zygote_of(lab):
            os.kill(zygote, signal.SIGKILL)
    lab.wait(lambda: all(seen.pid or not seen.alive for seen in map(lab.observed, names)))
    for name in names:
        # A child that was told to the supervisor but not let go by the dying zygote ended without having run.
        if lab.observed(name).alive:
            ran = lab.path(f"{name}.ran")  # it is there, and empty, before the line is in it
            lab.wait(lambda ran=ran: ran.exists() and ran.read_text())  # type: ignore[misc]
            assert ran.read_text() == f"{lab.observed(name).pid}\n"
        else:
            assert not lab.path(f"{name}.ran").exists()


def test_stuck_zygote_is_replaced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.start("bob")
    zygote = zygote_of(lab)
    os.kill(zygote, signal.SIGSTOP)
    monkeypatch.setattr("maos_sup.launchers.local.STUCK_S", 0.1)
    assert lab.start("alice") > 0
    assert not runs(zygote)


def test_zygote_that_never_starts_is_done_without(new_lab: Callable[..., Lab]) -> None:
    lab = new_lab(entry="no_such_module:main")
    lab.submit("bob", IDLE)
    assert lab.ended("bob").exit_code == 1
    lab.wait(lambda: zygote_of(lab) == 0)


def test_orphans_are_reaped_whoever_inherits_them(lab: Lab) -> None:
    script = started("['sh', '-c', 'sleep 0.1 & sleep 0.2 & exit']", "child") + IDLE
    lab.start("bob", script)
    lab.wait(lambda: not zombies())
    os.kill(zygote_of(lab), signal.SIGKILL)
    lab.start("alice", script)
    os.kill(lab.observed("bob").pid, signal.SIGKILL)
    lab.wait(lambda: not lab.observed("bob").alive)
    lab.wait(lambda: not zombies())


def zombies() -> list[int]:
    """Unreaped children of this process and its zygotes; those of living agents are their own business."""
    parents = [os.getpid(), *(pid for pid in read_children(os.getpid()) if is_zygote(pid))]
    stats = [read_stat(pid) for parent in parents for pid in read_children(parent)]
    return [stat.pid for stat in stats if stat is not None and stat.is_gone]


def test_zygote_ends_with_its_supervisor_and_agents_live_on(lab: Lab) -> None:
    for agent in ("bob", "alice"):
        lab.write(agent)
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(lab.tree.root), "bob", "alice"]) as process:
        lab.wait(lambda: lab.path("bob.up").exists() and lab.path("alice.up").exists())
        zygote = next(pid for pid in read_children(process.pid) if is_zygote(pid))
        agents = read_children(zygote)
        process.kill()
    try:
        lab.wait(lambda: not runs(zygote))
        assert [runs(pid) for pid in agents] == [True, True]
    finally:
        for pid in agents:
            os.kill(pid, signal.SIGKILL)


def test_agents_start_where_the_system_passes_no_more_descriptors_on(lab: Lab) -> None:
    """So many of this user are under way (`ETOOMANYREFS`) that the zygote cannot hand over a pidfd."""
    for agent in ("bob", "alice"):
        lab.write(agent)
    words = ["prlimit", "--nofile=64", sys.executable, "-c", SUPERVISOR, str(lab.tree.root), "bob", "alice"]
    if os.geteuid() == 0:
        words = ["setpriv", "--bounding-set=-sys_admin,-sys_resource", *words]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for _ in range(3):
            socket.send_fds(ours, [b"."], [0] * 50)
        with subprocess.Popen(words) as process:
            try:
                lab.wait(lambda: lab.path("bob.up").exists() and lab.path("alice.up").exists())
            finally:
                process.kill()
    for pid in agents_of(lab.tree.root):
        os.kill(pid, signal.SIGKILL)


def test_supervisor_killed_while_it_starts_agents_leaves_none_half_started(lab: Lab) -> None:
    names = [f"a{number}" for number in range(30)]
    script = f"import os\n(root / f'{{agent}}.pid').write_text(f'{{os.getpid()}}\\n')\n{IDLE}"
    for name in names:
        lab.write(name, script)
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(lab.tree.root), *names]) as process:
        lab.wait(lambda: lab.path("a3.pid").exists())
        process.kill()
    inherited = set(agents_of(lab.tree.root))
    pids = {lab.number(f"a{name}.pid") for name in range(30) if lab.path(f"a{name}.pid").exists()}
    lab.wait(lambda: {pid for pid in inherited if runs(pid)} <= recorded(lab, names))
    for pid in recorded(lab, names) | pids:
        os.kill(pid, signal.SIGKILL)


def recorded(lab: Lab, names: list[str]) -> set[int]:
    """The pids that agents wrote when they began."""
    texts = [lab.path(f"{name}.pid").read_text() for name in names if lab.path(f"{name}.pid").exists()]
    return {int(text) for text in texts if text}


def agents_of(root: Path) -> list[int]:
    """All processes that call themselves agents of the tree at `root`."""
    found = []
    for path in Path("/proc").iterdir():
        try:
            line = (path / "cmdline").read_bytes() if path.name.isdecimal() else b""
        except OSError:
            continue
        if line.startswith(b"maos-sup agent") and str(root).encode() in line:
            found.append(int(path.name))
    return found


def test_exit_of_somebody_elses_child_is_known_once_it_is_reaped() -> None:
    read_end, write_end = os.pipe()
    code = (
        "import os\npid = os.fork()\nif not pid: os.read(0, 1); os._exit(7)\n"
        f"os.write({write_end}, b'%d\\n' % pid)\nos.wait()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[write_end]) as parent:
        pidfd = os.pidfd_open(int(os.read(read_end, 16)))
        assert exit_of(pidfd) is None
        assert parent.stdin is not None
        parent.stdin.close()
        parent.wait()
    found = exit_of(pidfd)
    assert found is None or found.code == 7  # None: a kernel before 6.15
    for descriptor in (read_end, write_end, pidfd):
        os.close(descriptor)


@pytest.mark.parametrize(("named", "is_there"), [("slurm", False), ("local", True), (None, True)])
def test_where_all_agents_go_elsewhere_there_is_none_until_one_stays(
    tree: Tree, named: str | None, is_there: bool
) -> None:
    tree.spec.mkdir()
    tree.orchestration_spec.write_text(json.dumps({"launcher": named} if named else {}))
    made = Lab(tree, launcher(tree, entry="agent_entry:main", placed_entry="nowhere:main"))
    try:
        made.launcher.poll()
        assert bool(zygote_of(made)) is is_there
        made.start("bob")
        assert zygote_of(made)
        made.launcher.cancel({"bob"}, grace_s=0)
        made.ended("bob")
    finally:
        made.close()
