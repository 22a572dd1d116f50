"""What is recorded of a program's output outlives no power cut that the output does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maos_sup.agents.attempt.recorder import Recorder
from maos_sup.agents.output import translate
from maos_sup.agents.output.translate import Translator, translate_leftovers
from state_layout.files import disk
from state_layout.files.journal import Reader
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree
from state_layout.tree.making import create_tree

PROGRESS = b'{"progress": 0.5}\n'


def begin(tree: Tree) -> Recorder:
    """A life of the only agent."""
    known = recall(tree, "ann")
    attempt = begin_attempt(tree, "ann", recall=known, settings={})
    known.history.take(attempt.start)
    recorder = Recorder(tree, "ann", attempt=attempt, history=known.history)
    recorder.catch_up()
    return recorder


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return create_tree(
        tmp_path / "t",
        orchestration={"id": "20261121-0142-test-0000", "request": "test"},
        agents={"ann": {"kind": "command", "command": ["true"]}},
        tasks={"ann": {"agent": "ann"}},
        files={},
    )


def told(number: int) -> bytes:
    """A control line that sends a message."""
    return b'{"send": {"to": "ann", "text": "m%d"}}\n' % number


def mailed(tree: Tree, *, to: str = "ann") -> list[str]:
    """The texts of what was delivered."""
    return [line.fields()["text"] for line in Reader(tree.mail_file(to, "ann"))]


@contextmanager
def operations() -> Iterator[list[tuple[str, str]]]:
    """List what was done to which file while this lasts: operation, the file's name."""
    seen: list[tuple[str, str]] = []

    def note(operation: str, arguments: tuple[object, ...]) -> None:
        if operation in ("write", "fdatasync", "fsync"):
            seen.append((operation, Path(f"/proc/self/fd/{arguments[0]}").readlink().name))

    disk.tap(note)
    try:
        yield seen
    finally:
        disk.tap(None)


@pytest.mark.parametrize("line", [PROGRESS, b"nonsense\n", b'{"send": {"to": "ann", "text": "x"}}\n'])
def test_a_control_line_is_durable_before_it_is_recorded(tree: Tree, line: bytes) -> None:
    recorder = begin(tree)
    tree.agent("ann").attempt(1).control.write_bytes(line)
    with operations() as seen:
        assert Translator(tree, "ann", 1, recorder=recorder).finish(lambda: True)
    assert seen[:2] == [("fsync", "0001"), ("fdatasync", "control.jsonl")]
    assert ("write", "journal.jsonl") in seen[2:]
    recorder.close()


def test_lines_that_come_together_are_synced_together(tree: Tree) -> None:
    recorder = begin(tree)
    tree.agent("ann").attempt(1).control.write_bytes(100 * PROGRESS)
    with operations() as seen:
        assert Translator(tree, "ann", 1, recorder=recorder).finish(lambda: True)
    assert seen.count(("fdatasync", "control.jsonl")) == 1
    assert seen.count(("write", "journal.jsonl")) == 1
    recorder.close()


def test_a_burst_of_messages_is_durable_at_once_before_any_of_them_leaves(tree: Tree) -> None:
    recorder = begin(tree)
    tree.agent("ann").attempt(1).control.write_bytes(b"".join(told(n) for n in range(200)))
    with operations() as seen:
        Translator(tree, "ann", 1, recorder=recorder).finish(lambda: True)
    assert seen.count(("fdatasync", "control.jsonl")) == 1
    first = seen.index(("write", "ann.jsonl"))
    assert ("fdatasync", "journal.jsonl") in seen[seen.index(("write", "journal.jsonl")) : first]
    assert seen.count(("fdatasync", "journal.jsonl")) < 200
    assert mailed(tree) == [f"m{n}" for n in range(200)]
    recorder.close()


def test_a_look_ends_in_time_and_the_next_one_goes_on(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "LOOK_S", 0.0)
    recorder = begin(tree)
    files = tree.agent("ann").attempt(1)
    files.control.write_bytes(b"".join(told(n) for n in range(3)))
    files.stdout.write_bytes(b"found: a\nplain\nfound: b\nfound: c")
    translator = Translator(tree, "ann", 1, recorder=recorder, keywords=("found",))
    assert translator.run()
    assert translator.has_more
    assert mailed(tree) == ["m0"]
    assert translator.finish(lambda: True)
    assert not translator.has_more
    assert mailed(tree) == ["m0", "m1", "m2"]
    assert mailed(tree, to="all") == ["a", "b", "c"]
    recorder.close()


def test_reading_that_is_broken_off_is_gone_on_with_by_the_next_life(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translate, "LOOK_S", 0.0)
    recorder = begin(tree)
    files = tree.agent("ann").attempt(1)
    files.control.write_bytes(b"".join(told(n) for n in range(5)))
    files.stdout.write_bytes(b"found: a\nfound: b\n")
    left = iter([True, True, False])
    assert Translator(tree, "ann", 1, recorder=recorder, keywords=("found",)).finish(lambda: next(left))
    recorder.close()
    assert mailed(tree) == ["m0", "m1", "m2"]
    for life in (2, 3):
        recorder, left = begin(tree), iter([True, life == 3, life == 3, life == 3])
        translate_leftovers(
            tree,
            "ann",
            before=life,
            recorder=recorder,
            keywords=("found",),
            go_on=lambda: next(left),  # noqa: B023
        )
        recorder.close()
    assert mailed(tree) == [f"m{n}" for n in range(5)]
    assert mailed(tree, to="all") == ["a", "b"]


def test_lines_that_cannot_be_carried_out_take_no_others_with_them(tree: Tree) -> None:
    recorder = begin(tree)
    lines = [told(0), b'{"send": {"to": "nobody", "text": "x"}}\n', told(1), b"nonsense\n", PROGRESS, told(2)]
    tree.agent("ann").attempt(1).control.write_bytes(b"".join(lines))
    Translator(tree, "ann", 1, recorder=recorder).finish(lambda: True)
    assert mailed(tree) == ["m0", "m1", "m2"]
    recorder.close()
    notes = [line.fields() for line in Reader(tree.agent("ann").attempt(1).journal)]
    warnings = [note["text"] for note in notes if note["type"] == "warning"]
    assert len(warnings) == 2
    assert "nobody" in warnings[0]
    assert "nonsense" in warnings[1]
    assert recall(tree, "ann").history.progress == 0.5
    assert recall(tree, "ann").history.offsets["1/control.jsonl"] == sum(map(len, lines))


def test_of_progress_told_together_the_last_counts_and_the_last_note(tree: Tree) -> None:
    recorder = begin(tree)
    lines = [b'{"progress": 0.1, "note": "half"}\n', told(0), b'{"progress": 0.7}\n', told(1)]
    tree.agent("ann").attempt(1).control.write_bytes(b"".join(lines))
    Translator(tree, "ann", 1, recorder=recorder).finish(lambda: True)
    recorder.close()
    history = recall(tree, "ann").history
    assert (history.progress, history.note) == (0.7, "half")
    assert mailed(tree) == ["m0", "m1"]


def test_output_of_a_dead_life_is_durable_before_it_counts_as_understood(tree: Tree) -> None:
    begin(tree).close()
    files = tree.agent("ann").attempt(1)
    files.stdout.write_bytes(b"nothing to tell\n")
    recorder = begin(tree)
    with operations() as seen:
        translate_leftovers(tree, "ann", before=2, recorder=recorder, keywords=())
    assert ("write", "journal.jsonl") in seen
    assert seen.index(("fdatasync", "stdout.log")) < seen.index(("write", "journal.jsonl"))
    recorder.close()
