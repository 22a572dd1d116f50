"""The fold of journals: what each line means to the lives after it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state_layout.files import codec
from state_layout.files.chain import ORIGIN, Position, Run, chained
from state_layout.lives.history import History
from state_layout.records import TaskOutcome, TaskPhase

AT = "2026-11-21T01:42:00.000001Z"


def fold(*entries: dict[str, Any], history: History | None = None) -> History:
    history = history or History()
    for entry in entries:
        history.take(chained(history.position, {"seq": history.seq + 1, "at": AT} | entry))
    return history


def task(phase: str, id_: str = "count", run: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "task", "task": id_, "run": run, "phase": phase, **more}


RUNNING = task("running")


def test_position_is_the_end_of_the_last_line() -> None:
    line = chained(ORIGIN, {"seq": 1, "at": AT, "type": "start", "attempt": 3, "agent": "a", "pin": None})
    history = History()
    history.take(line)
    assert history.position == line.end
    assert (history.seq, history.h, history.attempt) == (1, line.end.h, 3)


def test_attempts_of_a_run_are_counted_and_its_last_error_is_cleared() -> None:
    history = fold(RUNNING, task("interrupted", error="boom", exit_code=3, elapsed_s=1.5), RUNNING)
    assert history.tasks["count"] == TaskOutcome(phase=TaskPhase.RUNNING, attempts=2, elapsed_s=1.5)
    assert history.run == "count#1"


def test_outcome_is_kept() -> None:
    history = fold(RUNNING, task("failed", error="no", exit_code=1, elapsed_s=2.0))
    outcome = history.tasks["count"]
    assert (outcome.phase, outcome.error, outcome.exit_code) == (TaskPhase.FAILED, "no", 1)


def test_higher_run_begins_anew() -> None:
    history = fold(RUNNING, task("failed", error="no"), task("running", run=2))
    assert history.tasks["count"] == TaskOutcome(phase=TaskPhase.RUNNING, run=2, attempts=1)


def test_result_waits_for_the_task_to_settle() -> None:
    history = fold(RUNNING, {"type": "result", "value": {"files": 3}})
    assert history.tasks["count"].result is None
    fold(task("done"), history=history)
    assert history.tasks["count"].result == {"files": 3}
    assert history.results == {}


def test_result_of_the_line_that_settles_wins() -> None:
    assert fold(RUNNING, {"type": "result", "value": 1}, task("done", result=2)).tasks["count"].result == 2


def test_result_survives_an_interruption() -> None:
    history = fold(RUNNING, {"type": "result", "value": 1}, task("interrupted"), RUNNING, task("done"))
    assert history.tasks["count"].result == 1


def test_step_keeps_its_result_and_settles_its_call() -> None:
    step = {"task": "count", "run": 1, "key": "k"}
    history = fold(RUNNING, {"type": "call", **step, "token": "abc"})
    assert history.calls == {"count#1": {"k": "abc"}}
    fold({"type": "step", **step, "result": [1]}, history=history)
    assert history.calls == {"count#1": {}}
    assert history.steps == {"count#1": {"k": [1]}}


def test_step_that_raised_keeps_its_token_until_it_is_called_again() -> None:
    step = {"task": "count", "run": 1, "key": "k"}
    history = fold(
        RUNNING, {"type": "call", **step, "token": "abc"}, {"type": "raised", **step, "token": "abc"}
    )
    assert (history.calls, history.raised) == ({"count#1": {}}, {"count#1": {"k": "abc"}})
    fold({"type": "call", **step, "token": "abc"}, history=history)
    assert (history.calls, history.raised) == ({"count#1": {"k": "abc"}}, {"count#1": {}})


def test_what_belongs_to_a_run_goes_when_it_settles() -> None:
    """Or checkpoints would grow with everything an agent ever did."""
    of_run = [
        RUNNING,
        {"type": "step", "task": "count", "run": 1, "key": "k", "result": 1},
        {"type": "call", "task": "count", "run": 1, "key": "l", "token": "t"},
        {"type": "raised", "task": "count", "run": 1, "key": "m", "token": "u"},
        {"type": "saved", "value": {"at": 3}},
        {"type": "result", "value": 1},
        {"type": "asked", "question": "q1", "text": "May I?"},
        {"type": "asked", "question": "q2", "text": "And that?"},
        {"type": "answered", "question": "q1", "answer": "yes", "text": ""},
    ]
    for last in (task("done"), task("failed"), task("cancelled"), task("running", run=2)):
        history = fold(*of_run, last)
        parts = (history.steps, history.calls, history.raised, history.saves, history.results)
        assert parts == ({}, {}, {}, {}, {})
        assert (history.questions, history.answers) == ({}, {})
    kept = fold(*of_run, task("interrupted"), RUNNING)
    assert kept.steps == {"count#1": {"k": 1}}
    assert kept.saved == {"at": 3}


def test_other_tasks_keep_what_is_theirs() -> None:
    step = {"type": "step", "task": "other", "run": 1, "key": "k", "result": 1}
    history = fold(task("running", "other"), step, task("interrupted", "other"), RUNNING, task("done"))
    assert history.steps == {"other#1": {"k": 1}}


def test_saved_value_is_that_of_the_current_run() -> None:
    history = fold(RUNNING, {"type": "saved", "value": 1}, task("interrupted"), task("running", "other"))
    assert history.saved is None
    fold({"type": "saved", "value": 2}, task("interrupted", "other"), RUNNING, history=history)
    assert history.saved == 1


def test_progress_is_of_the_current_run() -> None:
    history = fold(RUNNING, {"type": "progress", "value": 0.4, "note": "half"})
    fold({"type": "progress", "value": 0.5}, history=history)
    assert (history.progress, history.note) == (0.5, "half")
    assert history.tasks["count"].progress == 0.5
    fold(task("running", "other"), history=history)
    assert (history.progress, history.note) == (None, None)


@pytest.mark.parametrize(
    ("entries", "gains"),
    [
        ([{"type": "progress", "value": 0.2}, {"type": "progress", "value": 0.5}], 2),
        ([{"type": "progress", "value": 0.5}, RUNNING, {"type": "progress", "value": 0.5}], 1),
        ([{"type": "progress", "value": 0.5}, {"type": "progress", "value": 0.2}], 1),
        ([{"type": "saved", "value": 1}, {"type": "saved", "value": 1}, {"type": "saved", "value": 2}], 2),
        ([{"type": "step", "key": "a", "result": 1}, {"type": "step", "key": "b", "result": 1}], 2),
        ([{"type": "turn", "role": "user"}, {"type": "turn", "role": "assistant"}], 1),
        ([task("interrupted"), RUNNING, task("done")], 1),
        ([{"type": "sent", "sent": [{"to": "b", "n": 1, "type": "discovery", "text": "x"}]}], 0),
        ([{"type": "warning", "text": "x"}, {"type": "result", "value": 3}], 0),
    ],
)
def test_what_a_later_attempt_need_not_do_again_is_gained(entries: list[dict[str, Any]], gains: int) -> None:
    history = fold(RUNNING, *entries)
    assert history.gains == gains
    assert History.from_json(history.to_json()).gains == gains


def test_question_is_open_until_it_is_answered() -> None:
    asked = {"type": "asked", "question": "a-1", "text": "May I?"}
    history = fold(RUNNING, asked)
    assert history.questions == {"a-1": {"id": "a-1", "task": "count", "run": 1, "text": "May I?", "at": AT}}
    fold({"type": "answered", "question": "a-1", "answer": "yes", "text": "go"}, history=history)
    assert history.questions == {}
    assert (history.answers["a-1"]["answer"], history.answers["a-1"]["reply"]) == ("yes", "go")
    assert history.answers["a-1"]["text"] == "May I?"


def test_sent_messages_are_numbered_counted_and_unmailed() -> None:
    messages = [
        {"to": "bob", "n": 1, "type": "info", "text": "hi"},
        {"to": "bob", "n": 5, "type": "info", "text": "ho"},
        {"to": "all", "n": 1, "type": "discovery", "text": "found"},
    ]
    history = fold({"type": "sent", "sent": messages[:2]}, {"type": "sent", "sent": messages[2:]})
    assert history.sent == {"bob": 5, "all": 1}
    assert history.unmailed == messages
    assert (history.sent_count, history.discoveries, history.last_discovery) == (3, 1, "found")


def test_figures_are_sums_that_a_checkpoint_keeps() -> None:
    said = {"type": "turn", "role": "assistant", "text": "I look"}
    history = fold(RUNNING, said, {"type": "turn", "role": "user", "text": "go on"}, said)
    assert history.figures == {"turns": 2}
    again = History.from_json(codec.decode_object(codec.encode(history.to_json())))
    assert fold(said, history=again).figures == {"turns": 3}
    older = {key: value for key, value in history.to_json().items() if key != "figures"}
    assert History.from_json(older).figures == {}


def test_calls_of_tools_are_counted_beside_turns() -> None:
    called = {"type": "tool_call", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
    answered = {"type": "tool_result", "id": "toolu_1", "name": "Bash", "content": ""}
    history = fold(
        RUNNING, called, {"type": "turn", "role": "assistant"}, answered, called | {"id": "toolu_2"}
    )
    assert history.figures == {"turns": 1, "tool_calls": 2}


def test_marks_never_go_down_but_may_move_in_the_file() -> None:
    received = [
        {"type": "received", "received": {"bob/alice": mark}} for mark in ([4, 800, "a"], [3, 700, "b"])
    ]
    history = fold(*received)
    assert history.marks == {"bob/alice": (4, 800, "a")}
    fold({"type": "received", "received": {"bob/alice": [4, 100, "c"]}}, history=history)
    assert history.marks == {"bob/alice": (4, 100, "c")}
    assert history.received == 4


def test_source_offsets_are_kept_by_attempt_and_file() -> None:
    lines = [
        {"type": "progress", "value": 1, "source": {"file": "stdout.log", "attempt": 3, "offset": offset}}
        for offset in (10, 30, 20)
    ]
    assert fold(*lines).offsets == {"3/stdout.log": 20}, "a program may empty its own output"


def test_state_is_set_and_deleted() -> None:
    history = fold({"type": "step", "key": "k", "state": {"set": {"a": 1, "b": [2]}}})
    fold({"type": "step", "key": "l", "state": {"set": {"a": 3}, "deleted": ["b", "none"]}}, history=history)
    assert history.state == {"a": 3}


def test_costs_are_added() -> None:
    history = fold(
        {"type": "turn", "cost_usd": 0.5, "tokens": 10}, {"type": "turn", "cost_usd": 0.25, "tokens": 5}
    )
    assert (history.cost_usd, history.tokens) == (0.75, 15)


def test_all_effects_of_a_line_take_place() -> None:
    line = {
        "type": "step",
        "task": "count",
        "run": 1,
        "key": "k",
        "result": 3,
        "sent": [{"to": "bob", "n": 1, "text": "x"}],
        "received": {"all/bob": [1, 100, "h"]},
        "state": {"set": {"seen": True}},
        "cost_usd": 1.0,
    }
    history = fold(RUNNING, line)
    assert history.steps == {"count#1": {"k": 3}}
    assert (history.sent, history.received, history.state) == ({"bob": 1}, 1, {"seen": True})
    assert history.cost_usd == 1.0


def test_artifacts_are_listed_once() -> None:
    lines = [{"type": "artifact", "path": path} for path in ("report.md", "a.txt", "report.md")]
    assert fold(*lines).artifacts == ["report.md", "a.txt"]


@pytest.mark.parametrize("type_", ["start_of_something_new", "warning", "turn"])
def test_unknown_types_and_keys_are_passed_over(type_: str) -> None:
    history = fold({"type": type_, "newer": {"x": 1}, "text": "t"})
    assert history.seq == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "task", "task": "t", "phase": "no such phase"},
        {"type": "task", "phase": "running"},
        {"type": "step", "task": "t", "run": 1},
        {"type": "note", "sent": [{"text": "no recipient"}]},
        {"type": "note", "received": {"a/b": [1]}},
        {"type": "note", "received": {"a/b": "x"}},
        {"type": "note", "cost_usd": "much"},
    ],
)
def test_line_that_is_not_in_form_raises_what_attempts_translates(entry: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        fold(entry)


def full_history() -> History:
    return fold(
        {"type": "start", "attempt": 2, "agent": "a", "pin": None},
        task("running", "first"),
        {"type": "step", "task": "first", "run": 1, "key": "k", "result": {"deep": [1, None, 0.5]}},
        {"type": "result", "value": 9},
        task("done", "first", elapsed_s=3.25),
        RUNNING,
        {"type": "call", "task": "count", "run": 1, "key": "c", "token": "tok"},
        {"type": "saved", "value": [1, {"two": "3"}]},
        {"type": "asked", "question": "q", "text": "?"},
        {"type": "progress", "value": 0.5, "note": "n"},
        {"type": "artifact", "path": "r.md"},
        {"type": "sent", "sent": [{"to": "b", "n": 1, "type": "discovery", "text": "d"}]},
        {"type": "received", "received": {"a/b": [2, 300, "abc"]}},
        {"type": "note", "source": {"file": "stdout.log", "attempt": 2, "offset": 9}},
        {"type": "note", "state": {"set": {"k": "v"}}, "cost_usd": 0.1, "tokens": 4},
    )


def test_history_survives_its_json() -> None:
    history = full_history()
    history.mailed = {"b": (1, 200, "def")}
    again = History.from_json(codec.decode_object(codec.encode(history.to_json())))
    history.unmailed.clear()
    assert again == history
    assert isinstance(again.position, Position)


def test_json_of_a_newer_version_is_read() -> None:
    value = full_history().to_json() | {"newer": 1}
    assert History.from_json(value).tokens == 4


def test_history_goes_on_the_same_from_its_json_as_without() -> None:
    more = [RUNNING, {"type": "step", "task": "count", "run": 1, "key": "x", "result": 1}, task("done")]
    one, other = full_history(), History.from_json(full_history().to_json())
    one.unmailed.clear()
    assert fold(*more, history=one) == fold(*more, history=other)


@given(st.lists(st.sampled_from(["running", "interrupted", "done", "failed", "cancelled"]), max_size=8))
def test_any_order_of_phases_keeps_the_last(phases: list[str]) -> None:
    history = fold(*(task(phase) for phase in phases))
    if phases:
        assert history.tasks["count"].phase == phases[-1]
        assert history.tasks["count"].attempts == phases.count("running")


KEYS = st.sampled_from(["count", "sum", 7, ["no key"]])
RUNS = st.fixed_dictionaries(
    {}, optional={"task": st.sampled_from(["count", "sum"]), "run": st.integers(1, 2)}
)
EFFECTS = st.fixed_dictionaries(
    {},
    optional={
        "sent": st.lists(
            st.fixed_dictionaries(
                {"to": KEYS, "type": st.sampled_from(["info", "discovery"])},
                optional={"n": st.sampled_from([1, 2, 3, "4"])},
            ),
            max_size=3,
        ),
        "received": st.dictionaries(
            st.sampled_from(["all/bob", "ann/bob"]), st.sampled_from([[1, 90, "a"], [2, 80, "b"], [3], None])
        ),
        "stored": st.dictionaries(st.sampled_from(["team", "task"]), st.sampled_from([1, 5, "no number"])),
        "cost_usd": st.sampled_from([0.5, 1, None, "much"]),
        "state": st.sampled_from([{"set": {"a": 1}}, {"deleted": ["a"]}, {"set": 3}, []]),
    },
)
TYPES = st.one_of(
    st.sampled_from(
        [
            *(task(phase) for phase in ("running", "done", "failed", "interrupted", "no phase")),
            task("running", run=2),
            {"type": "progress", "value": 0.5},
            {"type": "turn", "role": "assistant"},
            {"type": "tool_call"},
            {"type": ["no type"]},
            {},
        ]
    ),
    st.builds(
        lambda key, type_: {"type": type_, "key": key}, KEYS, st.sampled_from(["step", "call", "raised"])
    ),
    st.builds(lambda value: {"type": "saved", "value": value}, KEYS),
)
ENTRIES = st.lists(
    st.builds(lambda *parts: parts[0] | parts[1] | parts[2], RUNS, TYPES, EFFECTS), max_size=30
)


@given(ENTRIES, st.integers(1, 30))
def test_many_lines_are_folded_as_one_after_the_other(entries: list[dict[str, Any]], most: int) -> None:
    lines, position = [], ORIGIN
    for entry in entries:
        lines.append(chained(position, {"seq": position.seq + 1, "at": AT} | entry))
        position = lines[-1].end
    one, wrong, mailed = History(), [], []
    for number, line in enumerate(lines):
        try:
            one.take(line)
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            wrong.append((number, repr(cause)))
        else:
            mailed.append((number, [*one.unmailed]))
        one.unmailed.clear()
    many, wrong_of_many, mailed_of_many, number = History(), [], [], 0
    for part in Run(ORIGIN, [line.raw for line in lines], position).parts(most):
        decoded = [codec.decode_object(raw) for raw in part.raws]
        for index, error in many.take_run(part, decoded):
            if error is None:
                mailed_of_many.append((number + index, [*many.unmailed]))
            else:
                wrong_of_many.append((number + index, repr(error)))
            many.unmailed.clear()
        number += len(part.raws)
    assert many == one
    assert wrong_of_many == wrong and mailed_of_many == [pair for pair in mailed if pair[1]]
