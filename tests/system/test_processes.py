"""Who belongs to whom, by tables of processes."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from maos_sup.system.processes import (
    ProcessRow,
    belonging,
    read_children,
    read_descendants,
    read_row,
    read_table,
)

# pid: (parent, session, mark)
Rows = dict[int, tuple[int, int, str]]
FAMILY: Rows = {
    1: (0, 1, ""),
    10: (1, 10, "-"),  # a supervisor
    20: (10, 20, "-"),  # an agent that wears nothing
    21: (20, 20, "a:1"),  # its program
    22: (21, 22, "a:1"),  # that went into another session
    23: (22, 22, ""),  # and emptied its environment
    24: (1, 24, "a:1"),  # an orphan of it
    25: (1, 20, ""),  # an orphan with an empty environment, still in the agent's session
    30: (10, 30, "-"),
    31: (30, 30, "b:1"),
    32: (31, 32, "a:2"),
    40: (22, 40, "-"),  # a supervisor that the program started
    41: (40, 41, "c:1"),
    42: (41, 42, ""),
}


def table(rows: Rows) -> dict[int, ProcessRow]:
    return {
        pid: ProcessRow(pid=pid, parent=parent, session=session, start_time=pid, mark=mark)
        for pid, (parent, session, mark) in rows.items()
    }


@pytest.mark.parametrize(
    ("marks", "found"),
    [
        (["a:1"], [21, 22, 23, 24]),
        (["b:1"], [31]),
        (["a:2"], [32]),
        (["a:1", "b:1"], [21, 22, 23, 24, 31]),
        (["b:1", "a:2"], [31, 32]),
        (["a"], []),
        (["a:11"], []),
        (["c:1"], [41, 42]),
        ([], []),
    ],
    ids=str,
)
def test_marks_lead_to_their_wearers_and_unmarked_descendants(marks: list[str], found: list[int]) -> None:
    assert sorted(row.pid for row in belonging(table(FAMILY), marks=set(marks))) == found


def test_unmarked_process_is_found_by_no_empty_mark() -> None:
    assert belonging(table({5: (1, 5, "")}), marks={"a:1"}) == []


def test_root_leads_to_its_session_and_descendants_of_its_kin() -> None:
    rows = belonging(table(FAMILY), roots=frozenset({20}), kin=lambda mark: mark.startswith("a:"))
    assert {row.pid for row in rows} == {20, 21, 22, 23, 25}


def test_root_belongs_whatever_it_wears() -> None:
    family = table({5: (1, 5, "x:1"), 6: (5, 5, "x:1")})
    rows = belonging(family, roots=frozenset({5}), kin=lambda mark: False)
    assert [row.pid for row in rows] == [5, 6]


def test_spared_process_keeps_its_descendants() -> None:
    rows = belonging(table(FAMILY), marks={"a:1"}, spare=frozenset({22}))
    assert {row.pid for row in rows} == {21, 24}


def test_parents_come_before_their_children() -> None:
    order = [row.pid for row in belonging(table(FAMILY), roots=frozenset({10}), kin=lambda mark: True)]
    rows = table(FAMILY)
    assert all(order.index(rows[pid].parent) < order.index(pid) for pid in order if rows[pid].parent in order)


def test_loop_of_parents_ends() -> None:
    rows = belonging(table({5: (6, 5, "a:1"), 6: (5, 5, "")}), marks={"a:1"})
    assert {row.pid for row in rows} == {5, 6}


@pytest.mark.linux("children listed by the kernel")
def test_real_processes_are_read_as_they_are() -> None:
    with subprocess.Popen(["sleep", "1000"], env={"MAOS_MARK": "b:1:2:a:1"}, start_new_session=True) as child:
        found = read_table().table
        children = read_children(os.getpid())
        below = read_descendants({os.getpid()}).table
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert read_row(child.pid) is None  # a zombie
        assert child.pid in read_children(os.getpid())
    row = found[child.pid]
    assert (row.parent, row.session, row.mark) == (os.getpid(), child.pid, "b:1:2:a:1")
    assert child.pid in children and below[child.pid] == row and os.getpid() in below
    assert 2 not in found  # the kernel's own
    assert read_children(child.pid) == []
