"""A living team is taken back and forward again and again, whoever is killed, and ends in order.

MAOS_SUP_UNDO_ROUNDS=1 is the long form: fifty times; a higher number is that many, at other instants.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest
from ledger import lines_that_count, problems
from orchestra import Orchestra, wait_for
from test_living_team import steps_done
from test_many_cuts_and_copies import assert_it_ends_in_order, begin

from maos_sup.cuts import store
from maos_sup.cuts.record import TeamCut
from state_layout.paths import Tree

_WISHED = int(os.environ.get("MAOS_SUP_UNDO_ROUNDS", 0))
ROUNDS = {0: 1, 1: 50}.get(_WISHED, _WISHED)
MOST_KILLS = 3  # of one rollback or redo


def assert_at(tree: Tree, cut: TeamCut) -> None:
    """All lines that count are those of `cut`, byte for byte by their hashes, and then only new lives."""
    for agent, each in cut.agents.items():
        lines = lines_that_count(tree.root / "agents" / agent)
        there = [line for line in lines if line["seq"] <= each.place.seq]
        assert (there[-1]["seq"], there[-1]["h"]) == (each.place.seq, each.place.h)
        assert {line["type"] for line in lines[len(there) :]} <= {"start"}
    assert problems(tree.root) == []


def go(orchestra: Orchestra, random: Random, *words: str) -> None:
    """Go back or forward; killed at random instants first, for as long as it has not arrived."""
    arguments = [sys.executable, "-m", "maos_sup", words[0], str(orchestra.root), *words[1:], "--yes"]
    was_killed = False
    for _ in range(random.randrange(MOST_KILLS + 1)):
        running = subprocess.Popen(
            arguments,
            env=orchestra.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(random.uniform(0.2, 1.2))  # the instant is what is tried out
        running.send_signal(signal.SIGKILL)
        if running.wait() == 0:
            return  # it was there before the kill
        was_killed = True
    done = orchestra.cli(*words[:1], str(orchestra.root), *words[1:], "--yes")
    is_there = was_killed and "there is no rollback to take back" in done.stderr  # killed when it was done
    assert done.returncode == 0 or is_there, f"{done.stdout}{done.stderr}"


@pytest.mark.timeout(3600 if ROUNDS > 1 else 300)
def test_team_goes_back_and_forward_from_random_moments(orchestra: Orchestra) -> None:
    begin(orchestra)
    tree, random = Tree(orchestra.root), Random(ROUNDS)
    for number in range(ROUNDS):
        orchestra.cli("checkpoint", str(orchestra.root), "--name", f"here {number}", expect=0)
        here = store.find(tree, f"here {number}")
        done = steps_done(orchestra.root)
        wait_for(lambda done=done: steps_done(orchestra.root) > done + 8, "work goes on")
        go(orchestra, random, "rollback", f"here {number}")
        assert_at(tree, here)
        befores = [
            cut for cut in store.all_cuts(tree)[0] if cut.by == "rollback" and cut.number > here.number
        ]
        go(orchestra, random, "redo")
        assert_at(tree, befores[-1])
        go(orchestra, random, "rollback", str(befores[0].number))  # the other future, whoever was killed
        assert_at(tree, befores[0])
        go(orchestra, random, "rollback", f"here {number}")
        assert_at(tree, here)
        orchestra.cli("resume", str(orchestra.root), "--detach", expect=0)
        done = steps_done(orchestra.root)
        wait_for(lambda done=done: steps_done(orchestra.root) > done + 8, "it works from there")
        logging.getLogger(__name__).info("round %s of %s", number + 1, ROUNDS)
    orchestra.cli("stop", str(orchestra.root), expect=0)
    assert_it_ends_in_order(orchestra, orchestra.root)
