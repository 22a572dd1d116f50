"""What waits for a person, the graph, the timeline, an agent's page, texts: bounded, whole, in order."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from recorded import answer, asked, lived, made_tree, task

from maos_sup.cli.report import redactor_of
from maos_sup.projection.agent_page import agent_page
from maos_sup.projection.graph import graph_of
from maos_sup.projection.journal_lines import text_of
from maos_sup.projection.reading import Reading
from maos_sup.projection.text import cut, plain, short
from maos_sup.projection.timeline import MOST_LANES, MOST_SPANS, timeline_of
from maos_sup.projection.wants import wants_of
from state_layout.files import codec
from state_layout.scopes.store import ScopeStore


def tasks_like(needs: dict[str, list[str]]) -> list[dict[str, Any]]:
    told = {"phase": "waiting", "elapsed_s": 1.0}
    return [{"id": name, "agent": "a", "needs": wanted, **told} for name, wanted in needs.items()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1b(Bb\x9b2Jc\x00d", "abcd"),
        ("line\r\nnext\ttab", "line\nnext\ttab"),
        ("abc\u202edef\u2066", "abcdef"),
        ("open \x1b]0;never ended", "open "),
    ],
)
def test_orders_to_a_terminal_are_left_out_whole(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize("before", [0, 380, 395, 399, 400, 1990, 7990, 7999, 50_000])
def test_no_part_of_a_secret_passes_where_a_last_line_is_cut(tmp_path: Path, before: int) -> None:
    secret = "sk-ant-" + "Zq9" * 14
    tree = made_tree(tmp_path)
    attempt = lived(tree, "alice", [task("count", "running")])
    attempt.paths.stdout.write_text(". " * (before // 2) + secret + " ." * 300)
    agent = Reading(tree, redact=redactor_of(tree)).status()["agents"][0]
    shown = short(agent["last_line"] or "", 400)
    assert shown and "Zq9" not in shown


def test_shortened_texts_say_so() -> None:
    assert short("a  b\nc", 10) == "a b c"
    assert short("x" * 20, 5) == "xxxx…"
    assert cut("x" * 20, 5) == "xxxxx\n[... 15 characters left out]"


def test_what_waits_for_a_person_has_the_action_its_change_and_the_command() -> None:
    leave = 'May bob run edit with {"path":"a.py","old_str":"x = 1","new_str":"x = 2"}?'
    status = {
        "agents": [
            {
                "name": "bob",
                "reason": None,
                "questions": [{"id": "bob-1", "task": "t", "text": leave, "at": "z"}],
            },
            {"name": "eve", "reason": "budget of all used up: max_cost_usd 1", "questions": []},
        ],
        "tasks": [
            {"id": "t", "agent": "bob", "phase": "failed", "elapsed_s": 1.0, "attempts": 1, "error": "no"}
        ],
        "spec_errors": [{"text": "spec/agents/bob.json:4: bad"}],
    }
    found = {wanted.kind: wanted for wanted in wants_of(status, name="T")}
    assert list(found) == ["approval", "budget", "failed", "mistake"]
    assert (found["approval"].tool, found["approval"].diff[-2:]) == ("edit", ("-x = 1", "+x = 2"))
    assert found["approval"].type_this == "maos-sup answer T bob-1 yes|no"
    assert "set T" in str(found["budget"].type_this)
    assert found["failed"].type_this == "maos-sup retry T --task t"


def test_task_stands_behind_the_last_of_its_needs() -> None:
    graph = graph_of(
        tasks_like({"a": [], "b": ["a"], "c": ["a", "b"], "d": ["nobody"], "e": ["f"], "f": ["e"]}), {}
    )
    columns = {node.id: node.column for node in graph.nodes}
    assert (columns["a"], columns["b"], columns["c"], columns["d"]) == (0, 1, 2, 0)
    assert ("b", "c") in graph.edges and ("nobody", "d") not in graph.edges


def test_graph_of_thousands_is_small_and_counts_everybody() -> None:
    needs = {f"t{n}": [] for n in range(2000)} | {f"u{n}": [f"t{n}"] for n in range(1500)}
    needs["end"] = [f"u{n}" for n in range(1500)]
    graph = graph_of(tasks_like(needs), {"t0": 3.0})
    assert sum(node.count for node in graph.nodes) == 3501
    assert len(graph.nodes) < 260
    assert sum(node.time_share for node in graph.nodes) == pytest.approx(1.0)
    assert sum(node.cost_share for node in graph.nodes) == pytest.approx(1.0)


def test_what_a_killed_process_was_at_ends_when_it_did(tmp_path: Path) -> None:
    """Not at the last thing that it said: a task without a word until a kill seemed to take no time."""
    made = made_tree(tmp_path)
    first = lived(made, "alice", [task("count", "running")], reason=None)
    path = first.paths.exit
    ended_s = time.time() + 40
    told = codec.decode_object(path.read_bytes()) | {"at": text_of(ended_s)}
    path.write_bytes(codec.encode(told))
    lived(made, "alice", [task("count", "running"), task("count", "done")])
    reading = Reading(made)
    alice, _ = timeline_of(reading, reading.status(), now_s=ended_s + 1).lanes
    killed = next(span for span in alice.spans if span.state == "cut")
    assert killed.end_s == pytest.approx(ended_s, abs=0.001)


def test_timeline_has_attempts_spans_mail_money_and_who_waited(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    message = {"to": "bob", "n": 1, "type": "info", "text": "done"}
    lived(
        tree, "alice", [task("count", "running"), asked("count", "k"), answer("count", "k", 0.5)], reason=None
    )
    lived(tree, "alice", [task("count", "done", elapsed_s=1.0, sent=[message])])
    lived(tree, "bob", [("received", {"received": {"bob/alice": [1, 10, "x"]}}), task("report", "running")])
    reading = Reading(tree)
    timeline = timeline_of(reading, reading.status(), now_s=time.time())
    alice, bob = timeline.lanes
    assert [life.reason for life in alice.lives] == ["lost", "parked"]
    assert [(span.kind, span.state) for span in alice.spans] == [("task", "cut"), ("model", "done")]
    assert sum(timeline.money) == 0.5
    (arrow,) = timeline.arrows
    assert (arrow.sender, arrow.to) == ("alice", "bob")
    assert arrow.read_s is not None and arrow.read_s >= arrow.sent_s
    assert [span.state for span in bob.spans] == ["cut"]
    assert timeline.begun_s <= timeline.since_s <= timeline.until_s <= timeline.ended_s


def test_window_of_a_long_busy_run_is_bounded_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    names = [f"a{n}" for n in range(MOST_LANES + 5)]
    agents = {name: {"kind": "command", "command": ["true"]} for name in names}
    tree = made_tree(tmp_path, agents, {"t": {"agent": "a0", "description": "T"}})
    steps = [
        line
        for n in range(MOST_SPANS + 50)
        for line in (
            ("call", {"task": "t", "key": f"k{n}"}),
            ("step", {"task": "t", "key": f"k{n}", "result": "r"}),
        )
    ]
    lived(tree, "a0", [task("t", "running"), *steps])
    reading = Reading(tree)
    status = reading.status()
    first = timeline_of(reading, status, now_s=time.time())
    assert (len(first.lanes), first.agents) == (MOST_LANES, MOST_LANES + 5)
    assert (len(first.lanes[0].spans), first.lanes[0].left_out) == (MOST_SPANS, 51)
    assert first.lanes[0].spans[0].kind == "task"
    rest = timeline_of(reading, status, now_s=time.time(), first=MOST_LANES)
    assert [lane.agent for lane in rest.lanes] == names[MOST_LANES:]


def test_agents_page_folds_calls_into_the_turn_that_made_them(tmp_path: Path) -> None:
    tree = made_tree(tmp_path)
    call = {"type": "tool_use", "id": "c1", "name": "bash", "input": {"command": "ls"}}
    lines = [
        task("count", "running"),
        ("turn", {"role": "user", "task": "count", "run": 1, "n": 1, "content": "Count, please"}),
        asked("count", "k"),
        (
            "block",
            {"task": "count", "run": 1, "key": "k", "index": 0, "block": {"type": "text", "text": "I look"}},
        ),
        ("block", {"task": "count", "run": 1, "key": "k", "index": 1, "block": call}),
        answer("count", "k"),
        ("tool_call", {"task": "count", "run": 1, "id": "c1", "name": "bash", "token": "t"}),
        (
            "tool_result",
            {"task": "count", "run": 1, "id": "c1", "name": "bash", "content": "a\nb", "elapsed_s": 0.5},
        ),
        task("count", "done", result="two"),
    ]
    lived(tree, "alice", lines)
    tree.agent("alice").attempt(1).stdout.write_text("one\n\x1b[1mtwo\x1b[0m\n")
    reading = Reading(tree)
    page = agent_page(reading, reading.status(), "alice")
    assert page is not None
    assert [turn.kind for turn in page.turns] == ["life", "task", "told", "answer", "task"]
    said = page.turns[3]
    assert (said.text, said.cost_usd) == ("I look", 0.01)
    assert [(one.name, one.result, one.elapsed_s) for one in said.calls] == [("bash", "a\nb", 0.5)]
    assert page.output == (("stdout", "one"), ("stdout", "two"))
    assert agent_page(reading, reading.status(), "nobody") is None


def test_page_of_an_agent_has_the_values_that_it_keeps(tmp_path: Path) -> None:
    made = made_tree(tmp_path)
    lived(made, "alice", [("step", {"key": "s", "result": 1, "state": {"set": {"mine": {"n": 5}}}})])
    lived(made, "bob", [])
    for writer, sort, name, key in (
        ("alice", "orchestration", "", "ours"),
        ("alice", "custom", "plan", "sk-secret"),
        ("bob", "custom", "plan", "his"),
        ("bob", "custom", "plan", "theirs"),
        ("alice", "custom", "plan", "theirs"),
    ):
        with closing(ScopeStore(made.state_scope(sort, name), writer)) as store:
            store.put(key, {"by": writer})
    reading = Reading(made, redact=lambda value: "[gone]" if value == "sk-secret" else value)
    page = agent_page(reading, reading.status(), "alice")
    assert page is not None
    assert [(one.scope, one.key, one.value) for one in page.kept] == [
        ("orchestration", "ours", '{"by":"alice"}'),
        ("custom:plan", "[gone]", '{"by":"alice"}'),
        ("custom:plan", "theirs", '{"by":"alice"}'),
        ("agent:alice", "mine", '{"n":5}'),
    ]
