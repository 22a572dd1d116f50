"""Agents of an earlier supervisor are found, watched and ended; strangers with their pids are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import DEADLINE_S, SUPERVISOR, Lab, open_descriptors, runs
from msgspec.structs import replace

from maos_sup.launchers.adoption import lock_holder
from state_layout.files import atomic, codec
from state_layout.host.identity import Handle, handle_of
from state_layout.host.marks import mark_of
from state_layout.paths import Tree

AGENT = """
import signal, sys
from pathlib import Path
from state_layout.files.locks import take_life_lock
from state_layout.paths import Tree
tree = Tree(Path(sys.argv[1]))
lock = take_life_lock(tree.agent(sys.argv[2]).lock)
print("up", flush=True)
sys.stdin.read()
sys.exit(6)
"""


@pytest.fixture
def agent(tree: Tree) -> Iterator[subprocess.Popen[str]]:
    """Agent bob, started by nobody we know, holding his lock; it ends with code 6 when its stdin closes."""
    with started_agent(tree, "bob", mark=mark_of(tree, "bob", 3)) as process:
        try:
            yield process
        finally:
            process.kill()


def started_agent(tree: Tree, name: str, *, mark: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", AGENT, str(tree.root), name],
        env={**os.environ, "MAOS_MARK": mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def write_handle(tree: Tree, name: str, of: int, **changes: object) -> Handle:
    found = handle_of(of, attempt=3)
    assert found is not None
    handle = replace(found, **changes)  # type: ignore[arg-type]  # fields of the record
    atomic.refresh(tree.handle(name), codec.encode(handle.to_json()) + b"\n")
    return handle


def test_living_agent_is_adopted_and_its_end_is_seen(lab: Lab, agent: subprocess.Popen[str]) -> None:
    write_handle(lab.tree, "bob", agent.pid)
    assert lab.launcher.adopt("bob") is True
    assert lab.launcher.living() == {"bob"}
    assert lab.observed("bob").pid == agent.pid
    agent.kill()
    lab.wait_quietly(lambda: not lab.launcher.living())


@pytest.mark.linux("a descriptor for each process that is watched")
def test_adopting_twice_watches_once(lab: Lab, agent: subprocess.Popen[str]) -> None:
    write_handle(lab.tree, "bob", agent.pid)
    before = open_descriptors()
    assert [lab.launcher.adopt("bob") for _ in range(3)] == [True, True, True]
    assert open_descriptors() == before + 1


def test_submitting_an_adopted_agent_starts_nothing(lab: Lab, agent: subprocess.Popen[str]) -> None:
    write_handle(lab.tree, "bob", agent.pid)
    lab.launcher.adopt("bob")
    assert lab.submit("bob") == agent.pid


def test_adopted_agent_that_died_is_submitted_anew(lab: Lab, agent: subprocess.Popen[str]) -> None:
    write_handle(lab.tree, "bob", agent.pid)
    lab.launcher.adopt("bob")
    agent.kill()
    lab.wait(lambda: not lab.launcher.living())
    assert lab.start("bob") != agent.pid


@pytest.mark.linux("the kernel tells who holds a lock")
def test_agent_without_a_handle_is_found_by_its_lock(lab: Lab, agent: subprocess.Popen[str]) -> None:
    assert lock_holder(lab.tree.agent("bob").lock) == agent.pid
    assert lab.launcher.adopt("bob") is True
    assert lab.observed("bob").pid == agent.pid


@pytest.mark.linux("the kernel tells who holds a lock")
def test_agent_with_the_handle_of_an_earlier_life_is_found_by_its_lock(
    lab: Lab, agent: subprocess.Popen[str]
) -> None:
    write_handle(lab.tree, "bob", os.getpid(), start_time=1)
    assert lab.launcher.adopt("bob") is True
    assert lab.observed("bob").pid == agent.pid


@pytest.mark.parametrize(
    "change",
    [
        {"start_time": 1},
        pytest.param({"pidfd_inode": 1}, marks=pytest.mark.linux("pidfds with numbers of their own")),
        {"boot_id": "before"},
        {"pid": 1},
    ],
    ids=str,
)
def test_process_with_another_identity_is_not_adopted(lab: Lab, change: dict[str, object]) -> None:
    write_handle(lab.tree, "bob", os.getpid(), **change)
    before = open_descriptors()
    assert lab.launcher.adopt("bob") is False
    assert lab.launcher.living() == set()
    assert open_descriptors() == before


def test_process_of_the_original_is_not_adopted_by_a_copy(lab: Lab, tmp_path: Path) -> None:
    original = Tree(tmp_path / "original")
    original.root.mkdir()
    with started_agent(original, "bob", mark=mark_of(original, "bob", 3)) as process:
        write_handle(lab.tree, "bob", process.pid)
        assert lab.launcher.adopt("bob") is False
        process.kill()


def test_other_agent_is_not_adopted(lab: Lab, agent: subprocess.Popen[str]) -> None:
    write_handle(lab.tree, "alice", agent.pid)
    assert lab.launcher.adopt("alice") is False


def test_agent_nobody_knows_of_is_not_adopted(lab: Lab) -> None:
    assert lab.launcher.adopt("bob") is False
    assert lock_holder(lab.tree.agent("bob").lock) is None


def test_adopted_agent_is_ended(lab: Lab, agent: subprocess.Popen[str]) -> None:
    write_handle(lab.tree, "bob", agent.pid)
    lab.launcher.adopt("bob")
    lab.launcher.cancel(["bob"], grace_s=10)
    lab.wait_quietly(lambda: not lab.launcher.living())
    assert lab.ended("bob").signal == signal.SIGTERM  # our own child here: its end is known


def test_exit_of_an_adopted_agent_is_known_where_the_kernel_keeps_it(
    lab: Lab, agent: subprocess.Popen[str]
) -> None:
    # The agent is our child here and nobody else's: hand it to a parent of its own that reaps it.
    script = (
        "import subprocess, sys\nfrom pathlib import Path\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read(); sys.exit(6)'],"
        " stdin=subprocess.PIPE, start_new_session=True)\n"
        "print(p.pid, flush=True)\nsys.stdin.readline()\np.stdin.close()\np.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        write_handle(lab.tree, "alice", int(parent.stdout.readline()))
        assert lab.launcher.adopt("alice") is True
        parent.communicate("go\n")
    lab.wait(lambda: not lab.launcher.living())
    lab.wait(lambda: lab.observed("alice").exit_code in (6, None))


def test_living_agents_of_a_killed_supervisor_are_adopted_not_doubled(lab: Lab) -> None:
    names = [f"a{number}" for number in range(20)]
    script = (
        "import signal\nfrom state_layout.files import atomic, codec\n"
        "from state_layout.host.identity import own_handle\n"
        "from state_layout.files.locks import take_life_lock\nfrom state_layout.paths import Tree\n"
        "tree = Tree(root)\nlock = take_life_lock(tree.agent(agent).lock)\n"
        "atomic.refresh(tree.handle(agent), codec.encode(own_handle(1).to_json()))\n"
        "(root / f'{agent}.up').touch()\nwhile True: signal.pause()\n"
    )
    for name in names:
        lab.write(name, script)
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(lab.tree.root), *names]) as process:
        deadline_s = time.monotonic() + DEADLINE_S
        while not all(lab.path(f"{name}.up").exists() for name in names):
            assert time.monotonic() < deadline_s
        process.kill()
    assert [lab.launcher.adopt(name) for name in names] == [True] * 20
    pids = {lab.submit(name) for name in names}
    assert len(pids) == 20 and all(runs(pid) for pid in pids)
    lab.launcher.cancel(names, grace_s=0)
    lab.wait_quietly(lambda: not lab.launcher.living())
    assert not any(runs(pid) for pid in pids)
