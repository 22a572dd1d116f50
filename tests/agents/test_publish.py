"""The snapshot of an agent says what its memory says, whatever of it was encoded before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maos_sup.agents.attempt import publish
from maos_sup.agents.attempt.publish import Publisher
from maos_sup.agents.attempt.recorder import Recorder
from state_layout.files import codec
from state_layout.host.triggers import Heard, TriggerReader
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.lives.snapshots import agent_snapshot
from state_layout.paths import Tree
from state_layout.records import fields_of


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tree = Tree(tmp_path / "tree")
    known = recall(tree, "ann")
    attempt = begin_attempt(tree, "ann", recall=known, settings={})
    known.history.take(attempt.start)
    recorder = Recorder(tree, "ann", attempt=attempt, history=known.history)
    yield recorder
    recorder.close()


def publisher_of(recorder: Recorder, root: Path) -> Publisher:
    return Publisher(Tree(root / "tree"), "ann", kind="command", attempt=1, recorder=recorder)


def told(root: Path) -> dict[str, Any]:
    return codec.decode_object(Tree(root / "tree").agent("ann").status.read_bytes())


def test_snapshot_is_what_the_history_says_after_each_change(recorder: Recorder, tmp_path: Path) -> None:
    publisher = publisher_of(recorder, tmp_path)
    changes = (
        ("t", 1, {"phase": "running"}),
        ("t", 1, {"phase": "done", "result": {"x": "é"}, "elapsed_s": 1.5}),
        ("u", 1, {"phase": "failed", "error": 'it "broke"', "exit_code": 3}),
        ("t", 2, {"phase": "running"}),
        ("t", 2, {"phase": "done", "result": 2}),
        ("u", 1, {"phase": "cancelled"}),
    )
    for task, run, fields in changes:
        recorder.commit("task", {"task": task, "run": run, **fields})
        publisher.publish()
        snapshot = told(tmp_path)
        assert agent_snapshot(snapshot) == {key: snapshot[key] for key in snapshot if key != "run"}  # in form
        assert snapshot["seq"] == recorder.look(lambda history: history.seq)
        expected = recorder.look(
            lambda history: {name: fields_of(each) for name, each in history.tasks.items()}
        )
        for name, outcome in expected.items():
            shown = {"exit_code": None, "signal": None, **snapshot["tasks"][name]}
            assert shown == outcome


def test_task_that_goes_on_after_its_end_is_not_shown_as_it_was(recorder: Recorder, tmp_path: Path) -> None:
    """A stale piece would be caught here: the same task, settled, run again, settled again."""
    publisher = publisher_of(recorder, tmp_path)
    for run in (1, 2, 3):
        for phase in ("running", "done"):
            recorder.commit("task", {"task": "t", "run": run, "phase": phase, "result": run})
            publisher.publish()
            assert (told(tmp_path)["tasks"]["t"]["phase"], told(tmp_path)["tasks"]["t"]["run"]) == (
                phase,
                run,
            )


def test_tasks_that_did_not_change_are_not_encoded_again(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = list[str]()
    really = codec.encode_member

    def count(key: str, value: object) -> bytes:
        encoded.append(key)
        return really(key, value)

    monkeypatch.setattr(codec, "encode_member", count)
    publisher = publisher_of(recorder, tmp_path)
    for number in range(40):
        recorder.commit("task", {"task": f"t{number}", "run": 1, "phase": "done"})
        publisher.publish()
    assert len(encoded) == len(set(encoded)) == 40
    assert len(told(tmp_path)["tasks"]) == 40


def test_what_can_wait_waits_for_a_share_of_the_time_and_is_told_then(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = TriggerReader(Tree(tmp_path / "tree"), "supervisor")
    publisher = publisher_of(recorder, tmp_path)
    monkeypatch.setattr(publish, "MOST_SHARE", 1e-9)
    publisher.publish_soon()
    recorder.commit("task", {"task": "t", "run": 1, "phase": "done"})
    publisher.publish_soon(tell=True)
    assert publisher.is_behind and told(tmp_path)["tasks"] == {}
    assert trigger.heard() == Heard()
    publisher.publish()
    assert not publisher.is_behind and told(tmp_path)["tasks"]["t"]["phase"] == "done"
    assert trigger.heard() == Heard(names=frozenset({"ann"}))
    trigger.close()


def test_what_is_owed_is_published_though_nothing_was_recorded_since(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = publisher_of(recorder, tmp_path)
    publisher.publish()
    publisher._soon_s = float("inf")
    publisher.phase = "running"
    publisher.publish_soon()
    publisher.due_s = 0.0
    publisher.refresh()
    assert told(tmp_path)["phase"] == "running" and not publisher.is_behind
