"""The fake keeps the promises that the real launchers keep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ready import is_ready

from maos_sup.launchers.base import Launcher, Observed, Submission
from maos_sup.launchers.memory import MemoryLauncher

BOB = Submission(agent="bob", attempt=1, tree_root="/tree")


@pytest.fixture
def memory() -> Iterator[MemoryLauncher]:
    """A fake whose agents wait for the test to begin them."""
    launcher = MemoryLauncher(begins_at_once=False)
    yield launcher
    launcher.close()


def is_readable(launcher: Launcher) -> bool:
    return is_ready(launcher.fileno())


def test_submitted_agent_lives_before_it_has_begun(memory: MemoryLauncher) -> None:
    assert memory.submit(BOB) == 0
    assert memory.living() == {"bob"}
    assert memory.poll() == {"bob": Observed(pid=0, alive=True)}


def test_submitting_twice_starts_once(memory: MemoryLauncher) -> None:
    memory.submit(BOB)
    pid = memory.begin("bob")
    assert memory.submit(BOB) == pid
    assert memory.submitted == [BOB]


def test_end_is_told_until_the_agent_is_submitted_again(memory: MemoryLauncher) -> None:
    memory.submit(BOB)
    pid = memory.begin("bob")
    memory.end("bob", signal=9)
    for _ in range(2):
        assert memory.poll() == {"bob": Observed(pid=pid, alive=False, signal=9)}
    memory.submit(BOB)
    assert memory.living() == {"bob"}


def test_what_happens_makes_it_readable_until_it_is_polled(memory: MemoryLauncher) -> None:
    assert not is_readable(memory)
    memory.submit(BOB)
    memory.poll()
    assert not is_readable(memory)
    memory.begin("bob")
    assert is_readable(memory)


def test_start_can_be_refused(memory: MemoryLauncher) -> None:
    memory.submit(BOB)
    memory.refuse("bob", "cannot fork: no memory")
    assert memory.poll() == {"bob": Observed(pid=0, alive=False, error="cannot fork: no memory")}


def test_adoption_needs_a_process(memory: MemoryLauncher) -> None:
    memory.adoptable["bob"] = 7
    assert [memory.adopt("bob"), memory.adopt("alice"), memory.adopt("bob")] == [True, False, True]
    assert memory.poll() == {"bob": Observed(pid=7, alive=True)}


def test_only_the_living_are_cancelled(memory: MemoryLauncher) -> None:
    memory.submit(BOB)
    memory.cancel(["bob", "alice"], grace_s=5)
    assert memory.cancelled == [("bob", 5)]


def test_blind_launcher_says_so(memory: MemoryLauncher) -> None:
    memory.lose_sight()
    assert memory.poll() is None
    memory.lose_sight(is_blind=False)
    assert memory.poll() == {}


def test_agents_begin_by_themselves_if_not_told_otherwise() -> None:
    launcher = MemoryLauncher()
    launcher.submit(BOB)
    seen = launcher.poll()
    assert seen is not None and seen["bob"].pid > 0
    assert launcher.sweep({"x"}).ended == 0
    launcher.close()
