"""Spans between lines: what lasted, how it ended, whatever dies in between."""

from __future__ import annotations

from typing import Any

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.spans import Span, spans_of


def line(seq: int, type_: str, *, attempt: int = 1, is_void: bool = False, **fields: Any) -> JournalLine:
    return JournalLine(
        agent="bob",
        attempt=attempt,
        seq=seq,
        at_s=float(seq),
        type=type_,
        h=f"h{seq}",
        fields=fields,
        is_void=is_void,
    )


def only(kind: str, *lines: JournalLine) -> Span:
    (span,) = [span for span in spans_of(lines).spans if span.kind == kind]
    return span


def test_answer_is_a_span_from_its_request_with_its_money_and_its_model() -> None:
    span = only(
        "model",
        line(1, "task", task="count", run=2, phase="running"),
        line(2, "request", key="k", task="count", run=2, purpose="turn"),
        line(3, "begun", key="k", model="m-1"),
        line(5, "turn", role="assistant", key="k", cost_usd=0.5, tokens=70, usage={"input_tokens": 60}),
    )
    assert (span.begin_s, span.end_s, span.state, span.id) == (2.0, 5.0, "done", "h2")
    assert (span.model, span.cost_usd, span.tokens, span.task, span.run) == ("m-1", 0.5, 70, "count", 2)


def test_answer_without_a_request_begins_where_the_last_line_ended() -> None:
    span = only(
        "model", line(3, "tool_result", id="x"), line(9, "turn", role="assistant", key="k", cost="unknown")
    )
    assert (span.begin_s, span.end_s, span.id, span.cost_usd) == (3.0, 9.0, "h9", None)


def test_broken_try_failed_with_its_reason_and_its_waste() -> None:
    span = only("model", line(1, "request", key="k"), line(4, "broken", key="k", why="dropped", cost_usd=0.1))
    assert (span.state, span.why, span.cost_usd) == ("failed", "dropped", 0.1)


def test_call_ends_by_its_own_id() -> None:
    fold = spans_of(
        [
            line(1, "tool_call", id="a", name="bash"),
            line(2, "tool_call", id="b", name="edit"),
            line(3, "tool_result", id="b", is_error=True),
            line(4, "tool_result", id="a"),
        ]
    )
    assert [(span.name, span.end_s, span.state) for span in fold.spans] == [
        ("edit", 3.0, "failed"),
        ("bash", 4.0, "done"),
    ]


def test_what_a_dead_process_was_at_ends_with_it_and_a_question_waits_on() -> None:
    fold = spans_of(
        [
            line(1, "task", task="count", run=1, phase="running"),
            line(2, "asked", question="q", text="Why?"),
            line(3, "tool_call", id="a", name="bash"),
            line(4, "start", attempt=2),
            line(6, "answered", attempt=2, question="q", answer="yes"),
            line(7, "task", attempt=2, task="count", run=1, phase="running"),
        ]
    )
    ended = {span.kind: (span.end_s, span.state) for span in fold.spans}
    assert ended == {"task": (3.0, "cut"), "tool": (3.0, "cut"), "asking": (6.0, "done")}
    assert [(span.kind, span.attempt, span.end_s) for span in fold.open_spans] == [("task", 2, None)]


def test_step_that_raised_is_told_from_the_one_that_came_after() -> None:
    fold = spans_of(
        [
            line(1, "call", key="gather", task="t"),
            line(2, "raised", key="gather", error="ValueError"),
            line(3, "call", key="gather", task="t"),
            line(4, "step", key="gather", result=1),
        ]
    )
    assert [(span.state, span.why) for span in fold.spans] == [("failed", "ValueError"), ("done", None)]


def test_void_lines_make_void_spans() -> None:
    span = only("step", line(1, "call", key="k", is_void=True), line(2, "step", key="k", is_void=True))
    assert span.is_void
