"""The highest consistent ends, by tables and by comparison with a search that tries everything."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maos_sup.core.cuts import Trace, consistent_cut, in_flight


def trace(end: int, base: int = 0, **more: dict[str, list[tuple[int, int]]]) -> Trace:
    sent = {to: tuple(steps) for to, steps in more.get("sent", {}).items()}
    marks = {key.replace("_", "/"): tuple(steps) for key, steps in more.get("marks", {}).items()}
    return Trace(end=end, base=base, sent=sent, marks=marks)


def test_team_that_knows_nothing_of_each_other_is_taken_as_it_is() -> None:
    cut = consistent_cut({"a": trace(5), "b": trace(7)})
    assert (cut.ends, cut.lowered, cut.rounds) == ({"a": 5, "b": 7}, {}, 1)


def test_reader_of_a_message_not_sent_goes_back_to_before_it() -> None:
    team = {"a": trace(3, sent={"b": [(2, 1)]}), "b": trace(9, marks={"b_a": [(4, 1), (6, 2)]})}
    assert consistent_cut(team).ends == {"a": 3, "b": 5}


def test_who_goes_back_takes_others_along() -> None:
    team = {
        "a": trace(1, sent={"b": []}),
        "b": trace(9, sent={"c": [(2, 1), (8, 2)]}, marks={"b_a": [(5, 1)]}),
        "c": trace(9, marks={"c_b": [(3, 1), (9, 2)]}),
    }
    cut = consistent_cut(team)
    assert cut.ends == {"a": 1, "b": 4, "c": 8}
    assert cut.lowered == {"b": 5, "c": 1}


def test_broadcasts_count_as_mail_of_their_box() -> None:
    team = {"a": trace(1, sent={"all": [(1, 1)]}), "b": trace(4, marks={"all_a": [(2, 1), (4, 2)]})}
    assert consistent_cut(team).ends == {"a": 1, "b": 3}


def test_sender_of_whom_nothing_is_known_holds_nobody_back() -> None:
    assert consistent_cut({"b": trace(4, marks={"b_operator": [(2, 7)], "b_gone": [(3, 9)]})}).ends == {
        "b": 4
    }


def test_number_that_an_older_copy_settled_counts_as_sent() -> None:
    team = {"a": trace(1), "b": trace(4, marks={"b_a": [(2, 7)]})}
    assert consistent_cut(team).ends == {"a": 1, "b": 1}
    assert consistent_cut(team, floors={"a": {"b": 7}}).ends == {"a": 1, "b": 4}


def test_task_that_began_before_its_need_was_settled_is_not_begun() -> None:
    team = {"a": Trace(end=3, settled={"x": 5}), "b": Trace(end=8, began={"y": 6})}
    assert consistent_cut(team, needs={"y": ("x",)}).ends == {"a": 3, "b": 5}
    assert consistent_cut(team, needs={"y": ("skipped",)}).ends == {"a": 3, "b": 8}


def test_agent_lowered_below_what_is_known_in_detail_is_named() -> None:
    team = {"a": trace(1), "b": trace(9, base=6, marks={"b_a": [(6, 3)]})}
    assert consistent_cut(team).unknown == {"b"}


def test_mail_under_way_is_what_was_sent_and_not_read() -> None:
    team = {"a": trace(5, sent={"b": [(2, 1), (4, 3)]}), "b": trace(3, marks={"b_a": [(3, 1)]})}
    assert in_flight(team, {"a": 5, "b": 3}, readers=["a", "b"]) == {"b/a": 2}
    assert in_flight(team, {"a": 2, "b": 3}, readers=["a", "b"]) == {}


def is_consistent(team: dict[str, Trace], ends: dict[str, int]) -> bool:
    """Asked without any of the code under test."""

    def upto(steps: tuple[tuple[int, int], ...], end: int) -> int:
        return max((number for line, number in steps if line <= end), default=0)

    return all(
        upto(steps, ends[reader])
        <= upto(team[key.split("/")[1]].sent.get(key.split("/")[0], ()), ends[key.split("/")[1]])
        for reader, mine in team.items()
        for key, steps in mine.marks.items()
    )


def rising(draw: st.DrawFn, end: int) -> tuple[tuple[int, int], ...]:
    lines = sorted(draw(st.sets(st.integers(1, max(end, 1)), max_size=3)))
    return tuple((line, number) for number, line in enumerate(lines, start=1) if line <= end)


@st.composite
def teams(draw: st.DrawFn) -> dict[str, Trace]:
    names = ["a", "b", "c"]
    team = {}
    for name in names:
        end = draw(st.integers(0, 5))
        others = [other for other in names if other != name]
        team[name] = Trace(
            end=end,
            sent={other: rising(draw, end) for other in others},
            marks={f"{name}/{other}": rising(draw, end) for other in others},
        )
    return team


@settings(max_examples=200, deadline=None)
@given(teams())
def test_no_higher_consistent_cut_exists(team: dict[str, Trace]) -> None:
    found = dict(consistent_cut(team).ends)
    assert is_consistent(team, found)
    ranges = [range(team[name].end + 1) for name in team]
    for choice in product(*ranges):
        ends = dict(zip(team, choice, strict=True))
        if is_consistent(team, ends):
            assert all(ends[name] <= found[name] for name in team)


@pytest.mark.parametrize("size", [2, 50])
def test_ring_that_knows_too_much_goes_back_to_its_beginning(size: int) -> None:
    names = [str(number) for number in range(size)]
    team = {
        name: Trace(
            end=2,
            sent={names[(index + 1) % size]: ((2, 1),)},
            marks={f"{name}/{names[index - 1]}": ((1, 1),)},
        )
        for index, name in enumerate(names)
    }
    team["0"] = Trace(end=1, marks=team["0"].marks)
    cut = consistent_cut(team)
    assert set(cut.ends.values()) == {0}
