"""A step and its message are made JSON once for secrets, once for the journal, once for the mail file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maos_sup.agents.attempt.recorder import Recorder
from maos_sup.agents.callable.steps import StepEffects, Steps, Unrecordable
from maos_sup.agents.secrets.redaction import Redactor
from state_layout.files import codec
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree
from state_layout.records import TaskSpec

SECRET = "a-word-that-nobody-may-read"


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tree = Tree(tmp_path / "tree")
    tree.agent_spec("bob").parent.mkdir(parents=True)
    tree.agent_spec("bob").write_text('{"kind": "command", "command": ["true"]}')
    known = recall(tree, "ann")
    attempt = begin_attempt(tree, "ann", recall=known, settings={})
    known.history.take(attempt.start)
    redactor = Redactor({"MY_TOKEN": SECRET})
    recorder = Recorder(tree, "ann", attempt=attempt, history=known.history, redactor=redactor)
    yield recorder
    recorder.close()


def test_one_step_with_one_message_is_encoded_three_times(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(recorder, TaskSpec(id="t", agent="ann"), attempt=1)
    effects = StepEffects(messages=[{"to": "bob", "text": "hello"}])
    counted = list[Any]()

    def count(name: str) -> None:
        really = getattr(codec, name)

        def encode(value: object) -> Any:
            counted.append(value)
            return really(value)

        monkeypatch.setattr(codec, name, encode)

    for name in ("encode", "encode_again"):
        count(name)
    assert steps.commit("s", {"n": (1, 2)}, effects) == {"n": [1, 2]}
    assert len(counted) == 3, counted


def test_secrets_are_in_no_part_of_a_step(recorder: Recorder, tmp_path: Path) -> None:
    steps = Steps(recorder, TaskSpec(id="t", agent="ann"), attempt=1)
    effects = StepEffects(
        messages=[{"to": "bob", "text": f"it is {SECRET}"}, {"to": "bob", "text": "and more"}]
    )
    effects.keep("key", f"[{SECRET}]")
    result = steps.commit("s", ["of", SECRET], effects)
    assert result[0] == "of" and SECRET not in result[1]
    assert result == recorder.look(lambda history: history.steps["t#1"]["s"])
    files = [path for path in (tmp_path / "tree").rglob("*.jsonl")]
    assert len(files) == 2 and not any(SECRET.encode() in path.read_bytes() for path in files)
    assert b"and more" in Tree(tmp_path / "tree").mail_file("bob", "ann").read_bytes()


@pytest.mark.parametrize("where", ["result", "message", "state"])
def test_what_json_has_no_form_for_leaves_nothing_behind(recorder: Recorder, where: str) -> None:
    steps = Steps(recorder, TaskSpec(id="t", agent="ann"), attempt=1)
    effects = StepEffects(messages=[{"to": "bob", "body": object() if where == "message" else 1}])
    effects.keep("key", object() if where == "state" else 1)
    before = recorder.changes
    with pytest.raises(Unrecordable):
        steps.commit("s", object() if where == "result" else 1, effects)
    assert recorder.changes == before
