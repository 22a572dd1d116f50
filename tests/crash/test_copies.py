"""Copies of a living tree, taken file by file at random instants: each goes on, and so does the original."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from copying import copy_with_cp, ways
from processes import kill
from troupe import TALKERS, Troupe
from verdict import problems, problems_of_copy

COPIES = 50 if "MAOS_SUP_TORTURE_ROUNDS" in os.environ else 3
SEED = int(os.environ.get("MAOS_SUP_TORTURE_SEED", "2"))


@contextmanager
def copy_of(original: Troupe, name: str) -> Iterator[Troupe]:
    """A copy to be made at its `root`; its ledgers begin as the original's are now. Ended at the end."""
    copy = Troupe(original.folder, root=original.folder / name)
    copy.home.mkdir(parents=True)
    for ledger in original.home.glob("*.jsonl"):
        (copy.home / ledger.name).write_bytes(ledger.read_bytes())
    try:
        yield copy
    finally:
        copy.end_all()
        shutil.rmtree(copy.root, ignore_errors=True)


def go_on_to_the_end(copy: Troupe) -> str:
    """Resume the copy, let it work, let it end; nothing may be lost. What `status` noted on the way."""
    copy.resume()
    copy.wait_progress()
    notes = "\n".join(copy.status()["notes"])
    copy.finish()
    copy.wait_rest("done", deadline_s=60)
    assert problems_of_copy(copy) == []
    copy.assert_nothing_left()
    copy.cli("check", str(copy.root), "--repair")  # checkpoints that are ahead of their copied journal
    copy.assert_sound()
    return notes


def processes_of(troupe: Troupe) -> dict[str, tuple[int | None, int | None]]:
    """The process and the program of each agent, and the supervisor's."""
    pids = troupe.pids()
    found = {name: (pids.get(name), troupe.program(name)) for name in TALKERS}
    return {**found, "supervisor": (troupe.supervisor(), None)}


@pytest.mark.timeout(120 + 30 * COPIES)
def test_copies_at_random_instants_go_on_and_so_does_the_original(troupe: Troupe) -> None:
    random = Random(SEED)
    troupe.begin(pace_s=0.02)
    troupe.wait_progress()
    before = processes_of(troupe)
    for number in range(COPIES):
        time.sleep(random.uniform(0, 0.3))  # the instant is what is tried out
        way = ways()[number % len(ways())]
        with copy_of(troupe, f"copy-{number:03d}") as copy:
            way(troupe.root, copy.root)
            if number % 2:
                copy.resume()
                copy.wait_progress()
                kill(*copy.pids().values())  # so that it looks for what they left
            go_on_to_the_end(copy)
        assert processes_of(troupe) == before, f"{way.__name__}: the original was touched"
        troupe.wait_progress()
    assert {name: attempt for name, attempt in troupe.attempts().items() if attempt != 1} == {}
    troupe.finish()
    troupe.wait_rest("done")
    assert problems(troupe) == []
    troupe.assert_sound()


FIRST = {
    "mail before journals": ["mail/**/*.jsonl"],
    "journals before mail": ["agents/*/attempts/*/journal.jsonl"],
    "one receiver before all": ["agents/theo/**/*"],
    "one sender before all": ["agents/thea/**/*"],
    "output before journals": ["agents/*/attempts/*/stdout.log", "agents/*/attempts/*/control.jsonl"],
    "checkpoints last": ["agents/*/attempts/*/journal.jsonl", "mail/**/*.jsonl"],
    "status first": ["agents/*/status.json", "supervisor/**/*"],
}


IN_SHORT = ("mail before journals", "one sender before all", "checkpoints last")


@pytest.mark.parametrize("first", FIRST if "MAOS_SUP_TORTURE_ROUNDS" in os.environ else IN_SHORT)
def test_a_copy_whose_parts_are_of_different_times_goes_on(troupe: Troupe, first: str) -> None:
    troupe.begin()
    troupe.wait_progress()
    with copy_of(troupe, "copy") as copy:
        early = copy.folder / "early"
        for pattern in FIRST[first]:
            copy_parts(troupe.root, early, pattern)
        before = checkpoints_of(troupe)
        troupe.wait(lambda: len(checkpoints_of(troupe) - before) >= 2 * len(TALKERS), "new checkpoints")
        troupe.wait_progress()
        copy_with_cp(troupe.root, copy.root)
        shutil.copytree(early, copy.root, dirs_exist_ok=True)
        notes = go_on_to_the_end(copy)
        if first == "mail before journals":
            assert "beyond its end; clamped" in notes
        if first == "checkpoints last":
            assert "checkpoint" in notes
    assert set(troupe.attempts().values()) == {1}


def checkpoints_of(troupe: Troupe) -> set[bytes]:
    """Read the checkpoints of all agents."""
    return {path.read_bytes() for path in troupe.tree.agents.glob("*/attempts/*/checkpoint.*.json")}


def copy_parts(tree: Path, target: Path, pattern: str) -> None:
    """Copy the files of `pattern` as they are now."""
    for path in tree.glob(pattern):
        if path.is_file() and ".tmp-" not in path.name:
            (target / path.relative_to(tree)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / path.relative_to(tree))


def test_the_end_of_one_is_not_the_end_of_the_other(troupe: Troupe) -> None:
    troupe.begin()
    troupe.wait_progress()
    with copy_of(troupe, "copy") as copy:
        copy_with_cp(troupe.root, copy.root)
        copy.resume()
        copy.wait_progress()
        original = processes_of(troupe)
        copy.do("stop")
        copy.wait_rest("stopped")
        assert processes_of(troupe) == original
        copy.resume()
        copy.wait_progress()
        copied = processes_of(copy)
        troupe.do("stop")
        troupe.wait_rest("stopped")
        assert processes_of(copy) == copied
        troupe.assert_nothing_left()
        copy.wait_progress()
