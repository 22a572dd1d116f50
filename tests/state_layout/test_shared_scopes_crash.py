"""Increments by compare-and-set: stopped at each disk operation, cut off from power, killed at random.

The sum is exact each time: what was acknowledged counts, and of what was under way one line at most.
"""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from crashing import POWER_LOSSES, Loss, at_each_crash

from state_layout.check import check
from state_layout.errors import Lost
from state_layout.files import disk
from state_layout.paths import Tree
from state_layout.scopes.store import ScopeStore
from state_layout.scopes.telling import versions_of
from state_layout.tree.making import create_tree

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12; no thread of ours
ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "0"))
PROCESSES, EACH = 8, 10_000 if ROUNDS else 120
NAMES = [f"p{number}" for number in range(PROCESSES)]


def increment(store: ScopeStore, token: str) -> None:
    while True:
        found = store.get("n")
        try:
            store.put("n", found.value + 1 if found else 1, over=found and found.version, token=token)
            return
        except Lost:
            continue


def a_few(folder: Path) -> None:
    """Three changes of two writers, each told when it was acknowledged."""
    for number, writer in enumerate(("ann", "bob", "ann")):
        store = ScopeStore(folder / "tree" / "orchestration", writer)
        increment(store, f"{number}")
        store.close()
        with (folder / "acknowledged").open("a") as told:
            told.write("x")


def counted(folder: Path) -> None:
    said = folder / "acknowledged"
    acknowledged = len(said.read_text()) if said.exists() else 0
    store = ScopeStore(folder / "tree" / "orchestration", "carol")
    found = store.get("n")
    value = found.value if found else 0
    assert acknowledged <= value <= acknowledged + 1
    for number, writer in enumerate(("ann", "bob", "ann")):  # the next lives do it again, under its name
        increment(ScopeStore(folder / "tree" / "orchestration", writer), f"{number}")
    assert store.get("n").value == 3  # type: ignore[union-attr]
    versions = versions_of(folder / "tree" / "orchestration", "n")
    assert [each["value"] for each in versions] == [1, 2, 3]
    assert [each["over"] for each in versions[1:]] == [each["version"] for each in versions[:-1]]


@pytest.mark.parametrize("loss", [None, *POWER_LOSSES], ids=lambda loss: getattr(loss, "__name__", "kill"))
def test_change_is_there_once_whatever_operation_was_the_last(loss: Loss | None) -> None:
    assert at_each_crash(a_few, counted, loss=loss) > 20


def worker(root: Path, name: str, *, is_set: bool) -> None:
    """Do what is left of this worker's changes: how many are done stands in its own file."""
    store = ScopeStore(Tree(root).state_scope("orchestration"), name)
    done = sum(told["by"] == name for told in versions_of(store.folder, "n" if is_set else "plain"))
    for number in range(done, EACH):
        if is_set:
            increment(store, f"{number}")
        else:
            store.put("plain", {"by": name, "number": number, "filler": "x" * 300})


def begin(root: Path, name: str, *, is_set: bool) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        disk.tap(None)
        worker(root, name, is_set=is_set)
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(code)


def _until_done(
    running: dict[int, str], start: Callable[[str], int], chance: random.Random, deadline_s: float
) -> None:
    """Kill at random, begin anew who was killed, until all are done."""
    kills = 0
    while running:
        assert time.monotonic() < deadline_s
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            name, code = running.pop(pid), os.waitstatus_to_exitcode(status)
            assert code in (0, -signal.SIGKILL)
            if code:
                running[start(name)] = name
        elif kills < (2000 if ROUNDS else 25) and chance.random() < 0.3:
            os.kill(chance.choice([*running]), signal.SIGKILL)
            kills += 1
        else:
            time.sleep(0.002)
    assert kills > 10


@pytest.mark.parametrize("is_set", [True, False], ids=["compare and set", "plain puts"])
def test_sum_of_eight_processes_that_are_killed_at_random_is_exact(tmp_path: Path, *, is_set: bool) -> None:
    tree = create_tree(
        tmp_path / "tree",
        orchestration={"id": "o", "request": "r"},
        agents={name: {"kind": "command", "command": ["true"]} for name in NAMES},
        tasks={"t": {"agent": "p0", "description": "d"}},
    )
    start, chance = partial(begin, tree.root, is_set=is_set), random.Random(7)
    running = {start(name): name for name in NAMES}
    deadline_s = time.monotonic() + (7200 if ROUNDS else 120)
    try:
        _until_done(running, start, chance, deadline_s)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    folder = tree.state_scope("orchestration")
    versions = versions_of(folder)
    assert len(versions) == PROCESSES * EACH
    if is_set:
        assert ScopeStore(folder, "looker").get("n").value == PROCESSES * EACH  # type: ignore[union-attr]
        assert [told["value"] for told in versions] == list(range(1, PROCESSES * EACH + 1))
    else:
        whole = {(told["value"]["by"], told["value"]["number"]) for told in versions}
        assert len(whole) == PROCESSES * EACH
    assert [str(found) for found in check(tree) if found.severity == "problem"] == []
