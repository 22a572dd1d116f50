"""References between tasks and agents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state_layout.specs.links import Link, circle_faults, circles, link_faults

Needs = dict[str, list[str]]


def links(needs: Needs) -> dict[str, Link]:
    return {task: Link(agent="a", needs=items) for task, items in needs.items()}


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ({}, []),
        ({"x": []}, []),
        ({"x": ["x"]}, [["x"]]),
        ({"x": ["y"], "y": ["x"]}, [["x", "y"]]),
        ({"x": ["y"], "y": ["z"], "z": ["y"]}, [["y", "z"]]),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),
        ({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}, [["a", "b"], ["c", "d"]]),
        ({"x": ["nobody"]}, []),
        ({"x": ["nobody", "x"]}, [["x"]]),
    ],
)
def test_circles_are_paths(needs: Needs, found: list[list[str]]) -> None:
    assert circles(links(needs)) == found


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=3, unique=True))
)
def test_no_circle_is_found_exactly_if_the_tasks_can_be_done(needs: Needs) -> None:
    done = {"g"}  # needed by some and no task: no part of a circle
    while ready := [task for task in needs if task not in done and {*needs[task]} & {*needs} <= done]:
        done |= {*ready}
    found = circles(links(needs))
    assert bool(found) == bool({*needs} - done)
    for circle in found:
        for task, need in zip(circle, [*circle[1:], circle[0]], strict=True):
            assert need in needs[task]


def test_each_task_of_a_circle_is_told_which_of_its_needs_closes_it() -> None:
    tasks = links({"x": ["w", "y"], "y": ["x"], "w": []})
    assert [(fault.task, fault.at, fault.text) for fault in circle_faults(["x", "y"], tasks)] == [
        (
            "x",
            ("needs", 1),
            "'needs[1]' is 'y', so these wait for each other: x -> y -> x; remove one of these needs",
        ),
        (
            "y",
            ("needs", 0),
            "'needs[0]' is 'x', so these wait for each other: x -> y -> x; remove one of these needs",
        ),
    ]


@pytest.mark.parametrize(
    ("agents", "link", "text"),
    [
        ({"alice", "bob"}, Link(agent="bobb"), "'agent' is 'bobb', which is no agent; did you mean 'bob'?"),
        ({"alice", "bob"}, Link(agent="zed"), "'agent' is 'zed', which is no agent; use alice or bob"),
        (set(), Link(agent="zed"), "'agent' is 'zed', but there is no agent; add it"),
        (
            {"bob"},
            Link(agent="eve"),
            "'agent' is 'eve', whose file spec/agents/eve.json is bad; mend that one",
        ),
        ({"bob"}, Link(agent="bob", needs=["x", "y"]), "'needs[1]' is 'y', which is no task; use x"),
    ],
)
def test_reference_to_nothing_is_explained(agents: set[str], link: Link, text: str) -> None:
    (fault,) = link_faults(agents, {"x": link}, bad={"agents/eve.json"})
    assert fault.text == text


def test_agent_that_could_not_be_made_out_is_no_fault() -> None:
    assert [*link_faults({"a"}, {"x": Link(agent=None)})] == []
