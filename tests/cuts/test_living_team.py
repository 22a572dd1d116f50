"""Cuts, copies, rollbacks and forks of a team that chatters while they are made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ledger import books, lines_that_count, problems, unread
from orchestra import Orchestra, wait_for

from maos_sup.cuts.store import all_cuts
from state_layout.paths import Tree

AGENTS = ("ann", "ben", "cid", "dot")
STEPS = 160
FORKS = 4 if os.environ.get("MAOS_SUP_UNDO_ROUNDS") else 2  # at once
CHATTER = """
import random, time
PEERS = AGENTS
def main(ctx):
    rnd = random.Random(str(ctx.agent))
    for number in range(STEPS):
        def work():
            got = len(ctx.inbox())
            for to in rnd.sample(PEERS, 2):
                ctx.send(to, text=str(number))
            return got
        ctx.step(f"s{number}", work)
        time.sleep(0.01)
    return {"steps": STEPS}
"""


def begin(orchestra: Orchestra, *, count: int = STEPS) -> None:
    """Start the team; each agent takes `count` steps."""
    orchestra.file("chatter.py", f"AGENTS, STEPS = {AGENTS!r}, {count}\n{CHATTER}")
    agent = {"kind": "python", "callable": "chatter:main"}
    orchestra.start({name: dict(agent) for name in AGENTS}, intervals={"checkpoint_s": 1})
    wait_for(lambda: steps_done(orchestra.root) > 40, "the team chatters")


def steps_done(root: Path) -> int:
    return sum(len(each.keys) for each in books(root).values())


def finished(root: Path) -> bool:
    return all(len(each.keys) == STEPS for each in books(root).values())


def wait_until_done(orchestra: Orchestra, root: Path) -> None:
    def is_done() -> bool:
        status = json.loads(orchestra.cli("status", str(root), "--json").stdout)
        return bool(status["phase"] == "done")

    wait_for(is_done, f"{root.name} is done", deadline_s=90)


def assert_exactly_once(root: Path) -> None:
    assert problems(root) == []
    assert {name: each.keys for name, each in books(root).items()} == {
        name: [f"s{number}" for number in range(STEPS)] for name in AGENTS
    }


def independent_problems(root: Path, cut: dict[str, Any]) -> list[str]:
    """Receipts without a send at the lines that `cut` names, by the journals alone."""
    sent: dict[str, int] = {}
    marks: dict[str, int] = {}
    for agent, each in cut["agents"].items():
        for line in lines_that_count(root / "agents" / agent):
            if line["seq"] > each["seq"]:
                break
            for message in line.get("sent", ()):
                sent[f"{message['to']}/{agent}"] = message["n"]
            for key, mark in line.get("received", {}).items():
                marks[key] = mark[0]
    return [f"{key}: read {n}, sent {sent.get(key, 0)}" for key, n in marks.items() if n > sent.get(key, 0)]


@pytest.mark.timeout(240)
def test_cuts_at_random_instants_are_consistent_and_disturb_nobody(orchestra: Orchestra) -> None:
    begin(orchestra)
    random = Random(5)
    for _ in range(6):
        time.sleep(random.uniform(0, 0.2))  # the instant is what is tried out
        told = json.loads(orchestra.cli("checkpoint", str(orchestra.root), "--json", expect=0).stdout)
        assert independent_problems(orchestra.root, told["checkpoint"]) == []
    wait_until_done(orchestra, orchestra.root)
    cuts, wrong = all_cuts(Tree(orchestra.root))
    assert wrong == []
    assert {cut.by for cut in cuts} == {"operator", "supervisor"}
    for cut in cuts:
        assert independent_problems(orchestra.root, cut.to_json()) == []
    assert_exactly_once(orchestra.root)
    attempts = [*orchestra.root.glob("agents/*/attempts/*")]
    assert len(attempts) == len(AGENTS), "nobody was restarted"


@pytest.mark.timeout(240)
def test_copy_read_at_different_times_has_no_ghosts_and_finishes(orchestra: Orchestra) -> None:
    begin(orchestra)
    copy = orchestra.folder / "copy"
    copy.mkdir(mode=0o700)
    for entry in sorted(orchestra.root.iterdir()):
        if entry.name == "agents":
            (copy / "agents").mkdir()
            for agent in sorted(entry.iterdir()):
                copy_as_it_is(agent, copy / "agents" / agent.name)
                done = steps_done(orchestra.root)
                wait_for(lambda done=done: steps_done(orchestra.root) > done + 12, "the others went on")
        elif entry.is_dir():
            copy_as_it_is(entry, copy / entry.name)
        else:
            shutil.copy2(entry, copy / entry.name)
    assert problems(copy) != [], "the copy is meant to be inconsistent"
    told = orchestra.cli("check", str(copy)).stdout
    assert "goes back by" in told
    orchestra.cli("resume", str(copy), "--detach", expect=0)
    wait_until_done(orchestra, copy)
    assert_exactly_once(copy)
    wait_until_done(orchestra, orchestra.root)
    assert_exactly_once(orchestra.root)
    notes = json.loads(orchestra.cli("status", str(copy), "--json").stdout)["notes"]
    assert any("goes back by" in note for note in notes)
    assert unread(copy) < sum(len(numbers) for each in books(copy).values() for numbers in each.sent.values())


def copy_as_it_is(source: Path, target: Path) -> None:
    """Copy a living folder; what vanishes meanwhile is not there."""
    subprocess.run(["cp", "-a", str(source), str(target)], stderr=subprocess.DEVNULL, check=False)


@pytest.mark.timeout(300)
def test_living_team_goes_back_whoever_is_killed_and_finishes_exactly_once(orchestra: Orchestra) -> None:
    begin(orchestra)
    orchestra.cli("checkpoint", str(orchestra.root), "--name", "here", expect=0)
    orchestra.cli("resume", str(orchestra.root), "--detach", expect=0)
    done = steps_done(orchestra.root)
    more = min(done + 40, STEPS * len(AGENTS))
    wait_for(lambda: steps_done(orchestra.root) >= more, "work goes on, or is done")
    random = Random(7)
    for _ in range(4):  # kills in the middle leave the old or the new
        running = subprocess.Popen(
            [sys.executable, "-m", "maos_sup", "rollback", str(orchestra.root), "here", "--yes"],
            env=orchestra.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(random.uniform(0.1, 1.5))  # the instant is what is tried out
        running.send_signal(signal.SIGKILL)
        running.wait()
    orchestra.cli("rollback", str(orchestra.root), "here", "--yes", expect=0)
    assert problems(orchestra.root) == []
    told = orchestra.cli("resume", str(orchestra.root), "--detach", expect=0).stderr
    assert "since you looked" in told and "(rollback)" in told
    wait_until_done(orchestra, orchestra.root)
    told = orchestra.cli("attach", str(orchestra.root), expect=0).stderr
    assert "all that was there is there still" in told
    assert_exactly_once(orchestra.root)
    orchestra.cli("check", str(orchestra.root), expect=0)


@pytest.mark.timeout(300)
def test_forks_of_a_living_team_finish_each_with_totals_of_its_own(orchestra: Orchestra) -> None:
    begin(orchestra)
    out = orchestra.folder / "fork"
    orchestra.cli(
        *("fork", str(orchestra.root), "-o", str(out), "-n", str(FORKS)),
        *("--set", "limits.max_agents", "3"),
        expect=0,
    )
    forks = [out.with_name(f"fork-{number + 1}") for number in range(FORKS)]
    for fork in forks:
        orchestra.cli("resume", str(fork), "--detach", expect=0)
    for root in (orchestra.root, *forks):
        wait_until_done(orchestra, root)
        assert_exactly_once(root)
        orchestra.cli("check", str(root), expect=0)
        orchestra.cli("replay", str(root), "--verify", expect=0)
    assert len({json.loads((root / "spec/orchestration.json").read_text())["id"] for root in forks}) == FORKS
    told = orchestra.cli("diff", str(forks[0]), str(forks[1]), expect=0).stdout
    assert "in common" in told
