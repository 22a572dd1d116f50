"""Lines of a watching view, from pairs of statuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from view_trees import MakeTree

from maos_sup.views.events import duration_text, events
from maos_sup.views.plain import PlainView
from maos_sup.views.status import status_of

Status = dict[str, Any]


@pytest.fixture
def status(make_tree: MakeTree) -> Status:
    return status_of(make_tree())


def changed(status: Status, *path: Any, to: Any) -> Status:
    after = copy.deepcopy(status)
    place = after
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return after


def test_first_look_says_what_it_is(status: Status) -> None:
    assert next(iter(events(None, status))).endswith("interrupted: Audit this")


def test_same_status_twice_says_nothing(status: Status) -> None:
    assert list(events(status, copy.deepcopy(status))) == []


@pytest.mark.parametrize(
    ("path", "to", "line"),
    [
        (("tasks", 0, "phase"), "running", "task t0 running (a0)"),
        (("tasks", 0, "phase"), "done", "task t0 done"),
        (("agents", 0, "phase"), "hung", "agent a0 hung"),
        (("phase",), "paused", "20261121-0142-audit-7f3k paused"),
        (("want",), "pause", "wanted now: pause"),
        (("notes",), ["clamped"], "note: clamped"),
        (("supervisor",), {"alive": True, "pid": 7, "life": 2}, "supervisor 7 took over"),
        (("spec_errors",), [{"text": "bob.json:4: no"}], "spec error: bob.json:4: no"),
        (("questions",), [{"id": "a0-1", "text": "may I?"}], "question a0-1: may I?"),
    ],
)
def test_change_is_one_line(status: Status, path: tuple[Any, ...], to: Any, line: str) -> None:
    assert list(events(status, changed(status, *path, to=to))) == [line]


def test_agents_that_cannot_be_placed_say_why_once_for_all(status: Status) -> None:
    why = "waits for slurm: squeue cannot be called here"
    one = changed(status, "agents", 0, "where", to=why)
    assert list(events(status, one)) == [f"agent a0 [{why}]"]
    both = changed(one, "agents", 1, "where", to=why)
    assert list(events(one, both)) == []
    assert list(events(status, both)) == [f"2 agents [{why}]"]
    assert f"2 agents [{why}]" in list(events(None, both))
    assert list(events(both, changed(both, "agents", 0, "where", to="slurm job 7 on n1"))) == []


def test_agent_that_stayed_and_goes_on_is_told_of_by_its_task(status: Status) -> None:
    """It is in the same attempt: nothing began again."""
    stays = changed(changed(status, "agents", 0, "attempt", to=2), "agents", 0, "phase", to="waiting")
    goes_on = changed(stays, "agents", 0, "phase", to="running")
    assert list(events(stays, goes_on)) == []
    assert list(events(goes_on, stays)) == []
    again = changed(goes_on, "agents", 0, "attempt", to=3)
    assert list(events(stays, again)) == ["agent a0 running (attempt 3)"]


def test_a_failed_agent_is_not_said_to_have_failed_because_its_process_ended(status: Status) -> None:
    after = changed(status, "agents", 0, "phase", to="failed")
    after["agents"][0]["reason"] = "parked"
    assert [line for line in events(status, after) if line.startswith("agent")] == ["agent a0 failed"]


def test_failure_says_how_often_and_why(status: Status) -> None:
    after = changed(status, "tasks", 0, "phase", to="failed")
    after["tasks"][0] |= {"attempts": 3, "error": "exit code 2\nsecond line", "elapsed_s": 1.0}
    assert list(events(status, after)) == [
        "task t0 failed in 1.0 s after 3 attempts: exit code 2 second line"
    ]


def test_control_characters_of_an_error_are_not_passed_on(status: Status) -> None:
    after = changed(status, "tasks", 0, "phase", to="failed")
    after["tasks"][0]["error"] = "\x1b]0;owned\x07"
    assert "\x1b" not in "".join(events(status, after))


def test_plain_view_writes_each_event_once(status: Status) -> None:
    lines: list[str] = []
    view = PlainView(lines.append, clock=lambda: "01:42:00")
    message = {"from": "a0", "type": "discovery", "text": "a bug"}
    view.show(status, [message])
    view.show(status, [])
    assert lines[0] == "01:42:00 a0 discovery: a bug"
    assert len([line for line in lines if "Audit this" in line]) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (3.21, "3.2 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (120, "2 min"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_duration_is_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
