"""Marks: named after tree, agent and attempt; seen on what was executed with one, and on who wears one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from state_layout.host.marks import (
    MARK_BYTES,
    MARK_VARIABLE,
    blank_mark,
    boot_id,
    mark_of,
    read_mark,
    tree_place,
)
from state_layout.paths import Tree

WEARER = """
import os, sys
from state_layout.host.marks import read_mark, wear, wear_none
print(read_mark(os.getpid()))
print(wear(sys.argv[1]), read_mark(os.getpid()), os.environ["MAOS_MARK"])
child = os.fork()
if child == 0:
    print(read_mark(os.getpid()), flush=True)
    os._exit(0)
os.waitpid(child, 0)
wear_none()
print(read_mark(os.getpid()), "MAOS_MARK" in os.environ)
"""


def worn(start: str | None, mark: str) -> list[str]:
    """Give what a process executed with `start` sees when it wears `mark`, forks, and takes it off."""
    env = {key: value for key, value in os.environ.items() if key != MARK_VARIABLE}
    if start is not None:
        env[MARK_VARIABLE] = start
    done = subprocess.run(
        [sys.executable, "-u", "-c", WEARER, mark], env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def test_mark_names_boot_tree_agent_and_attempt(tmp_path: Path) -> None:
    found = tmp_path.stat()
    assert mark_of(Tree(tmp_path), "bob", 3) == f"{boot_id()}:{found.st_dev}:{found.st_ino}:bob:3"
    assert tree_place(Tree(tmp_path)) == {
        "boot_id": boot_id(),
        "device": found.st_dev,
        "inode": found.st_ino,
    }


def test_copy_has_other_marks(tmp_path: Path) -> None:
    for name in ("tree", "copy"):
        (tmp_path / name).mkdir()
    assert mark_of(Tree(tmp_path / "tree"), "bob", 3) != mark_of(Tree(tmp_path / "copy"), "bob", 3)


def test_mark_of_the_longest_name_fits_into_a_blank_one(tmp_path: Path) -> None:
    assert len(mark_of(Tree(tmp_path), "x" * 64, 10**19)) <= MARK_BYTES
    assert len(blank_mark()) == MARK_BYTES


def test_forked_child_is_seen_to_wear_what_its_parent_put_on() -> None:
    before, put_on, in_child, taken_off = worn(blank_mark(), "boot:1:2:bob:3")
    assert before == "-"
    assert put_on == "True boot:1:2:bob:3 boot:1:2:bob:3"
    assert in_child == "boot:1:2:bob:3"
    assert taken_off == "- False"


def test_longer_mark_than_there_is_room_for_leaves_no_false_one() -> None:
    before, put_on, in_child, _ = worn("boot:1:2:a:1", "boot:1:2:much-longer:1")
    assert before == "boot:1:2:a:1"
    assert put_on == "False - boot:1:2:much-longer:1"
    assert in_child == "-"


def test_process_without_a_mark_wears_it_for_its_children_only() -> None:
    before, put_on, in_child, taken_off = worn(None, "boot:1:2:bob:3")
    assert before == ""
    assert put_on == "False  boot:1:2:bob:3"
    assert (in_child, taken_off) == ("", " False")


@pytest.mark.parametrize(
    ("environ", "mark"),
    [
        ({"MAOS_MARK": "b:1:2:a:1"}, "b:1:2:a:1"),
        ({"A": "1", "MAOS_MARK": "b:1:2:a:1", "Z": "1"}, "b:1:2:a:1"),
        ({"XMAOS_MARK": "b:1:2:a:1"}, ""),
        ({"A": "MAOS_MARK=b:1:2:a:1"}, ""),
        ({"MAOS_MARKS": "b"}, ""),
        ({"MAOS_MARK": ""}, ""),
        ({}, ""),
    ],
    ids=str,
)
def test_mark_is_read_from_the_environment_of_a_process(environ: dict[str, str], mark: str) -> None:
    with subprocess.Popen(["/bin/sleep", "1000"], env=environ) as process:
        found = read_mark(process.pid)
        process.kill()
    assert found == mark


def test_mark_of_a_process_that_is_gone_is_unknown() -> None:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    assert read_mark(process.pid) is None
