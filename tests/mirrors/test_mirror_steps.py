"""A follower or its server is killed at each step that one takes with the other: at every write and answer.

strace kills the process (or stops it, so that its server can be killed just then) as it enters the call
number so many. What the mirror holds then is a part of the tree, and the next one goes on from it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path

import psutil
import pytest
from databases import DATABASES, Database, opened
from lives import Life
from mirrored_trees import ID, difference, team, work
from orchestra import wait_for

from maos_sup.mirrors.restoring import restore
from maos_sup.mirrors.verifying import verify
from maos_sup.supervisor.life import begin_life
from state_layout.check import Severity, check
from state_layout.paths import Tree

ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "8"))
STRIDE = 1 if "MAOS_SUP_TORTURE_ROUNDS" in os.environ else 3
STEPS = {
    "sqlite": ("pwrite64", "fdatasync"),
    "postgres": ("sendto", "recvfrom"),
    "redis": ("sendto", "recvfrom"),
}
TROUBLE = 3
BRING = f"""
import sys
from pathlib import Path
from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import MirrorTrouble
from maos_sup.mirrors.registry import open_mirror
from state_layout.paths import Tree

try:
    mirror = open_mirror(sys.argv[1], {ID!r}, may_make=True)
    for batch in Looker(Tree(Path(sys.argv[2])), mirror.cursor()).batches():
        mirror.apply(batch)
except MirrorTrouble:
    sys.exit({TROUBLE})
"""

pytestmark = [
    pytest.mark.linux("strace is of Linux"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


def begun(database: Database, tree: Tree, call: str, number: int, name: str) -> subprocess.Popen[bytes]:
    """A process that brings the mirror up to date and gets the signal `name` at its `number`th `call`."""
    inject = f"inject={call}:signal={name}:when={number}"
    log = tree.root.parent / "strace"
    log.unlink(missing_ok=True)
    command = ["strace", "-o", str(log), "-e", f"trace={call}", "-e", inject]
    return subprocess.Popen([*command, sys.executable, "-c", BRING, database.url, str(tree.root)])


def grow(tree: Tree, number: int) -> None:
    life = Life(tree, "alice")
    for step in range(3):
        life.step(f"r{number}-{step}", ("bob", f"{number} {step}"), cost_usd=0.5, tokens=10)
    life.attempt.paths.stdout.write_bytes(b"one more\n" * (number + 3))
    life.journal.close()


def assert_a_part(database: Database, tree: Tree) -> None:
    """What is held is of the tree, line for line, and behind at most."""
    with opened(database, ID) as mirror:
        assert verify(tree, mirror).differences == []


def steps(name: str) -> Iterator[tuple[str, int]]:
    """Each call that matters with each number; who runs through without a signal sends `True` back."""
    for call in cycle(STEPS[name]):
        for number in count(1, STRIDE):
            is_through = yield call, number
            if is_through:
                break


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = team(tmp_path / "tree")
    begin_life(made)
    work(made).journal.close()
    return made


def assert_equal_and_makes_a_tree(database: Database, tree: Tree, place: Path) -> None:
    subprocess.run([sys.executable, "-c", BRING, database.url, str(tree.root)], check=True)
    with opened(database, ID) as mirror:
        assert difference(mirror, tree) == []
        restore(mirror, place)
    assert [str(each) for each in check(Tree(place)) if each.severity is Severity.PROBLEM] == []


@pytest.mark.parametrize("name", sorted(DATABASES))
def test_follower_is_killed_at_each_step(name: str, tree: Tree, tmp_path: Path) -> None:
    with DATABASES[name](tmp_path) as database:
        plan, kills = steps(name), 0
        call, number = next(plan)
        for round_ in range(ROUNDS):
            grow(tree, round_)
            process = begun(database, tree, call, number, "KILL")
            code = process.wait(300)
            assert code in (0, -signal.SIGKILL, 128 + signal.SIGKILL), code
            kills += code != 0
            if code != 0 or round_ % 10 == 0:
                assert_a_part(database, tree)
            call, number = plan.send(code == 0)
        assert kills > ROUNDS // 2
        assert_equal_and_makes_a_tree(database, tree, tmp_path / "new")


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_server_is_killed_at_each_step(name: str, tree: Tree, tmp_path: Path) -> None:
    with DATABASES[name](tmp_path) as database:
        server = database.server  # type: ignore[attr-defined]
        plan, kills = steps(name), 0
        call, number = next(plan)
        for round_ in range(ROUNDS):
            grow(tree, round_)
            process = begun(database, tree, call, number, "STOP")
            wait_for(lambda process=process: process.poll() is not None or is_stopped(tree), "the step")
            was_stopped = process.poll() is None
            assert was_stopped or process.returncode == 0
            if was_stopped:
                kills += 1
                server.kill()
                for child in psutil.Process(process.pid).children():
                    child.send_signal(signal.SIGCONT)
                assert process.wait(300) in (0, TROUBLE)
                server.start()
            assert_a_part(database, tree)
            call, number = plan.send(not was_stopped)
        assert kills > ROUNDS // 2
        assert_equal_and_makes_a_tree(database, tree, tmp_path / "new")


def is_stopped(tree: Tree) -> bool:
    """Strace says that what it runs was stopped."""
    log = tree.root.parent / "strace"
    return log.exists() and b"stopped by SIGSTOP" in log.read_bytes()
