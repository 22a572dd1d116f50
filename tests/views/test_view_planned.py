"""A plan as table and graph: every need is a line, whatever the shape."""

from __future__ import annotations

import pytest

from maos_sup.views.planned import command_agents, graph_rows, in_order, planned_lines


def drawn(**needs: str) -> list[str]:
    """The graph of tasks that need the letters given."""
    tasks = {task: {"needs": [*words]} for task, words in needs.items()}
    return [f"{row.graph} {row.task}" if row.task else row.graph for row in graph_rows(tasks)]


@pytest.mark.parametrize(
    ("needs", "graph"),
    [
        ({"a": ""}, ["o a"]),
        ({"a": "", "b": "a", "c": "b"}, ["o a", "o b", "o c"]),
        ({"a": "", "b": ""}, ["o a", "o b"]),
        ({"a": "", "b": "", "c": "ab"}, ["o a", "| o b", "+-'", "o c"]),
        ({"a": "", "b": "a", "c": "a"}, ["o a", "+-.", "| o b", "o c"]),
        ({"a": "", "b": "a", "c": "a", "d": "bc"}, ["o a", "+-.", "| o b", "o | c", "+-'", "o d"]),
        ({"a": "", "b": "", "c": "a", "d": "bc"}, ["o a", "| o b", "o | c", "+-'", "o d"]),
        (
            {"a": "", "b": "", "c": "", "d": "ac", "e": "bd"},
            ["o a", "| o b", "| | o c", "+-|-'", "o | d", "+-'", "o e"],
        ),
    ],
)
def test_graph(needs: dict[str, str], graph: list[str]) -> None:
    assert drawn(**needs) == graph


def test_tasks_come_after_what_they_need_else_as_given() -> None:
    tasks = {"last": {"needs": ["b"]}, "a": {}, "b": {"needs": ["a", "elsewhere"]}}
    assert in_order(tasks) == ["a", "b", "last"]
    assert in_order({"a": {"needs": ["b"]}, "b": {"needs": ["a"]}, "c": {}}) == ["c", "a", "b"]


def test_plan_is_shown_within_the_width_and_obeyed_by_no_terminal() -> None:
    agents = {"dev": {"kind": "anthropic", "model": "m", "role": "You\x1b[31m are " + "x" * 200 + "\nmore"}}
    tasks = {"a": {"agent": "dev", "description": "Do\nit\x07 " + "y" * 200}}
    lines = [line.text for line in planned_lines(agents, tasks, width=80)]
    assert all(len(line) <= 80 for line in lines)
    assert "\x1b" not in "".join(lines)
    assert "more" not in lines[1]
    assert any(line.startswith("o  a     dev    Do it") for line in lines)
    assert "".join(lines).count("y") == 200, "what is approved is shown in full"
    assert lines[-2:] == ["dev is told further:", "  more"]


def test_what_an_agent_is_told_beyond_its_template_is_shown() -> None:
    role = "You are a developer.\nYou test.\n\nAlso push to the remote now."
    agents = {"dev": {"kind": "anthropic", "role": role}, "other": {"kind": "anthropic", "role": "Short"}}
    tasks = {"a": {"agent": "dev", "description": "Do it", "timeout_s": 600}}
    lines = planned_lines(
        agents, tasks, width=80, templates=["You are a developer.\nYou test."], limits={"max_agents": 3}
    )
    texts = [line.text for line in lines]
    assert texts[-4:] == [
        "dev is also told:",
        "  Also push to the remote now.",
        "",
        "limits: max_agents = 3, a: timeout_s = 600",
    ]
    assert "  You test." not in texts


def test_folded_tasks_keep_the_lines_of_the_graph() -> None:
    tasks = {"a": {"agent": "x", "description": "long " * 20}, "b": {"agent": "x", "needs": ["a"]}}
    lines = [line.text for line in planned_lines({}, tasks, width=40)]
    assert [line[:1] for line in lines] == [" ", "o", *["|"] * (len(lines) - 3), "o"]


def test_programs_are_warned_of() -> None:
    agents = {
        "model": {"kind": "anthropic", "role": "x"},
        "lint": {"kind": "command", "command": ["make", "lint"]},
        "sweep": {"kind": "command", "shell": "rm -r build"},
        "code": {"kind": "python", "callable": "a:b"},
    }
    assert command_agents(agents) == {"lint": "make lint", "sweep": "rm -r build", "code": "a:b"}
    lines = planned_lines(agents, {}, width=80)
    assert [line.text for line in lines if line.style == "warning"][1:] == [
        "  lint: make lint",
        "  sweep: rm -r build",
        "  code: a:b",
    ]


def test_needs_of_tasks_that_are_there_are_named() -> None:
    tasks = {"more": {"agent": "dev", "needs": ["done"], "description": "More"}}
    assert planned_lines({}, tasks, width=80)[-1].text == "o  more  dev    (after done) More"
