"""How often and how far the supervisor looks: what may be left out, and what is noticed all the same."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from supervised import Supervised, begin_agent, make_tree

from maos_sup.core.liveness import Liveness
from maos_sup.core.model import AgentObserved, Delay, Process, Seal, Submit
from maos_sup.launchers.base import Submission
from maos_sup.launchers.memory import MemoryLauncher
from maos_sup.supervisor.life import begin_life
from maos_sup.supervisor.observe import BEATS_TICKS, between_beats_s
from maos_sup.supervisor.specs import SpecsInForce
from state_layout.files import disk
from state_layout.host.beats import BeatWriter
from state_layout.paths import Tree
from state_layout.records import TaskOutcome

QUICK = {"tick_s": 0.01, "beat_s": 0.01}


class _Watched(MemoryLauncher):
    """Tells when a start was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    def submit(self, submission: Submission) -> int:
        self.order.append("submit")
        return super().submit(submission)


def rewritten(tree: Tree) -> None:
    tree.agent_spec("a").write_text(json.dumps({"kind": "command", "command": ["true"], "role": "new"}))


def replaced(tree: Tree) -> None:
    rewritten(tree)
    tree.agent_spec("a").rename(tree.agent_spec("b"))
    tree.agent_spec("b").rename(tree.agent_spec("a"))


@pytest.mark.parametrize(
    "change",
    [
        rewritten,
        replaced,
        lambda tree: tree.task_spec("a").unlink(),
        lambda tree: tree.agent_spec("c").write_text("{}"),
        lambda tree: os.utime(tree.orchestration_spec),
    ],
)
def test_a_tick_notices_every_change_without_events(tmp_path: Path, change: object) -> None:
    tree = make_tree(tmp_path / "t", "a")
    specs = SpecsInForce(tree)
    _settle(specs)
    assert callable(change)
    change(tree)
    assert specs.has_changed()


def test_a_tick_over_specs_that_stand_opens_nothing(tmp_path: Path) -> None:
    specs = SpecsInForce(make_tree(tmp_path / "t", "a", "b"))
    _settle(specs)
    assert not specs.has_changed()


def test_specs_of_many_agents_are_accepted_with_one_sync_of_the_journal(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", *(f"a{number}" for number in range(20)))
    specs, life = SpecsInForce(tree), begin_life(tree)
    synced: list[str] = []
    disk.tap(lambda operation, arguments: synced.append(operation))
    try:
        specs.record(life, now_s=0.0)
    finally:
        disk.tap(None)
    assert synced.count("fdatasync") == 1
    assert synced.count("rename") == 41  # of 20 agents, 20 tasks and the orchestration
    assert all((tree.accepted / rel).read_bytes() == (tree.spec / rel).read_bytes() for rel in specs.digests)


def test_a_death_is_judged_and_the_next_start_asked_for_with_one_sync(tmp_path: Path) -> None:
    launcher = _Watched()
    supervised = Supervised(make_tree(tmp_path / "t", "a"), launcher)
    supervised.turn()
    begin_agent(supervised.tree, "a")
    supervised.die("a")
    order = launcher.order
    order.clear()
    disk.tap(lambda operation, arguments: order.append(operation))
    try:
        sealed, death, start = supervised.turn()
    finally:
        disk.tap(None)
    assert isinstance(sealed, Seal)
    assert isinstance(death, Delay)
    assert start == Submit(agent="a", attempt=2)
    assert order[: order.index("submit")] == ["write"] * 3 + ["fdatasync"]
    assert "link" in order[order.index("submit") :]  # exit.json, while the successor comes up


@pytest.mark.parametrize(
    ("limits", "own", "expected_s"),
    [
        ({}, {}, BEATS_TICKS * 1.0),
        ({"hang_s": 8.0}, {}, 2.0),
        ({}, {"hang_s": 6.0}, 1.5),
        ({"hang_s": 2.0}, {}, 1.0),  # never more often than a tick
    ],
)
def test_beats_are_looked_at_four_times_before_an_agent_counts_as_hung(
    tmp_path: Path, limits: dict[str, float], own: dict[str, float], expected_s: float
) -> None:
    tree = make_tree(tmp_path / "t", "a", limits=limits)
    tree.agent_spec("a").write_text(json.dumps({"kind": "command", "command": ["true"], "limits": own}))
    assert between_beats_s(SpecsInForce(tree).now) == expected_s


def _settle(specs: SpecsInForce) -> None:
    """Read until no file is so fresh that it might change again within its time stamp."""
    while specs.has_changed():
        specs.refresh(now_s=0.0)


def test_snapshot_that_says_the_same_of_a_task_is_the_same_outcome(tmp_path: Path) -> None:
    """What did not change is the same object, what did is another: the board of tasks goes by that."""
    supervised = Supervised(make_tree(tmp_path / "t", "a"))
    begin_agent(supervised.tree, "a")
    path = supervised.tree.agent("a").status
    told: dict[str, Any] = {"t0": {"phase": "done", "run": 1}, "t1": {"phase": "running", "run": 1}}

    def seen(**more: Any) -> Mapping[str, TaskOutcome]:
        path.with_name("new").write_text(json.dumps({"attempt": 1, "tasks": told | more}))
        path.with_name("new").rename(path)
        found = supervised.lookout.observe(supervised.specs.now, supervised.life.memory, leaving=False)
        return found.agents["a"].outcomes

    first, same = seen(), seen()
    assert same is first
    other = seen(t1={"phase": "done", "run": 1, "result": "x"})
    assert other["t0"] is first["t0"] and other["t1"].phase == "done" and other["t1"].result == "x"
    assert seen(t1={"phase": "dnoe"}).keys() == {"t0"}
    assert seen(t1={"phase": "failed", "run": 2})["t1"].run == 2


def _at_work(root: Path) -> Supervised:
    """A supervisor of one living agent, which was looked at."""
    supervised = Supervised(make_tree(root, "a", limits={"hang_s": 0.05}, intervals=QUICK))
    supervised.turn()
    begin_agent(supervised.tree, "a")
    _snapshot(supervised.tree, {})
    return supervised


def _snapshot(tree: Tree, more: dict[str, Any]) -> None:
    path = tree.agent("a").status
    path.write_text(json.dumps({"agent": "a", "attempt": 1, "tasks": {}, **more}))
    past_s = path.stat().st_mtime - 60  # so old that nothing else hides behind the same stamp
    os.utime(path, (past_s, past_s))


def _seen(supervised: Supervised) -> AgentObserved:
    lookout, specs = supervised.lookout, supervised.specs.now
    return lookout.observe(specs, supervised.life.memory, leaving=False).agents["a"]


def test_agent_that_is_as_before_is_the_same_object_until_something_is_new(tmp_path: Path) -> None:
    supervised = _at_work(tmp_path / "t")
    first = _seen(supervised)
    assert _seen(supervised) is first
    _snapshot(supervised.tree, {"tasks": {"a": {"phase": "running", "run": 1}}})
    changed = _seen(supervised)
    assert (changed.outcomes["a"].phase, _seen(supervised)) == ("running", changed)
    supervised.die("a", "done")
    assert _seen(supervised).process is Process.GONE


def test_answer_to_an_agent_that_is_as_before_is_seen(tmp_path: Path) -> None:
    supervised = _at_work(tmp_path / "t")
    asked = {"id": "a-0123456789ab", "task": "a", "at": "2026-01-01T00:00:00.000000Z", "before": {}}
    _snapshot(supervised.tree, {"questions": [asked]})
    assert [_seen(supervised).answered for _ in range(2)] == [frozenset()] * 2
    supervised.tree.approvals.mkdir(exist_ok=True)
    answer = supervised.tree.approvals / f"{asked['id']}.yes"
    answer.touch()
    assert [_seen(supervised).answered for _ in range(2)] == [{"a"}] * 2
    answer.unlink()
    assert _seen(supervised).answered == frozenset()


def test_hang_of_an_agent_that_is_as_before_is_seen(tmp_path: Path) -> None:
    supervised = _at_work(tmp_path / "t")
    BeatWriter(supervised.tree.beat("a")).beat()
    found = list[Liveness]()
    for _ in range(1000):
        supervised.lookout.due_s = 0.0
        found.append(_seen(supervised).liveness)
        if found[-1] is Liveness.HUNG:
            break
        time.sleep(0.005)
    assert (found[0], found[-1]) == (Liveness.LIVELY, Liveness.HUNG)
