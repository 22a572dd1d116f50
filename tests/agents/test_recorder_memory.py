"""Memory is what a successor will read, also where it is folded from what was made and not from its line."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maos_sup.agents.attempt.recorder import Recorder
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.lives.history import History
from state_layout.paths import Tree

WORDS = st.text() | st.sampled_from(["\ud800 lone", "", "a \x00 b"])
VALUES = st.recursive(
    WORDS | st.integers(-(1 << 70), 1 << 70) | st.booleans() | st.none() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)
LINES = st.one_of(
    st.tuples(st.just("step"), st.fixed_dictionaries({"key": WORDS, "result": VALUES})),
    st.tuples(st.just("saved"), st.fixed_dictionaries({"value": VALUES})),
    st.tuples(st.just("progress"), st.fixed_dictionaries({"value": st.floats(0, 1), "note": WORDS})),
    st.tuples(st.just("asked"), st.fixed_dictionaries({"question": WORDS, "text": WORDS})),
    st.tuples(st.just("note"), st.fixed_dictionaries({"state": st.just({"set": {"a": [1]}})})),
)
MAIL = st.lists(
    st.fixed_dictionaries(
        {"to": st.just("bob")}, optional={"text": WORDS, "body": VALUES, "reply_to": st.integers(1, 9)}
    ),
    max_size=2,
)


@contextmanager
def recording(root: Path) -> Iterator[tuple[Tree, Recorder]]:
    """A life of ann in a new tree, who may write to bob."""
    tree = Tree(root)
    tree.agent_spec("bob").parent.mkdir(parents=True)
    tree.agent_spec("bob").write_text('{"kind": "command", "command": ["true"]}')
    known = recall(tree, "ann")
    attempt = begin_attempt(tree, "ann", recall=known, settings={})
    known.history.take(attempt.start)
    recorder = Recorder(tree, "ann", attempt=attempt, history=known.history)
    yield tree, recorder
    recorder.close()


def remembered(history: History) -> dict[str, Any]:
    """All of it, as it is now."""
    return {**history.to_json(), "unmailed": [dict(message) for message in history.unmailed]}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LINES, MAIL), max_size=4))
def test_memory_is_what_a_successor_reads(lines: list[tuple[tuple[str, Any], Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder, recording(Path(folder) / "tree") as (tree, recorder):
        for (type_, fields), messages in lines:
            try:
                recorder.commit(type_, fields, messages=messages)
            except TypeError:
                continue  # no form in JSON: nothing of it is recorded
        assert repr(recorder.look(remembered)) == repr(remembered(recall(tree, "ann").history))


def test_what_is_changed_after_it_was_recorded_is_remembered_as_recorded(tmp_path: Path) -> None:
    with recording(tmp_path / "tree") as (tree, recorder):
        result, body, message = ["first"], {"n": [1]}, {"to": "bob", "text": "hello"}
        recorder.commit("step", {"key": "a", "result": result})
        recorder.commit("sent", {}, messages=[{"to": "bob", "body": body}, message])
        result.append("later")
        body["n"].append(2)
        message["text"] = "bye"
        assert recorder.look(remembered) == remembered(recall(tree, "ann").history)
        assert recorder.look(lambda history: history.steps[""]["a"]) == ["first"]


@pytest.mark.parametrize("value", [float("nan"), {"deep": [float("inf")]}, 1 << 64, {1, 2}])
def test_what_json_has_no_form_for_is_not_recorded(tmp_path: Path, value: object) -> None:
    with recording(tmp_path / "tree") as (tree, recorder):
        with pytest.raises(TypeError):
            recorder.commit("step", {"key": "a", "result": value})
        with pytest.raises(TypeError):
            recorder.commit("sent", {}, messages=[{"to": "bob", "body": {"value": value}}])
        assert recorder.look(remembered) == remembered(recall(tree, "ann").history)
        assert recorder.look(lambda history: (history.steps, history.sent_count)) == ({}, 0)
